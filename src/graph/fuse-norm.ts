import type { Rule } from './fuse.js';
import { isValue, type ValueId } from './graph.js';
import type { Matcher } from './match.js';

/**
 * (x − mean(x)) / √(mean((x − mean(x))²) + ε), as exporters wrote LayerNorm before opset 17. Its scale and bias stay what they
 * are, a Mul and an Add by constants. Over the last axes it is a layer norm, over all but the channels an instance norm, over the
 * channels alone a layer norm between two transpositions.
 */
export const fuseLayerNorm: Rule = (node, match, emit) => {
  if (node.kind !== 'binary' || !isValue(node.left)) return undefined;
  const centred = centre(match, node.left);
  if (centred === undefined) return undefined;
  const epsilon =
    node.fn === 'div'
      ? deviation(match, node.right, centred)
      : node.fn === 'mul'
        ? inverseDeviation(match, node.right, centred)
        : undefined;
  if (epsilon === undefined) return undefined;
  const { x, over } = centred;
  const shape = match.shape(x);
  const rank = shape.length;
  const one = { dims: [], dtype: 'float32' as const, data: Float32Array.of(1) };
  const first = rank - over.length;
  const trailing = over.every((axis, i) => axis === first + i);
  if (trailing && first === 1 && rank > 2) {
    const channels = shape[0]!;
    const [scale, bias] = [new Float32Array(channels).fill(1), new Float32Array(channels)];
    return { kind: 'group-norm', input: x, epsilon, groups: channels, scale, bias };
  }
  if (trailing) return { kind: 'layer-norm', input: x, epsilon, axes: over.length, scale: one };
  if (over.length !== 1) return undefined;
  const [axis] = over as [number];
  const rest = [...shape.keys()].filter((i) => i !== axis);
  const perm = [...rest, axis];
  const moved = perm.map((i) => shape[i]!);
  const last = emit({ kind: 'transpose', input: x, perm }, moved);
  const normalised = emit({ kind: 'layer-norm', input: last, epsilon, axes: 1, scale: one }, moved);
  return { kind: 'transpose', input: normalised, perm: [...shape.keys()].map((i) => perm.indexOf(i)) };
};

interface Centred {
  readonly x: ValueId;
  /** Axes of the mean, ascending. */
  readonly over: readonly number[];
}

/** x − mean(x). */
function centre(match: Matcher, value: ValueId): Centred | undefined {
  const sub = match.producer(value, 'binary');
  if (sub?.fn !== 'sub' || !isValue(sub.left)) return undefined;
  const mean = match.producer(sub.right, 'map');
  if (mean?.meanOver === undefined || mean.input !== sub.left) return undefined;
  return { x: sub.left, over: mean.meanOver };
}

/** ε when the value is √(mean((x − mean(x))²) + ε). */
function deviation(
  match: Matcher,
  value: Parameters<Matcher['producer']>[0],
  centred: Centred,
): number | undefined {
  const root = match.producer(value, 'unary');
  return root !== undefined && (root.fn === 'sqrt' || (root.fn === 'pow' && root.alpha === 0.5))
    ? variance(match, root.input, centred)
    : undefined;
}

function inverseDeviation(
  match: Matcher,
  value: Parameters<Matcher['producer']>[0],
  centred: Centred,
): number | undefined {
  const unary = match.producer(value, 'unary');
  if (unary?.fn === 'pow' && unary.alpha === -0.5) return variance(match, unary.input, centred);
  if (unary?.fn === 'reciprocal') return deviation(match, unary.input, centred);
  return undefined;
}

function variance(match: Matcher, value: ValueId, { x, over }: Centred): number | undefined {
  const sum = match.withNumber(value, 'add');
  const mean = sum && match.producer(sum.value, 'map');
  if (mean?.meanOver === undefined || mean.meanOver.join() !== over.join()) return undefined;
  const square = squared(match, mean.input);
  const again = square === undefined ? undefined : centre(match, square);
  return again?.x === x && again.over.join() === over.join() ? sum!.number : undefined;
}

function squared(match: Matcher, value: ValueId): ValueId | undefined {
  const unary = match.producer(value, 'unary');
  if (unary?.fn === 'pow' && unary.alpha === 2) return unary.input;
  const product = match.producer(value, 'binary');
  return product?.fn === 'mul' && product.left === product.right && isValue(product.left)
    ? product.left
    : undefined;
}
