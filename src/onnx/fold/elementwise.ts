import { broadcastDims, emptyTensor, expandTensor, type Tensor } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';

type Fold = (ctx: NodeContext) => Tensor;

const isWhole = (tensor: Tensor) => tensor.dtype === 'int64' || tensor.dtype === 'bool';

function unary(fn: (x: number) => number, dtype?: Tensor['dtype']): Fold {
  return (ctx) => {
    const x = ctx.tensor(0, 'its operand');
    const out = emptyTensor(x.dims, dtype ?? x.dtype);
    for (let i = 0; i < out.data.length; i++) out.data[i] = fn(x.data[i] as number);
    return out;
  };
}

/** The shape that all operands broadcast to. */
function broadcastShape(ctx: NodeContext, tensors: readonly Tensor[]): number[] {
  let dims: number[] = [];
  for (const tensor of tensors) {
    const next = broadcastDims(dims, tensor.dims);
    if (next === undefined)
      return ctx.malformed(`shapes ${tensors.map((t) => `[${t.dims}]`).join(' and ')} do not broadcast`);
    dims = next;
  }
  return dims;
}

/** Broadcasts all operands to their common shape; float beats whole. */
export function broadcastAll(
  ctx: NodeContext,
  tensors: readonly Tensor[],
): { all: Tensor[]; dims: number[] } {
  const dims = broadcastShape(ctx, tensors);
  return { all: tensors.map((tensor) => expandTensor(tensor, dims)), dims };
}

function binary(fn: (a: number, b: number, whole: boolean) => number, dtype?: Tensor['dtype']): Fold {
  return (ctx) => {
    const given = ctx.inputs.map((_, i) => ctx.tensor(i, `operand ${i}`));
    const first = given[0] ?? ctx.malformed('it has no operands');
    const dims = broadcastShape(ctx, given);
    const whole = given.every(isWhole);
    const out = emptyTensor(dims, dtype ?? first.dtype);
    out.data.set(expandTensor(first, dims).data);
    for (const one of given.slice(1)) {
      // One at a time: all of them spread out would be that many times the result.
      const tensor = expandTensor(one, dims);
      for (let i = 0; i < out.data.length; i++) {
        out.data[i] = fn(out.data[i] as number, tensor.data[i] as number, whole);
      }
    }
    return out;
  };
}

const truth = (condition: boolean) => (condition ? 1 : 0);

const cast: Fold = (ctx) => {
  const x = ctx.tensor(0, 'its operand');
  const to = ctx.int('to', 1);
  const dtype: Tensor['dtype'] =
    to === 9 ? 'bool' : to === 11 ? 'float64' : to === 1 || to === 10 || to === 16 ? 'float32' : 'int64';
  if (to === 8 || to === 14 || to === 15 || to > 16) ctx.refuse(`a cast of a constant to element type ${to}`);
  const out = emptyTensor(x.dims, dtype);
  for (let i = 0; i < out.data.length; i++) {
    const value = x.data[i] as number;
    out.data[i] = dtype === 'bool' ? truth(value !== 0) : dtype === 'int64' ? Math.trunc(value) : value;
  }
  return out;
};

/** The type to take over may be that of data, which is float. */
const castLike: Fold = (ctx) => {
  const x = ctx.tensor(0, 'its operand');
  const dtype = ctx.isConstant(1) ? ctx.tensor(1, 'the example').dtype : 'float32';
  const out = emptyTensor(x.dims, dtype);
  for (let i = 0; i < out.data.length; i++)
    out.data[i] = isWhole(out) ? Math.trunc(x.data[i] as number) : (x.data[i] as number);
  return out;
};

const where: Fold = (ctx) => {
  const given = ['the condition', 'the first choice', 'the second choice'].map((what, i) =>
    ctx.tensor(i, what),
  );
  const { all, dims } = broadcastAll(ctx, given);
  const [condition, yes, no] = all as [Tensor, Tensor, Tensor];
  const out = emptyTensor(dims, yes.dtype);
  for (let i = 0; i < out.data.length; i++)
    out.data[i] = (condition.data[i] ? yes.data[i] : no.data[i]) as number;
  return out;
};

const clip: Fold = (ctx) => {
  const x = ctx.tensor(0, 'its operand');
  const low = ctx.optionalTensor(1, 'min')?.data[0] ?? ctx.float('min', -Infinity);
  const high = ctx.optionalTensor(2, 'max')?.data[0] ?? ctx.float('max', Infinity);
  const out = emptyTensor(x.dims, x.dtype);
  for (let i = 0; i < out.data.length; i++) out.data[i] = Math.min(Math.max(x.data[i] as number, low), high);
  return out;
};

/** Rounds halves to even, as ONNX does. */
function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

function modulo(ctx: NodeContext): Tensor {
  const fmod = ctx.int('fmod', 0) === 1;
  return binary((a, b) => (fmod ? a % b : a - b * Math.floor(a / b)))(ctx);
}

/** Elementwise operations on constants, as exporters use them for shape arithmetic. */
export const ELEMENTWISE_FOLDS: Readonly<Record<string, Fold>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b, whole) => (whole ? Math.trunc(a / b) : a / b)),
  Mod: modulo,
  Pow: binary((a, b) => a ** b),
  Min: binary((a, b) => Math.min(a, b)),
  Max: binary((a, b) => Math.max(a, b)),
  Sum: binary((a, b) => a + b),
  Equal: binary((a, b) => truth(a === b), 'bool'),
  Greater: binary((a, b) => truth(a > b), 'bool'),
  GreaterOrEqual: binary((a, b) => truth(a >= b), 'bool'),
  Less: binary((a, b) => truth(a < b), 'bool'),
  LessOrEqual: binary((a, b) => truth(a <= b), 'bool'),
  And: binary((a, b) => a & b, 'bool'),
  Or: binary((a, b) => a | b, 'bool'),
  Xor: binary((a, b) => a ^ b, 'bool'),
  Not: unary((x) => truth(x === 0), 'bool'),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sign: unary(Math.sign),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Round: unary(roundEven),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Exp: unary(Math.exp),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Log: unary(Math.log),
  Relu: unary((x) => Math.max(x, 0)),
  Sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  Tanh: unary(Math.tanh),
  Clip: clip,
  Cast: cast,
  CastLike: castLike,
  Where: where,
};
