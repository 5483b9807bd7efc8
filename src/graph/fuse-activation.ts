import type { NodeBody } from './builder.js';
import type { Rule } from './fuse.js';
import { type GraphNode, isValue, type ValueId } from './graph.js';
import { isPolynomial, type Matcher, near } from './match.js';

const TANH_SCALE = Math.sqrt(2 / Math.PI);

const activation = (
  fn: 'gelu' | 'gelu-tanh' | 'hard-swish' | 'silu' | 'mish' | 'leaky-relu',
  input: ValueId,
  alpha = 0,
): NodeBody => ({
  kind: 'activation',
  fn,
  input,
  alpha,
  beta: 0,
});

/** The two values of a Mul, in both orders. */
function factors(node: GraphNode): [ValueId, ValueId][] {
  if (node.kind !== 'binary' || node.fn !== 'mul' || !isValue(node.left) || !isValue(node.right)) return [];
  return [
    [node.left, node.right],
    [node.right, node.left],
  ];
}

/** x · (1 + erf(x/√2)) / 2, and the same with tanh(√(2/π)·(x + 0.044715·x³)), in any order of the factors. */
export const fuseGelu: Rule = (node, match) => {
  if (node.kind !== 'binary' && !(node.kind === 'map' && node.axes.length === 0)) return undefined;
  for (const sum of match.arithmeticSources(node.output)) {
    const plusOne = match.withNumber(sum, 'add');
    if (plusOne === undefined || plusOne.number !== 1) continue;
    const erf = match.producer(plusOne.value, 'unary');
    const tanh = match.producer(plusOne.value, 'activation');
    const inner = erf?.fn === 'erf' ? erf.input : tanh?.fn === 'tanh' ? tanh.input : undefined;
    if (inner === undefined) continue;
    const wanted = erf === undefined ? [0, TANH_SCALE, 0, TANH_SCALE * 0.044715] : [0, Math.SQRT1_2];
    for (const x of match.arithmeticSources(inner)) {
      if (!isPolynomial(match.polynomial(inner, x), wanted)) continue;
      if (near(match.productOf(node.output, x, sum), 0.5))
        return activation(erf === undefined ? 'gelu-tanh' : 'gelu', x);
    }
  }
  return undefined;
};

/** x · sigmoid(α·x). */
export const fuseSilu: Rule = (node, match) => {
  for (const [x, gate] of factors(node)) {
    const sigmoid = match.producer(gate, 'unary');
    if (sigmoid?.fn !== 'sigmoid') continue;
    const inner = match.polynomial(sigmoid.input, x);
    if (inner?.length === 2 && inner[0] === 0) return activation('silu', x, inner[1]);
  }
  return undefined;
};

/** x · tanh(softplus(x)), softplus as one node or log(1 + eˣ). */
export const fuseMish: Rule = (node, match) => {
  for (const [x, gate] of factors(node)) {
    const tanh = match.producer(gate, 'activation');
    if (tanh?.fn === 'tanh' && softplusInput(match, tanh.input) === x) return activation('mish', x);
  }
  return undefined;
};

function softplusInput(match: Matcher, value: ValueId): ValueId | undefined {
  const unary = match.producer(value, 'unary');
  if (unary?.fn === 'softplus') return unary.input;
  const sum = unary?.fn === 'log' ? match.withNumber(unary.input, 'add') : undefined;
  const exp = sum?.number === 1 ? match.producer(sum.value, 'unary') : undefined;
  return exp?.fn === 'exp' ? exp.input : undefined;
}

/** 1 / (1 + e⁻ˣ). */
export const fuseSigmoid: Rule = (node, match) => {
  const over =
    node.kind === 'binary' &&
    node.fn === 'div' &&
    !isValue(node.left) &&
    node.left.data.length === 1 &&
    node.left.data[0] === 1
      ? node.right
      : node.kind === 'unary' && node.fn === 'reciprocal'
        ? node.input
        : undefined;
  const sum = over === undefined ? undefined : match.withNumber(over, 'add');
  const exp = sum?.number === 1 ? match.producer(sum.value, 'unary') : undefined;
  const negative = exp?.fn === 'exp' ? match.producer(exp.input, 'map') : undefined;
  if (negative === undefined || negative.axes.length > 0 || negative.coefficient !== -1) return undefined;
  return { kind: 'unary', fn: 'sigmoid', input: negative.input, alpha: 0, beta: 0 };
};

/** max(x, α·x) with 0 < α < 1. */
export const fuseLeakyRelu: Rule = (node, match) => {
  if (node.kind !== 'binary' || node.fn !== 'max' || !isValue(node.left) || !isValue(node.right))
    return undefined;
  for (const [x, scaled] of [
    [node.left, node.right],
    [node.right, node.left],
  ] as const) {
    const slope = match.polynomial(scaled, x);
    if (slope?.length === 2 && slope[0] === 0 && slope[1]! > 0 && slope[1]! < 1)
      return activation('leaky-relu', x, slope[1]);
  }
  return undefined;
};

/** What a value is clipped to, by Clip, Relu, Min and Max, one after the other. */
function clipped(match: Matcher, value: ValueId): { input: ValueId; low: number; high: number } | undefined {
  const bounds = match.bounds(value);
  if (bounds === undefined) return undefined;
  const inner = clipped(match, bounds.value);
  if (inner === undefined) return { input: bounds.value, low: bounds.low, high: bounds.high };
  const within = (bound: number) => Math.min(Math.max(bound, bounds.low), bounds.high);
  return { input: inner.input, low: within(inner.low), high: within(inner.high) };
}

/** A clipped straight line from 0 to 1 (or times its top, and divided by that), as older exporters write HardSigmoid. */
function hardSigmoid(
  match: Matcher,
  gate: ValueId,
): { x: ValueId; alpha: number; beta: number; top: number } | undefined {
  const unary = match.producer(gate, 'unary');
  if (unary?.fn === 'hard-sigmoid') return { x: unary.input, alpha: unary.alpha, beta: unary.beta, top: 1 };
  const scaled = match.withNumber(gate, 'mul');
  const clip = clipped(match, scaled?.value ?? gate);
  if (clip === undefined || clip.low !== 0) return undefined;
  const factor = scaled?.number ?? 1;
  const line = match.withNumber(clip.input, 'add');
  if (line === undefined || line.number === 0) return undefined;
  const slope = match.withNumber(line.value, 'mul');
  return {
    x: slope?.value ?? line.value,
    alpha: (slope?.number ?? 1) * factor,
    beta: line.number * factor,
    top: clip.high * factor,
  };
}

const isSwishGate = ({ alpha, beta, top }: { alpha: number; beta: number; top: number }) =>
  near(alpha, top / 6) && near(beta, top / 2);

/** x · min(max(x + 3, 0), 6) / 6, dividing before or after the product; and a written-out HardSigmoid that gates another value. */
export const fuseHardSwish: Rule = (node, match, emit) => {
  for (const [x, value] of factors(node)) {
    const gate = hardSigmoid(match, value);
    if (gate === undefined || !near(gate.top, 1)) continue;
    if (gate.x === x && isSwishGate(gate)) return activation('hard-swish', x);
    if (match.producer(value, 'unary') === undefined) {
      const { alpha, beta, x: input } = gate;
      const written = emit({ kind: 'unary', fn: 'hard-sigmoid', input, alpha, beta }, match.shape(value));
      return { kind: 'binary', fn: 'mul', left: x, right: written };
    }
  }
  const scaled = match.withNumber(node.output, 'mul');
  const product = scaled && match.producer(scaled.value, 'binary');
  if (product === undefined) return undefined;
  for (const [x, value] of factors(product)) {
    const gate = hardSigmoid(match, value);
    if (gate?.x === x && near(scaled!.number * gate.top, 1) && isSwishGate(gate))
      return activation('hard-swish', x);
  }
  return undefined;
};
