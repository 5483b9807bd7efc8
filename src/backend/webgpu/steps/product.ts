import type { ProductStep } from '../../../plan/plan.js';
import { elementwise, largest, scale } from '../kernels.js';
import type { Scaled, Tensor } from '../recorder.js';
import { gatherSpread, overSamples, sampleStrides, spread } from './broadcast.js';
import { type DataPass, StepExec, type Walk } from './step.js';

/** The gate of a micro-batch, and the slot that holds its largest. */
interface Gate {
  readonly q: Tensor;
  readonly slot: number;
}

/** A signal times (or divided by) a gate: f as is, h and j times gate² (1/gate²), g unchanged but for the shape. */
export class Product extends StepExec<ProductStep> {
  f(pass: DataPass): void {
    const { recorder, samples, companion } = pass;
    const [a, b] = [this.input(pass, 0), this.input(pass, 1)];
    const out = this.output(pass);
    const strides = { a: sampleStrides(this.inShape(0), this.outShape), b: this.gateStrides() };
    const places = overSamples(samples, this.outShape, strides);
    elementwise(recorder, this.step.divide ? 'div' : 'mul', { a, b, out, step: this.status }, places);
    if (!companion || !this.signal) return;
    const gate: Gate = { q: b, slot: recorder.slot() };
    largest(recorder, b, gate.slot, this.step.divide);
    companion.records.set(this.step, gate);
  }

  up(walk: Walk): void {
    const x = walk.value(this.step.inputs[0]!);
    walk.values[this.step.output] =
      walk.net === 'g'
        ? spread(walk, x, this.inShape(0), this.outShape)
        : this.gated(walk, x, this.inShape(0));
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    const whole = walk.net === 'g' ? d : this.gated(walk, d, this.outShape);
    const back = gatherSpread(walk, whole, this.inShape(0), this.outShape, this.step.name);
    walk.addUpstream(column, this.step.inputs[0]!, back);
  }

  private gateStrides(): readonly number[] {
    return sampleStrides(this.inShape(1), this.outShape);
  }

  private gated(walk: Walk, x: Scaled, shape: readonly number[]): Scaled {
    const { q, slot } = walk.records.get(this.step) as Gate;
    const out = walk.recorder.scaled(walk.samples * this.outSize);
    const strides = { a: sampleStrides(shape, this.outShape), b: this.gateStrides() };
    const factor = this.step.divide ? 'reciprocal-square' : 'square';
    return scale(
      walk.recorder,
      factor,
      { a: x, b: q, bSlot: slot, out },
      overSamples(walk.samples, this.outShape, strides),
    );
  }
}
