import type { AddStep, TailProductStep } from '../../../plan/plan.js';
import { elementwise, sum } from '../kernels.js';
import type { Scaled, Tensor } from '../recorder.js';
import { gatherSpread, overSamples, sampleStrides, spread } from './broadcast.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** Sums of signals, and their products in the tail, which h, g and j add. */
export class Sum extends StepExec<AddStep | TailProductStep> {
  f(pass: DataPass): void {
    const { step } = this;
    const strides = step.inputs.map((_, i) => sampleStrides(this.inShape(i), this.outShape));
    const combine = (
      op: 'mul' | 'div' | 'weighted' | 'scaled',
      rest: { a: Tensor; b?: Tensor; out: Tensor },
      signs: readonly number[],
      at: readonly (readonly number[])[],
    ) =>
      elementwise(
        pass.recorder,
        op,
        { ...rest, alpha: signs[0]!, beta: signs[1] ?? 1, step: this.status },
        overSamples(pass.samples, this.outShape, { a: at[0]!, ...(at[1] && { b: at[1] }) }),
      );
    const inputs = step.inputs.map((_, i) => this.input(pass, i));
    if (step.op === 'tail-product') {
      const [a, b] = [inputs[0]!, inputs[1]!];
      return combine(step.divide ? 'div' : 'mul', { a, b, out: this.output(pass) }, [1, 1], strides);
    }
    if (inputs.length === 1)
      return combine('scaled', { a: inputs[0]!, out: this.output(pass) }, step.signs, strides);
    let total = inputs[0]!;
    const own = sampleStrides(this.outShape, this.outShape);
    for (let i = 1; i < inputs.length; i++) {
      const out =
        i === inputs.length - 1 ? this.output(pass) : pass.recorder.tensor(pass.samples * this.outSize);
      const signs = [i === 1 ? step.signs[0]! : 1, step.signs[i]!];
      combine('weighted', { a: total, b: inputs[i]!, out }, signs, [
        i === 1 ? strides[0]! : own,
        strides[i]!,
      ]);
      total = out;
    }
  }

  up(walk: Walk): void {
    const { inputs, output } = this.step;
    const strides = inputs.map((_, i) => sampleStrides(this.inShape(i), this.outShape));
    const own = sampleStrides(this.outShape, this.outShape);
    let total: Scaled = walk.value(inputs[0]!);
    if (inputs.length === 1) total = spread(walk, total, this.inShape(0), this.outShape);
    for (let i = 1; i < inputs.length; i++) {
      const out = walk.recorder.scaled(walk.samples * this.outSize);
      const at = { a: i === 1 ? strides[0]! : own, b: strides[i]! };
      total = sum(
        walk.recorder,
        total,
        walk.value(inputs[i]!),
        out,
        overSamples(walk.samples, this.outShape, at),
      );
    }
    walk.values[output] = total;
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    this.step.inputs.forEach((id, i) => {
      const back = gatherSpread(walk, d, this.inShape(i), this.outShape, this.step.name);
      walk.addUpstream(column, id, back);
    });
  }
}
