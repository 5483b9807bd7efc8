import { PxError } from '../../../errors.js';
import type { BinaryStep, SoftmaxStep, UnaryStep } from '../../../plan/plan.js';
import { dense, elementwise } from '../kernels.js';
import { sizeOf } from '../places.js';
import { overSamples, sampleStrides } from './broadcast.js';
import { type DataPass, StepExec } from './step.js';

/** What lies on no path: gates' own arithmetic. It exists in f alone. */
export class FOnly extends StepExec<UnaryStep | BinaryStep | SoftmaxStep> {
  f(pass: DataPass): void {
    const { step } = this;
    if (step.op === 'unary') this.unary(pass, step);
    else if (step.op === 'binary') this.binary(pass, step);
    else this.softmax(pass, step);
  }

  up(): void {
    throw new PxError(
      'ERR_BACKEND',
      `malformed plan: '${this.step.name}' exists in f only, but lies on a path`,
    );
  }

  down(): void {
    this.up();
  }

  private unary(pass: DataPass, { fn, alpha, beta }: UnaryStep): void {
    const a = this.input(pass);
    const out = this.output(pass);
    elementwise(pass.recorder, fn, { a, out, alpha, beta, step: this.status }, dense(out.elements));
  }

  private binary(pass: DataPass, { fn, constant, constantFirst }: BinaryStep): void {
    const first = { tensor: this.input(pass), strides: sampleStrides(this.inShape(), this.outShape) };
    const second = constant
      ? {
          tensor: this.env.store.constant(constant.data),
          strides: sampleStrides(constant.shape, this.outShape, false),
        }
      : { tensor: this.input(pass, 1), strides: sampleStrides(this.inShape(1), this.outShape) };
    const [p, q] = constantFirst ? [second, first] : [first, second];
    const sign = fn === 'sub' ? -1 : 1;
    const op = fn === 'add' || fn === 'sub' ? 'weighted' : fn;
    elementwise(
      pass.recorder,
      op,
      { a: p.tensor, b: q.tensor, out: this.output(pass), beta: sign, step: this.status },
      overSamples(pass.samples, this.outShape, { a: p.strides, b: q.strides }),
    );
  }

  private softmax(pass: DataPass, { axis, log }: SoftmaxStep): void {
    const x = this.input(pass);
    const y = this.output(pass);
    const inner = sizeOf(this.outShape.slice(axis + 1));
    const size = this.outShape[axis]!;
    const rows = y.elements / size;
    pass.recorder.strided(
      { shader: 'softmax', overrides: { LOG: Number(log) } },
      [x, y],
      [rows, inner, size, this.status],
      rows,
      64,
      4 * y.elements,
    );
  }
}
