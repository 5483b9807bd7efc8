import type { BatchNormStep } from '../../../plan/plan.js';
import { elementwise, scale } from '../kernels.js';
import { sizeOf } from '../places.js';
import type { Scaled, Tensor } from '../recorder.js';
import { moments, normKernel } from './statistics.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** s per channel, its largest in a slot. */
interface Scales {
  readonly s: Tensor;
  readonly slot: number;
}

/** BatchNorm: f affine with the micro-batch's (or the stored) statistics, h 1, g and j s² = γ²/(σ² + ε). */
export class BatchNorm extends StepExec<BatchNormStep> {
  f(pass: DataPass): void {
    const { recorder, samples, companion } = pass;
    const a = this.input(pass);
    const out = this.output(pass);
    const { channels, inner } = this;
    const measured = this.env.norm === 'batch';
    const sets = { sets: channels, inner, outer: samples, stride: this.outSize };
    const statistics = measured ? moments(recorder, a, sets) : this.stored();
    const coefficients = recorder.tensor(4 * channels);
    normKernel(recorder, 'coefficients', {
      ...this.constants(),
      statistics,
      out: coefficients,
      count: channels,
    });
    const places = {
      dims: [samples, channels, inner],
      a: [this.outSize, inner, 1],
      b: [0, 1, 0],
      out: [this.outSize, inner, 1],
    };
    elementwise(recorder, 'normalise', { a, b: coefficients, out, step: this.status }, places);
    if (!companion || !this.signal) return;
    companion.records.set(this.step, statistics);
    if (measured && companion.net === 'h') {
      const pooled = this.pooled();
      // The variances lie behind the means; what is pooled is moved to the front first.
      const variances = recorder.tensor(channels);
      const part = { dims: [channels], a: [1], out: [1], aOffset: channels };
      elementwise(recorder, 'scaled', { a: statistics, out: variances, step: 0 }, part);
      normKernel(recorder, 'pool', { statistics: variances, out: pooled, count: channels, samples });
    }
  }

  up(walk: Walk): void {
    const x = walk.value(this.step.inputs[0]!);
    if (walk.net === 'h') {
      walk.values[this.step.output] = x;
      return;
    }
    const { recorder } = walk;
    const scales: Scales = { s: recorder.tensor(this.channels), slot: recorder.slot() };
    const pooled = this.env.norm === 'batch' && walk.net === 'g';
    const statistics =
      this.env.norm === 'running'
        ? this.stored()
        : pooled
          ? this.pooled()
          : (walk.records.get(this.step) as Tensor);
    normKernel(recorder, 'scales', {
      ...this.constants(),
      ...{ statistics, pooled, out: scales.s, slot: scales.slot, count: this.channels },
    });
    walk.records.set(this.step, scales);
    walk.values[this.step.output] = this.times(walk, x);
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (d) walk.addUpstream(column, this.step.inputs[0]!, this.times(walk, d));
  }

  private times(walk: Walk, x: Scaled): Scaled {
    const { s, slot } = walk.records.get(this.step) as Scales;
    const { channels, inner } = this;
    const out = walk.recorder.scaled(x.tensor.elements);
    const places = {
      dims: [walk.samples, channels, inner],
      a: [this.outSize, inner, 1],
      b: [0, 1, 0],
      out: [this.outSize, inner, 1],
    };
    return scale(walk.recorder, 'square', { a: x, b: s, bSlot: slot, out }, places);
  }

  private get channels(): number {
    return this.step.scale.length;
  }

  private get inner(): number {
    return sizeOf(this.outShape.slice(1));
  }

  private constants() {
    const { scale: gamma, bias, epsilon } = this.step;
    const { store } = this.env;
    return { gamma: store.constant(gamma), beta: store.constant(bias), epsilon };
  }

  private stored(): Tensor {
    const { mean, variance } = this.step;
    return this.env.store.table(`stored statistics of step ${this.env.plan.steps.indexOf(this.step)}`, () =>
      Float32Array.of(...mean, ...variance, ...mean.map(() => 0)),
    );
  }

  /** Variances summed over samples, and the number of samples. */
  private pooled(): Tensor {
    const at = this.env.plan.steps.indexOf(this.step);
    return this.env.store.sums(`pooled variances of step ${at}`, this.channels + 1);
  }
}
