import type { ActivationFn, ActivationStep } from '../../../plan/plan.js';
import { dense, scale } from '../kernels.js';
import { runsOf } from '../places.js';
import { f32, type Scaled, type Tensor } from '../recorder.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** smooth.wgsl's numbers; the others are gate.wgsl's. */
const SMOOTH: Partial<Record<ActivationFn, number>> = {
  clip: 0,
  elu: 1,
  selu: 2,
  celu: 3,
  gelu: 4,
  'gelu-tanh': 5,
  'hard-swish': 6,
  silu: 7,
  mish: 8,
  tanh: 9,
};

/** f and its companion in one kernel; for the adjoint ReLU and its kin leave one bit an element, smooth ones a². */
export class Activation extends StepExec<ActivationStep> {
  override forward(pass: DataPass): void {
    const { recorder, samples } = pass;
    const { fn, alpha, beta } = this.step;
    const walk = this.signal ? pass.companion : undefined;
    const z = this.input(pass);
    const y = this.output(pass);
    const c = walk?.value(this.step.inputs[0]!);
    const out = walk && this.outputOf(walk);
    const count = samples * this.outSize;
    const overrides = { COMPANION: Number(walk !== undefined), RECORD: Number(walk?.adjoint ?? false) };
    const smooth = SMOOTH[fn];
    const slots = [c?.slot ?? 0, out?.slot ?? 0];
    if (smooth === undefined) {
      const bits = walk?.adjoint ? recorder.tensor(Math.ceil(count / 32)) : undefined;
      const { values, segment } = this.slopes();
      recorder.strided(
        { shader: 'gate', overrides },
        [z, c?.tensor, this.slopeTensor(values), y, out?.tensor, bits],
        [count, this.status, segment, values.length, ...slots, this.outSize, 0],
        count,
      );
      if (bits) walk!.records.set(this.step, bits);
    } else {
      const squares = walk?.adjoint ? recorder.tensor(count) : undefined;
      recorder.strided(
        { shader: 'smooth', overrides: { ...overrides, FN: smooth } },
        [z, c?.tensor, y, out?.tensor, squares],
        [count, this.status, ...slots, f32(alpha), f32(beta), 0, 0],
        count,
      );
      if (squares) walk!.records.set(this.step, squares);
    }
  }

  f(pass: DataPass): void {
    this.forward(pass);
  }

  /** g has no gates. */
  up(walk: Walk): void {
    walk.values[this.step.output] = walk.value(this.step.inputs[0]!);
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (d) walk.addUpstream(column, this.step.inputs[0]!, walk.net === 'g' ? d : this.gated(walk, d));
  }

  private gated(walk: Walk, d: Scaled): Scaled {
    const record = walk.records.get(this.step) as Tensor;
    const count = d.tensor.elements;
    const out = walk.recorder.scaled(count);
    if (SMOOTH[this.step.fn] !== undefined)
      return scale(walk.recorder, 'value', { a: d, b: record, out }, dense(count));
    const { values, segment } = this.slopes();
    const c = this.slopeTensor(values);
    return scale(
      walk.recorder,
      'bits',
      { a: d, b: record, c, out, slopes: [segment, values.length] },
      dense(count),
    );
  }

  private slopes() {
    const { fn, alpha, slope } = this.step;
    if (fn === 'prelu' && slope) return runsOf(slope, this.outShape);
    return { values: Float32Array.of(fn === 'leaky-relu' ? alpha : 0), segment: this.outSize };
  }

  private slopeTensor(values: Float32Array): Tensor {
    return this.env.store.table(`slopes of step ${this.env.plan.steps.indexOf(this.step)}`, () => values);
  }
}
