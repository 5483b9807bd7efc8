import type { GroupNormStep, LayerNormStep } from '../../../plan/plan.js';
import { elementwise, type Places, scale } from '../kernels.js';
import { scaledSquares } from '../numbers.js';
import { broadcastStrides, sizeOf, stridesOf } from '../places.js';
import type { Scaled, Tensor } from '../recorder.js';
import { moments, normKernel } from './statistics.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** a² per sample and part of a sample, and mean(a²) per layer or group of this micro-batch. */
interface Record {
  readonly squares: Tensor;
  readonly mean: Tensor;
}

/**
 * LayerNorm, GroupNorm, InstanceNorm, a² = 1/(σ² + ε) per sample and part: h times a²/mean(a²), g times γ²·mean(a²), j times both; under running
 * statistics h times a², g times γ². mean(a²) is taken per layer (LayerNorm) or per group, over the samples of the micro-batch in h,
 * sample-weighted over all of them in g.
 */
export class SampleNorm extends StepExec<LayerNormStep | GroupNormStep> {
  f(pass: DataPass): void {
    const { recorder, samples, companion } = pass;
    const { parts, inner } = this;
    const x = this.input(pass);
    const count = samples * parts;
    const statistics = moments(recorder, x, { sets: count, inner, outer: 1, stride: 0 });
    const inverse = recorder.tensor(4 * count);
    const squares = recorder.tensor(count);
    normKernel(recorder, 'inverse', { statistics, out: inverse, squares, count, epsilon: this.step.epsilon });
    const normal = recorder.tensor(samples * this.outSize);
    const byPart: Places = { dims: [count, inner], a: [inner, 1], b: [1, 0] };
    elementwise(recorder, 'normalise', { a: x, b: inverse, out: normal, step: this.status }, byPart);
    this.affine(pass, normal);
    if (!companion || !this.signal) return;
    const { means } = this;
    const relative = moments(recorder, squares, {
      sets: means,
      inner: 1,
      outer: count / means,
      stride: means,
    });
    const mean = recorder.tensor(means);
    normKernel(recorder, 'absolute', { statistics: relative, out: mean, count: means });
    companion.records.set(this.step, { squares, mean } satisfies Record);
    if (companion.net === 'h' && this.env.norm === 'batch')
      normKernel(recorder, 'pool', { statistics: mean, out: this.pooled(), count: means, samples });
  }

  up(walk: Walk): void {
    walk.values[this.step.output] = this.times(walk, walk.value(this.step.inputs[0]!));
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (d) walk.addUpstream(column, this.step.inputs[0]!, this.times(walk, d));
  }

  /** x times h's, g's or j's factor: the adjoint is the same. */
  private times(walk: Walk, x: Scaled): Scaled {
    const { recorder, samples, net } = walk;
    const { parts, inner, means } = this;
    const batch = this.env.norm === 'batch';
    let result = x;
    const next = () => recorder.scaled(x.tensor.elements);
    const byPart = {
      dims: [(samples * parts) / means, means, inner],
      a: [means * inner, inner, 1],
      b: [means, 1, 0],
      c: [0, 1, 0],
      out: [means * inner, inner, 1],
    };
    if (net !== 'g') {
      const { squares, mean } = walk.records.get(this.step) as Record;
      const args = { a: result, b: squares, out: next() };
      result =
        batch && net === 'h'
          ? scale(recorder, 'ratio', { ...args, c: mean }, byPart)
          : scale(recorder, 'value', args, byPart);
    } else if (batch) {
      const mean = this.pooledMean(walk);
      const args = { a: result, b: mean, out: next() };
      result = scale(recorder, 'value', args, { ...byPart, b: [0, 1, 0] });
    }
    if (net === 'h') return result;
    const { values, exponent } = scaledSquares(this.gamma.data);
    const b = this.env.store.constant(
      values,
      `squared scale of step ${this.env.plan.steps.indexOf(this.step)}`,
    );
    return scale(recorder, 'value', { a: result, b, out: next(), exponent }, this.operandPlaces(samples));
  }

  private pooledMean(walk: Walk): Tensor {
    const known = walk.records.get(this.step) as Tensor | undefined;
    if (known) return known;
    const mean = walk.recorder.tensor(this.means);
    normKernel(walk.recorder, 'mean', { statistics: this.pooled(), out: mean, count: this.means });
    walk.records.set(this.step, mean);
    return mean;
  }

  /** γ and β. */
  private affine(pass: DataPass, a: Tensor): void {
    const { store } = this.env;
    const b = store.constant(this.gamma.data);
    const out = this.output(pass);
    const places = this.operandPlaces(pass.samples);
    const bias =
      this.step.op === 'layer' ? this.step.bias : this.gamma && { ...this.gamma, data: this.step.bias };
    if (!bias) return elementwise(pass.recorder, 'mul', { a, b, out, step: this.status }, places);
    const c = store.constant(bias.data);
    const strides = { ...places, c: this.operandStrides(bias.shape) };
    elementwise(pass.recorder, 'affine', { a, b, c, out, step: this.status }, strides);
  }

  /** γ as an operand of the sample's shape: LayerNorm's spans the trailing axes, GroupNorm's the channels. */
  private get gamma(): { readonly shape: readonly number[]; readonly data: Float32Array } {
    const { step } = this;
    if (step.op === 'layer') return step.scale;
    return { shape: [step.scale.length, ...this.outShape.slice(1).map(() => 1)], data: step.scale };
  }

  private operandPlaces(samples: number): Places {
    const dims = [samples, ...this.outShape];
    return { dims, a: stridesOf(dims), b: this.operandStrides(this.gamma.shape), out: stridesOf(dims) };
  }

  private operandStrides(shape: readonly number[]): number[] {
    return [0, ...broadcastStrides(shape, this.outShape)];
  }

  /** Parts of a sample that are normalised by themselves. */
  private get parts(): number {
    const { step } = this;
    return step.op === 'group'
      ? step.groups
      : sizeOf(this.outShape.slice(0, this.outShape.length - step.axes));
  }

  private get inner(): number {
    return this.outSize / this.parts;
  }

  private get means(): number {
    return this.step.op === 'group' ? this.parts : 1;
  }

  /** mean(a²) summed over samples, and the number of samples. */
  private pooled(): Tensor {
    const at = this.env.plan.steps.indexOf(this.step);
    return this.env.store.sums(`pooled mean(a²) of step ${at}`, this.means + 1);
  }
}
