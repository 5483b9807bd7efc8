import type { AxisMap, FixedStep } from '../../../plan/plan.js';
import { transposed } from '../axis-maps.js';
import { dense, elementwise, scale } from '../kernels.js';
import { split } from '../numbers.js';
import { sizeOf } from '../places.js';
import { f32, type Recorder, type Scaled, type Tensor } from '../recorder.js';
import { type DataPass, type Env, StepExec, type Walk } from './step.js';

/** One axis' map on the device. */
interface Call {
  readonly map: AxisMap;
  readonly shape: readonly number[];
  readonly samples: number;
  readonly coefficient: number;
  readonly exponent: number;
  readonly fill: number;
  readonly status: number;
}

/** Records axis.wgsl; `x` and `y` are scaled tensors, or plain ones of f. */
export function applyAxis(
  recorder: Recorder,
  env: Env,
  call: Call,
  x: Scaled | Tensor,
  y: Scaled | Tensor,
): void {
  const { map, shape, samples } = call;
  const scaled = 'slot' in x;
  const [from, to] = scaled ? [x.tensor, (y as Scaled).tensor] : [x, y as Tensor];
  const inner = sizeOf(shape.slice(map.axis + 1));
  const outer = samples * sizeOf(shape.slice(0, map.axis));
  const count = outer * map.outSize * inner;
  const terms = map.index.length / Math.max(1, map.outSize);
  const { constant } = env.store;
  const upload = constant.bind(env.store);
  recorder.strided(
    { shader: 'axis', overrides: { SCALED: Number(scaled) } },
    [from, upload(map.start), upload(some(map.index)), upload(some(map.value)), to],
    [
      ...[count, inner, map.inSize, map.outSize, scaled ? x.slot : 0, scaled ? (y as Scaled).slot : 0],
      ...[call.exponent, call.status, f32(call.coefficient), f32(call.fill), 0, 0],
    ],
    count,
    256,
    count * (1 + terms),
  );
}

const EMPTY = { index: new Uint32Array(1), value: new Float32Array(1) };
/** A buffer cannot be empty. */
function some<T extends Uint32Array | Float32Array>(values: T): T {
  if (values.length > 0) return values;
  return (values instanceof Float32Array ? EMPTY.value : EMPTY.index) as T;
}

/** Fixed linear maps: f with c, h and g with |c|, j with c². One axis after another, each a small sparse matrix. */
export class Fixed extends StepExec<FixedStep> {
  private readonly squares: readonly AxisMap[];
  private readonly adjoints: readonly AxisMap[];
  private readonly squareAdjoints: readonly AxisMap[];

  constructor(step: FixedStep, env: Env) {
    super(step, env);
    this.squares = step.axes.map((map) => ({ ...map, value: map.value.map((v) => v * v) }));
    this.adjoints = step.axes.map(transposed);
    this.squareAdjoints = this.squares.map(transposed);
  }

  f(pass: DataPass): void {
    const { recorder, samples } = pass;
    const { axes, coefficient, fill } = this.step;
    let x = this.input(pass);
    const status = this.status;
    if (axes.length === 0) {
      const out = this.output(pass);
      elementwise(recorder, 'scaled', { a: x, out, alpha: coefficient, step: status }, dense(out.elements));
      return;
    }
    const shape = [...this.inShape()];
    axes.forEach((map, i) => {
      const last = i === axes.length - 1;
      const given = [...shape];
      shape[map.axis] = map.outSize;
      const y = last ? this.output(pass) : recorder.tensor(samples * sizeOf(shape));
      const call = {
        map,
        shape: given,
        samples,
        coefficient: last ? coefficient : 1,
        exponent: 0,
        fill,
        status,
      };
      applyAxis(recorder, this.env, call, x, y);
      x = y;
    });
  }

  up(walk: Walk): void {
    const maps = walk.net === 'j' ? this.squares : this.step.axes;
    walk.values[this.step.output] = this.apply(walk, maps, walk.value(this.step.inputs[0]!), this.inShape());
  }

  down(walk: Walk, column: number): void {
    const d = walk.upstream[column]![this.step.output];
    if (!d) return;
    const maps = walk.net === 'j' ? this.squareAdjoints : this.adjoints;
    walk.addUpstream(column, this.step.inputs[0]!, this.apply(walk, maps, d, this.outShape));
  }

  /** Axes commute, so the adjoint may take them in the same order. */
  private apply(walk: Walk, maps: readonly AxisMap[], x: Scaled, from: readonly number[]): Scaled {
    const c = Math.abs(this.step.coefficient);
    const { mantissa, exponent } = split(walk.net === 'j' ? c * c : c);
    if (maps.length === 0) {
      if (c === 1) return x;
      const count = x.tensor.elements;
      const out = walk.recorder.scaled(count);
      return scale(walk.recorder, 'one', { a: x, out, exponent, alpha: mantissa }, dense(count));
    }
    return throughAxes(walk, this.env, maps, x, from, mantissa, exponent);
  }
}

/** A scaled tensor through one map after another, times mantissa · 2^exponent. */
export function throughAxes(
  walk: Walk,
  env: Env,
  maps: readonly AxisMap[],
  x: Scaled,
  from: readonly number[],
  mantissa = 1,
  exponent = 0,
): Scaled {
  const shape = [...from];
  let result = x;
  maps.forEach((map, i) => {
    const last = i === maps.length - 1;
    const given = [...shape];
    shape[map.axis] = map.outSize;
    const y = walk.recorder.scaled(walk.samples * sizeOf(shape));
    const part = last ? { coefficient: mantissa, exponent } : { coefficient: 1, exponent: 0 };
    applyAxis(
      walk.recorder,
      env,
      { map, shape: given, samples: walk.samples, ...part, fill: 0, status: 0 },
      result,
      y,
    );
    result = y;
  });
  return result;
}
