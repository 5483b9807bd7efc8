import { availableParallelism } from 'node:os';
import { EXIT_CODES, PxError, type PxErrorCode } from '../../errors.js';
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
import { encodePlan } from './wire.js';

/** The embedded default: native kernels on the addon's own threads, off the event loop. `PX_ISA` caps the instruction set. */
export function cpuBackend(): Backend {
  const addon = loadAddon();
  const isa = process.env.PX_ISA;
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
  private forwardOnly = false;
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
    if (masks.length !== this.plan.params.length)
      throw new PxError(
        'ERR_OPTION',
        `setMasks: ${this.plan.params.length} masks expected, ${masks.length} given`,
      );
    masks.forEach((m, i) => {
      guard(() => this.native.setMask(i, m));
    });
  }

  begin(options: RoundOptions = {}): void {
    this.check();
    this.forwardOnly = options.forwardOnly ?? false;
    this.outputs = options.outputs ?? this.forwardOnly;
    guard(() => this.native.begin(this.forwardOnly));
  }

  async push(x: Float32Array, samples: number): Promise<PushResult> {
    this.check();
    const y = this.outputs
      ? this.plan.outputs.map((o) => new Float32Array(samples * sizeOf(this.plan, o.value)))
      : null;
    await settled(() => this.native.push(x, samples, y));
    return y ? { y } : {};
  }

  async finish(): Promise<RoundResult> {
    this.check();
    if (this.forwardOnly) return { scores: [], log2: { R: Number.NEGATIVE_INFINITY } };
    const scores = this.plan.params.map((p) => new Float32Array(p.size));
    const u = this.plan.outputs.map((o) => new Float32Array(sizeOf(this.plan, o.value)));
    const log2 = await settled(() => this.native.finish(scores, u));
    if (this.options.method === 'px-joint') return { scores, log2: { R: log2.R } };
    return { scores, u, log2 };
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

  private check(): void {
    if (this.disposed) throw new PxError('ERR_STATE', 'the program is disposed; compile the plan again');
  }
}

function sizeOf(plan: Plan, value: number): number {
  return (plan.values[value]?.shape ?? []).reduce((a, b) => a * b, 1);
}

function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (e) {
    throw translated(e);
  }
}

/** The rejection is made here, in JavaScript, so that its stack leads to the caller. */
async function settled<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (e) {
    throw translated(e);
  }
}

function translated(e: unknown): PxError {
  const code = (e as { code?: unknown }).code;
  const message = e instanceof Error ? e.message : String(e);
  const known = typeof code === 'string' && code in EXIT_CODES;
  return new PxError(known ? (code as PxErrorCode) : 'ERR_BACKEND', message, { cause: e });
}
