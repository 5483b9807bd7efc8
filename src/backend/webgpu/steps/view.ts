import type { ReshapeStep, TransposeStep } from '../../../plan/plan.js';
import { elementwise, type Places, scale } from '../kernels.js';
import { stridesOf } from '../places.js';
import { overSamples } from './broadcast.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** Reshapes are another name for the same array; transposes are copied. */
export class View extends StepExec<ReshapeStep | TransposeStep> {
  f(pass: DataPass): void {
    const a = this.input(pass);
    const places = this.places(pass.samples);
    if (!places) pass.f[this.step.output] = a;
    else elementwise(pass.recorder, 'scaled', { a, out: this.output(pass), step: 0 }, places);
  }

  up(walk: Walk): void {
    const a = walk.value(this.step.inputs[0]!);
    const places = this.places(walk.samples);
    if (!places) walk.values[this.step.output] = a;
    else scale(walk.recorder, 'one', { a, out: this.outputOf(walk) }, places);
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    const places = this.places(walk.samples);
    const back = places
      ? scale(
          walk.recorder,
          'one',
          { a: d, out: walk.recorder.scaled(d.tensor.elements) },
          { dims: places.dims, a: places.out!, out: places.a },
        )
      : d;
    walk.addUpstream(column, this.step.inputs[0]!, back);
  }

  private places(samples: number): Places | undefined {
    if (this.step.op === 'reshape') return undefined;
    const strides = stridesOf(this.inShape());
    return overSamples(samples, this.outShape, {
      a: [this.outSize, ...this.step.perm.map((axis) => strides[axis]!)],
    });
  }
}
