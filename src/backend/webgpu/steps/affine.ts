import type { AffineStep } from '../../../plan/plan.js';
import { elementwise, scale } from '../kernels.js';
import { scaledSquares } from '../numbers.js';
import type { Scaled } from '../recorder.js';
import { overSamples, sampleStrides } from './broadcast.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** Learned scales and constant addends: f: x·scale + shift, h: 1, g and j: scale². */
export class Affine extends StepExec<AffineStep> {
  f(pass: DataPass): void {
    const { scale: factor, shift } = this.step;
    const a = this.input(pass);
    if (!factor && !shift) {
      pass.f[this.step.output] = a;
      return;
    }
    const out = this.output(pass);
    const { store } = this.env;
    const operand = (shape: readonly number[]) => sampleStrides(shape, this.outShape, false);
    const strides = {
      a: sampleStrides(this.outShape, this.outShape),
      b: operand((factor ?? shift)!.shape),
      c: operand(shift?.shape ?? []),
    };
    const args = {
      a,
      b: store.constant((factor ?? shift)!.data),
      ...(shift && { c: store.constant(shift.data) }),
      out,
      step: this.status,
    };
    const op = factor && shift ? 'affine' : factor ? 'mul' : 'weighted';
    elementwise(pass.recorder, op, args, overSamples(pass.samples, this.outShape, strides));
  }

  up(walk: Walk): void {
    walk.values[this.step.output] = this.times(walk, walk.value(this.step.inputs[0]!));
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (d) walk.addUpstream(column, this.step.inputs[0]!, this.times(walk, d));
  }

  private times(walk: Walk, x: Scaled): Scaled {
    const factor = this.step.scale;
    if (!factor || walk.net === 'h') return x;
    const { values, exponent } = scaledSquares(factor.data);
    const b = this.env.store.constant(
      values,
      `squared scale of step ${this.env.plan.steps.indexOf(this.step)}`,
    );
    const out = walk.recorder.scaled(x.tensor.elements);
    const strides = {
      a: sampleStrides(this.outShape, this.outShape),
      b: sampleStrides(factor.shape, this.outShape, false),
    };
    return scale(
      walk.recorder,
      'value',
      { a: x, b, out, exponent },
      overSamples(walk.samples, this.outShape, strides),
    );
  }
}
