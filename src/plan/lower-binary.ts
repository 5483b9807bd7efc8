import { repeatMap } from '../graph/axis-map.js';
import { type BinaryNode, isValue } from '../graph/graph.js';
import { sizeOf, type Tensor } from '../graph/tensor.js';
import type { Operand, ValueId } from './plan.js';
import type { StepBody } from './step-builder.js';

/** What lowering a binary node may ask; `emit` adds a step whose output has the node's shape and role. */
export interface BinaryLowering {
  readonly node: BinaryNode;
  /** Is the node's output on a path? Otherwise everything here acts in f only. */
  readonly onPath: boolean;
  readonly isSignal: (value: number) => boolean;
  readonly outShape: readonly number[];
  value(id: number): ValueId;
  shape(id: number): readonly number[];
  emit(body: StepBody, inputs: readonly ValueId[]): ValueId;
  /** A helper step before the node's own, of the same role. */
  before(body: StepBody, inputs: readonly ValueId[], shape: readonly number[]): ValueId;
}

const NO_BOUND = 3.4028234663852886e38;

export function operand(tensor: Tensor, change: (value: number) => number = (value) => value): Operand {
  return { shape: tensor.dims, data: Float32Array.from(tensor.data, change) };
}

/** Add, Sub, Mul, Div, Min and Max by what meets: signals, gates, constants. */
export function lowerBinary(lowering: BinaryLowering): ValueId {
  const { left, right } = lowering.node;
  if (isValue(left) && isValue(right)) return twoValues(lowering, left, right);
  return isValue(left)
    ? withConstant(lowering, left, right as Tensor, false)
    : withConstant(lowering, right as number, left, true);
}

function twoValues(
  { node, onPath, isSignal, value, emit }: BinaryLowering,
  left: number,
  right: number,
): ValueId {
  const { fn } = node;
  const inputs = [value(left), value(right)];
  const divide = fn === 'div';
  if (fn === 'add' || fn === 'sub')
    return emit({ kind: 'sum', op: 'add', signs: [1, fn === 'add' ? 1 : -1] }, inputs);
  if (!onPath) return emit({ kind: 'f-only', op: 'binary', fn, constantFirst: false }, inputs);
  if (isSignal(left) && isSignal(right)) return emit({ kind: 'sum', op: 'tail-product', divide }, inputs);
  return emit({ kind: 'gate', op: 'product', divide }, isSignal(left) ? inputs : inputs.toReversed());
}

function withConstant(
  lowering: BinaryLowering,
  value: number,
  constant: Tensor,
  constantFirst: boolean,
): ValueId {
  const { node, onPath, emit } = lowering;
  const { fn } = node;
  const one = constant.data.length === 1 ? (constant.data[0] as number) : undefined;
  if (fn === 'add' || fn === 'sub') {
    const x = fitted(lowering, value);
    // constant − x is −1 · x + constant: the sign is a scale of −1, whose square is 1.
    const scale = fn === 'sub' && constantFirst ? { scale: { shape: [], data: Float32Array.of(-1) } } : {};
    const shift = operand(constant, (c) => (fn === 'sub' && !constantFirst ? -c : c));
    return emit({ kind: 'norm', op: 'affine', ...scale, shift }, [x]);
  }
  if (fn === 'mul' || (fn === 'div' && !constantFirst)) {
    const x = fitted(lowering, value);
    if (one !== undefined)
      return emit(
        { kind: 'fixed', op: 'fixed', coefficient: fn === 'mul' ? one : 1 / one, axes: [], fill: 0 },
        [x],
      );
    const scale = operand(constant, (c) => (fn === 'mul' ? c : 1 / c));
    return emit({ kind: 'norm', op: 'affine', scale }, [x]);
  }
  const x = lowering.value(value);
  if (onPath && (fn === 'min' || fn === 'max')) {
    const bound = one as number;
    if (fn === 'max' && bound === 0)
      return emit({ kind: 'gate', op: 'activation', fn: 'relu', alpha: 0, beta: 0 }, [x]);
    const [alpha, beta] = fn === 'min' ? [-NO_BOUND, bound] : [bound, NO_BOUND];
    return emit({ kind: 'gate', op: 'activation', fn: 'clip', alpha, beta }, [x]);
  }
  return emit({ kind: 'f-only', op: 'binary', fn, constant: operand(constant), constantFirst }, [x]);
}

/** The value, repeated to the output's shape where the constant is what enlarges it. */
function fitted({ value, shape, outShape, before }: BinaryLowering, id: number): ValueId {
  const from = shape(id);
  if (from.join() === outShape.join()) return value(id);
  const axes = outShape.flatMap((to, axis) => (from[axis] === to ? [] : [repeatMap(axis, to)]));
  return sizeOf(from) === sizeOf(outShape)
    ? before({ kind: 'view', op: 'reshape' }, [value(id)], outShape)
    : before({ kind: 'fixed', op: 'fixed', coefficient: 1, axes, fill: 0 }, [value(id)], outShape);
}
