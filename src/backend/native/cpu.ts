import { availableParallelism } from 'node:os';
import { PxError } from '../../errors.js';
import type { Plan } from '../../plan/plan.js';
import type {
  Backend,
  CompileOptions,
  MemoryReport,
  Program,
  PushResult,
  RoundOptions,
  RoundResult,
} from '../backend.js';
import { loadAddon, type NativeProgram } from './addon.js';
import { guard, settled } from './translate.js';
import { encodePlan } from './wire.js';

/**
 * The embedded default: native kernels on the addon's own threads, off the event loop.
 *
 * @param isa highest instruction set allowed, "base" or "avx2"; default: what the environment variable `PX_ISA` says, else the best there is
 */
export function cpuBackend(isa = process.env.PX_ISA): Backend {
  const addon = loadAddon();
  return {
    name: 'cpu',
    description: `cpu ${isa ?? addon.isa}`,
    compile: async (plan, weights, options) => {
      const threads = options.threads ?? availableParallelism();
      const native = guard(
        () =>
          new addon.Program(encodePlan(plan), weights, {
            joint: options.method === 'px-joint',
            batchStatistics: options.norm === 'batch',
            threads,
            ...(isa ? { isa } : {}),
          }),
      );
      return new CpuProgram(plan, native, options, threads);
    },
  };
}

class CpuProgram implements Program {
  readonly backend: string;
  private outputs = false;
  /** Where the round under way puts what it finds; undefined in a round of f alone. */
  private results: { scores: readonly Float32Array[]; u: readonly Float32Array[] } | undefined;
  private disposed = false;

  constructor(
    private readonly plan: Plan,
    private readonly native: NativeProgram,
    private readonly options: CompileOptions,
    threads: number,
  ) {
    this.backend = `cpu ${native.isa()} (${threads} ${threads === 1 ? 'thread' : 'threads'})`;
  }

  setMasks(masks: readonly Uint8Array[]): void {
    this.check();
    const { params } = this.plan;
    if (masks.length !== params.length)
      throw new PxError('ERR_OPTION', `setMasks: ${params.length} masks expected, ${masks.length} given`);
    // All are looked at before the first is set: masks change together or not at all.
    params.forEach(({ name, size }, i) => {
      const mask = masks[i];
      if (mask instanceof Uint8Array && mask.length === maskBytes(size)) return;
      const given = mask instanceof Uint8Array ? `${mask.length} bytes` : typeof mask;
      const wanted = `a Uint8Array of ${maskBytes(size)} bytes (packMask makes one)`;
      throw new PxError('ERR_OPTION', `setMasks: the mask of '${name}' must be ${wanted}, not ${given}`);
    });
    masks.forEach((mask, i) => {
      guard(() => this.native.setMask(i, mask));
    });
  }

  begin(options: RoundOptions = {}): void {
    this.check();
    const forwardOnly = options.forwardOnly ?? false;
    if (forwardOnly) {
      this.results = undefined;
      guard(() => this.native.begin());
    } else {
      const scores = options.scores ?? allocate(this.plan.params.map((param) => param.size));
      const u = this.outputArrays(1);
      guard(() => this.native.begin(scores, u));
      this.results = { scores, u };
    }
    this.outputs = options.outputs ?? forwardOnly;
  }

  async push(x: Float32Array, samples: number): Promise<PushResult> {
    this.check();
    const size = sizeOf(this.plan, this.plan.input);
    if (!Number.isInteger(samples) || samples < 1)
      throw new PxError('ERR_OPTION', `push: samples is ${samples}; it must be a whole number, 1 or more`);
    if (!(x instanceof Float32Array) || x.length !== samples * size) {
      const given = x instanceof Float32Array ? `${x.length}` : typeof x;
      throw new PxError(
        'ERR_OPTION',
        `push: ${samples} samples take a Float32Array of ${samples * size} numbers, not ${given}`,
      );
    }
    const y = this.outputs ? this.outputArrays(samples) : null;
    await settled(() => this.native.push(x, samples, y));
    return y ? { y } : {};
  }

  async finish(): Promise<RoundResult> {
    this.check();
    const { results } = this;
    const log2 = await settled(() => this.native.finish());
    if (!results) return { scores: [], log2: { R: Number.NEGATIVE_INFINITY } };
    if (this.options.method === 'px-joint') return { scores: results.scores, log2: { R: log2.R } };
    return { ...results, log2 };
  }

  abort(): void {
    if (!this.disposed) this.native.abort();
  }

  memory(): MemoryReport {
    return this.native.memory();
  }

  dispose(): void {
    this.disposed = true;
    this.native.dispose();
  }

  /** One array per output, for that many samples. */
  private outputArrays(samples: number): Float32Array[] {
    return allocate(this.plan.outputs.map(({ value }) => samples * sizeOf(this.plan, value)));
  }

  private check(): void {
    if (this.disposed) throw new PxError('ERR_STATE', 'the program is disposed; compile the plan again');
  }
}

/** @throws PxError ERR_MEMORY */
function allocate(lengths: readonly number[]): Float32Array[] {
  try {
    return lengths.map((length) => new Float32Array(length));
  } catch (cause) {
    const bytes = 4 * lengths.reduce((sum, length) => sum + length, 0);
    throw new PxError(
      'ERR_MEMORY',
      `no memory for ${bytes} bytes of results; use a smaller micro-batch or end other programs`,
      { cause },
    );
  }
}

/** One bit a weight. */
function maskBytes(size: number): number {
  return Math.ceil(size / 8);
}

function sizeOf(plan: Plan, value: number): number {
  return (plan.values[value]?.shape ?? []).reduce((a, b) => a * b, 1);
}
