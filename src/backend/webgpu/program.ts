import { PxError } from '../../errors.js';
import type { Plan } from '../../plan/plan.js';
import type {
  CompileOptions,
  Log2Scalars,
  MemoryReport,
  Program,
  PushResult,
  RoundOptions,
  RoundResult,
} from '../backend.js';
import { checkMasks, checkSamples } from './arguments.js';
import { BUFFER } from './constants.js';
import { asPxError, type Gpu } from './gpu.js';
import { type ScaledSum, split } from './numbers.js';
import {
  type DataRecorded,
  gradientSums,
  kernelsOf,
  outputSums,
  type Recorded,
  recordData,
  recordG,
  recordJointTotals,
  recordScores,
  type ScoresRecorded,
  type TotalsRecorded,
} from './passes.js';
import { sizeOf } from './places.js';
import { checkMicroBatch, Pool } from './pool.js';
import { isDispatch, type Tensor } from './recorder.js';
import { checkFinite, scaledOutputs, sumOfTotals } from './results.js';
import { Runner } from './runner.js';
import { type Common, Schedule } from './schedule.js';
import { makeStep } from './steps/index.js';
import type { Env, StepExec } from './steps/step.js';
import { Store } from './store.js';

const STORAGE = BUFFER.STORAGE | BUFFER.COPY_SRC | BUFFER.COPY_DST;
/** Writers of one kernel that may have nothing to write: as many places to write it. */
const SINKS = 4;

interface Scheduled<R extends Recorded> {
  readonly recorded: R;
  readonly schedule: Schedule;
}

/** A Plan on one device. What runs is recorded once per size of micro-batch, and then only submitted. */
export class WebGpuProgram implements Program {
  private readonly pool: Pool;
  private readonly runner: Runner;
  private readonly schedules = new Map<string, Scheduled<Recorded>>();
  private round: { options: RoundOptions; samples: number } | undefined;
  private disposed = false;

  private constructor(
    readonly backend: string,
    private readonly gpu: Gpu,
    private readonly options: CompileOptions,
    private readonly env: Env,
    private readonly steps: readonly StepExec[],
    private readonly common: Common,
    private readonly inverse: Tensor,
    pool: Pool,
  ) {
    this.pool = pool;
    this.runner = new Runner(gpu);
  }

  /** Uploads weights and compiles every kernel the Plan needs. @throws PxError ERR_BACKEND, ERR_MEMORY */
  static async compile(
    backend: string,
    gpu: Gpu,
    plan: Plan,
    weights: readonly Float32Array[],
    options: CompileOptions,
  ): Promise<WebGpuProgram> {
    gpu.check();
    const pool = new Pool(gpu.device);
    let store: Store | undefined;
    try {
      const { env, steps, common, inverse, recorded } = await gpu.checked(() => {
        store = new Store(gpu, pool, plan, weights);
        const env: Env = { plan, store, norm: options.norm, workgroups: gpu.workgroups };
        outputSums(env);
        gradientSums(env);
        const steps = plan.steps.map((step) => makeStep(step, env));
        const inverse = store.sums('1/R', 2);
        const { recorded, slots } = kernelsOf(env, steps, options.method, inverse);
        const sinks = Array.from({ length: SINKS }, () => pool.create(8, STORAGE, 'nothing'));
        const common: Common = {
          slots: pool.create(8 * slots, STORAGE, 'exponents'),
          nothing: { read: pool.create(8, STORAGE, 'nothing'), written: sinks },
        };
        return { env, steps, common, inverse, recorded };
      });
      const kernels = recorded.flatMap(({ recorder }) =>
        recorder.operations.filter(isDispatch).map((o) => o.kernel),
      );
      await gpu.orFailed(gpu.pipelines.prepare(kernels));
      return new WebGpuProgram(backend, gpu, options, env, steps, common, inverse, pool);
    } catch (error) {
      store?.dispose();
      pool.destroyAll();
      throw asPxError(error);
    }
  }

  setMasks(masks: readonly Uint8Array[]): void {
    this.check();
    checkMasks(this.env.plan.params, masks);
    this.round = undefined;
    masks.forEach((mask, i) => {
      this.env.store.setMask(i, mask);
    });
  }

  begin(options: RoundOptions = {}): void {
    this.check();
    const encoder = this.gpu.device.createCommandEncoder();
    this.env.store.clear(encoder, this.common.slots);
    this.gpu.device.queue.submit([encoder.finish()]);
    this.round = { options, samples: 0 };
  }

  async push(x: Float32Array, samples: number): Promise<PushResult> {
    const { options } = this.open('push');
    const { plan } = this.env;
    checkSamples(x, samples, sizeOf(plan.values[plan.input]!.shape));
    return this.exclusively(async (stopped) => {
      checkMicroBatch(this.gpu.device, plan, samples);
      const forwardOnly = options.forwardOnly ?? false;
      const { recorded, schedule } = await this.dataSchedule(samples, forwardOnly);
      stopped();
      this.gpu.device.queue.writeBuffer(schedule.bufferOf(recorded.input), 0, x as Float32Array<ArrayBuffer>);
      await this.runner.run(schedule, stopped);
      if (this.round) this.round.samples += samples;
      if (!(options.outputs ?? forwardOnly)) return {};
      const y = await this.readFinite(
        recorded.outputs.map((tensor) => ({ buffer: schedule.bufferOf(tensor), bytes: 4 * tensor.elements })),
        stopped,
      );
      return { y: y.map((b) => new Float32Array(b)) };
    });
  }

  async finish(): Promise<RoundResult> {
    const { options, samples } = this.open('finish');
    if (samples === 0) throw new PxError('ERR_STATE', 'finish without a sample pushed');
    return this.exclusively(async (stopped) => {
      const result = options.forwardOnly ? await this.nothing(stopped) : await this.results(options, stopped);
      this.round = undefined;
      return result;
    });
  }

  /** The result of f alone: no more than that it was finite. */
  private async nothing(stopped: () => void): Promise<RoundResult> {
    await this.readFinite([], stopped);
    return { scores: [], log2: { R: Number.NEGATIVE_INFINITY } };
  }

  abort(): void {
    this.runner.abort();
  }

  memory(): MemoryReport {
    return { current: this.pool.current, peak: this.pool.peak };
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.round = undefined;
    this.runner.abort();
    for (const { schedule } of this.schedules.values()) schedule.dispose();
    this.schedules.clear();
    this.env.store.dispose();
    this.pool.destroyAll();
  }

  /** Everything that a round has summed up, as scores and scalars. */
  private async results(options: RoundOptions, stopped: () => void): Promise<RoundResult> {
    const { R, log2 } = await this.scalars(stopped);
    const scores = options.scores ?? this.env.plan.params.map(({ size }) => new Float32Array(size));
    const { recorded, schedule } = await this.schedule<ScoresRecorded>('scores', () =>
      recordScores(this.env, this.inverse),
    );
    const cut = log2.R === Number.NEGATIVE_INFINITY;
    if (!cut) {
      const { value, power } = R.parts;
      const { mantissa, exponent } = split(1 / value);
      const words = new DataView(new ArrayBuffer(8));
      words.setFloat32(0, mantissa, true);
      words.setInt32(4, exponent - power, true);
      this.gpu.device.queue.writeBuffer(this.inverse.buffer!, 0, words.buffer);
      await this.runner.run(schedule, stopped);
    }
    const u = this.options.method === 'px' ? outputSums(this.env) : [];
    const wanted = cut ? [] : recorded.scores.filter((t): t is Tensor => t !== undefined);
    const parts = await this.gpu.read([
      { buffer: this.common.slots, bytes: 8 * this.env.store.slots },
      ...u.flatMap((sums) =>
        sums ? [{ buffer: sums.tensor.buffer!, bytes: 4 * sums.tensor.elements }] : [],
      ),
      ...wanted.map((tensor) => ({ buffer: schedule.bufferOf(tensor), bytes: 4 * tensor.elements })),
    ]);
    stopped();
    const slots = new DataView(parts.shift()!);
    if (slots.getUint32(0, true) !== 0)
      throw new PxError('ERR_NUMERIC', 'a score is not finite; check the weights for NaN or infinity');
    const sums = u.map((s) => (s ? { values: new Float32Array(parts.shift()!), slot: s.slot } : undefined));
    scores.forEach((array, p) => {
      if (cut || !recorded.scores[p]) array.fill(0);
      else array.set(new Float32Array(parts.shift()!));
    });
    if (this.options.method !== 'px') return { scores, log2 };
    return { scores, u: scaledOutputs(this.env.plan, sums, slots), log2 };
  }

  /** R and its factors, from the parts of their sums. */
  private async scalars(stopped: () => void): Promise<{ R: ScaledSum; log2: Log2Scalars }> {
    const px = this.options.method === 'px';
    const { recorded, schedule } = await this.schedule<TotalsRecorded>('totals', () =>
      px ? recordG(this.env, this.steps) : recordJointTotals(this.env),
    );
    await this.runner.run(schedule, stopped);
    const { scalars, R, Jfv2, Jvt2 } = recorded;
    const [bytes] = await this.readFinite(
      [{ buffer: schedule.bufferOf(scalars), bytes: 4 * scalars.elements }],
      stopped,
    );
    const view = new DataView(bytes!);
    const total = sumOfTotals(view, R);
    if (!px) return { R: total, log2: { R: total.log2 } };
    return {
      R: total,
      log2: { R: total.log2, Jfv2: sumOfTotals(view, Jfv2).log2, Jvt2: sumOfTotals(view, Jvt2).log2 },
    };
  }

  /** Reads what f has gone into. @throws PxError ERR_NUMERIC where f was not finite */
  private async readFinite(
    parts: readonly { buffer: GPUBuffer; bytes: number }[],
    stopped: () => void,
  ): Promise<ArrayBuffer[]> {
    const [status, ...read] = await this.gpu.read([{ buffer: this.common.slots, bytes: 4 }, ...parts]);
    stopped();
    checkFinite(this.env.plan, status!);
    return read;
  }

  private dataSchedule(samples: number, forwardOnly: boolean): Promise<Scheduled<DataRecorded>> {
    const net = forwardOnly ? undefined : this.options.method === 'px' ? 'h' : 'j';
    return this.schedule(`${samples} samples of ${net ?? 'f'}`, () =>
      recordData(this.env, this.steps, samples, net),
    );
  }

  private async schedule<R extends Recorded>(key: string, record: () => R): Promise<Scheduled<R>> {
    const known = this.schedules.get(key) as Scheduled<R> | undefined;
    if (known) return known;
    const made = await this.gpu.checked(() => {
      const recorded = record();
      const { recorder, keep } = recorded;
      const clear = [recorder.firstSlot, recorder.slots] as const;
      return {
        recorded,
        schedule: new Schedule(this.gpu, this.pool, this.common, recorder.operations, keep, clear),
      };
    });
    this.schedules.set(key, made);
    return made;
  }

  /** One call at a time; whatever goes wrong ends the round. */
  private async exclusively<T>(work: (stopped: () => void) => Promise<T>): Promise<T> {
    const { round } = this;
    try {
      return await this.runner.exclusively(work);
    } catch (error) {
      if (this.round === round) this.round = undefined;
      throw asPxError(error);
    }
  }

  private check(): void {
    if (this.disposed) throw new PxError('ERR_STATE', 'the program is disposed; compile the plan again');
    if (this.runner.busy)
      throw new PxError('ERR_STATE', 'a call is running: await it, or abort it, before the next one');
    this.gpu.check();
  }

  private open(call: string): { options: RoundOptions; samples: number } {
    this.check();
    if (!this.round)
      throw new PxError(
        'ERR_STATE',
        `${call}: no round is under way: call begin first (again after an error, an abort or new masks)`,
      );
    return this.round;
  }
}
