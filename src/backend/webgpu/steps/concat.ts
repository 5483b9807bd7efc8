import type { ConcatStep, Operand } from '../../../plan/plan.js';
import { elementwise, type Places, scale } from '../kernels.js';
import { sizeOf } from '../places.js';
import { type DataPass, StepExec, type Walk } from './step.js';

interface Part {
  /** Position in the inputs, or a constant. */
  readonly source: number | Operand;
  /** Elements before it, and in it, within an outer row of the output. */
  readonly offset: number;
  readonly run: number;
}

/** Parts side by side, their exponents aligned; a constant part is itself in f and zero in h, g and j. */
export class Concat extends StepExec<ConcatStep> {
  f(pass: DataPass): void {
    const out = this.output(pass);
    for (const part of this.parts) {
      const { source } = part;
      const constant = typeof source !== 'number';
      const a = constant ? this.env.store.constant(source.data) : this.input(pass, source);
      const args = { a, out, step: this.status };
      elementwise(pass.recorder, 'scaled', args, this.places(part, pass.samples, !constant));
    }
  }

  up(walk: Walk): void {
    const { recorder, samples } = walk;
    const out = this.outputOf(walk);
    const signals = this.parts.filter(({ source }) => typeof source === 'number');
    const slots = signals.map(({ source }) => walk.value(this.step.inputs[source as number]!).slot);
    const list = this.env.store.constant(Uint32Array.from(slots), `slots ${slots.join(' ')}`);
    // Zeros first: the exponent is that of the parts.
    for (const part of this.parts)
      if (typeof part.source !== 'number')
        scale(recorder, 'constant', { out, alpha: 0 }, this.places(part, samples, false));
    for (const part of signals) {
      const a = walk.value(this.step.inputs[part.source as number]!);
      scale(recorder, 'aligned', { a, b: list, out, parts: slots.length }, this.places(part, samples, true));
    }
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    for (const part of this.parts) {
      if (typeof part.source !== 'number') continue;
      const { dims, a, out, outOffset } = this.places(part, walk.samples, true);
      const back = walk.recorder.scaled(sizeOf(dims));
      scale(walk.recorder, 'one', { a: d, out: back }, { dims, a: out!, out: a, aOffset: outOffset! });
      walk.addUpstream(column, this.step.inputs[part.source]!, back);
    }
  }

  private get parts(): Part[] {
    const { axis, parts } = this.step;
    const inner = sizeOf(this.outShape.slice(axis + 1));
    let offset = 0;
    return parts.map((source) => {
      const shape = typeof source === 'number' ? this.inShape(source) : source.shape;
      const part = { source, offset, run: shape[axis]! * inner };
      offset += part.run;
      return part;
    });
  }

  /** From the part (a) to its place in the whole (out). */
  private places({ run, offset }: Part, samples: number, bySample: boolean): Places {
    const outer = sizeOf(this.outShape.slice(0, this.step.axis));
    const whole = this.outSize / outer;
    return {
      dims: [samples, outer, run],
      a: [bySample ? outer * run : 0, run, 1],
      out: [this.outSize, whole, 1],
      outOffset: offset,
    };
  }
}
