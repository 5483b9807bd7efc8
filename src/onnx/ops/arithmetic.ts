import type { Arg, BinaryNode, ValueId } from '../../graph/graph.js';
import { isValue } from '../../graph/graph.js';
import { broadcastDims, type Tensor } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';

function emitBinary(ctx: NodeContext, fn: BinaryNode['fn'], left: Arg, right: Arg, suffix = ''): ValueId {
  if (!isValue(left) && !isValue(right))
    ctx.refuse('two constants before the first value', 'fold constants before exporting');
  const [a, b] = [ctx.shapeOf(left), ctx.shapeOf(right)];
  const shape = broadcastDims(a, b) ?? ctx.malformed(`shapes [N,${a}] and [N,${b}] do not broadcast`);
  return ctx.emit({ kind: 'binary', fn, left, right }, shape, suffix);
}

/** Two operands, or for Sum, Min and Max any number, taken in order. */
function chain(fn: BinaryNode['fn']): Converter {
  return (ctx) => {
    const rank = ctx.dataRank();
    const args = ctx.inputs.map((_, i) => ctx.arg(i, rank));
    if (ctx.int('broadcast', 0) === 1)
      ctx.refuse('the broadcast attribute of opset 6', 'convert the model to opset 7 or later');
    let out = args[0] as Arg;
    args.slice(1).forEach((arg, i) => {
      out = emitBinary(ctx, fn, out, arg, i === args.length - 2 ? '' : `/${i}`);
    });
    return isValue(out) ? out : ctx.malformed('it has no data input');
  };
}

const neg: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  return ctx.emit({ kind: 'map', input, coefficient: -1, axes: [], fill: 0 }, shape);
};

/** Mean of several values: their sum times 1/n. */
const mean: Converter = (ctx) => {
  const count = ctx.inputs.length;
  if (count === 1) return ctx.value(0).id;
  const rank = ctx.dataRank();
  let sum = ctx.arg(0, rank);
  for (let i = 1; i < count; i++) sum = emitBinary(ctx, 'add', sum, ctx.arg(i, rank), `/sum${i}`);
  return ctx.emit(
    { kind: 'map', input: sum as ValueId, coefficient: 1 / count, axes: [], fill: 0 },
    ctx.shapeOf(sum),
  );
};

const pow: Converter = (ctx) => {
  if (!ctx.isConstant(1)) ctx.refuse('an exponent that is computed from the input');
  const { id: input, shape } = ctx.value(0);
  const exponent: Tensor = ctx.tensor(1, 'the exponent');
  const alpha = exponent.data[0] ?? ctx.malformed('its exponent is empty');
  if (exponent.data.some((value) => value !== alpha)) ctx.refuse('exponents that differ by element');
  if (alpha === 1) return input;
  return ctx.emit({ kind: 'unary', fn: 'pow', input, alpha, beta: 0 }, shape);
};

export const ARITHMETIC_OPS: readonly OpRow[] = [
  { op: 'Add', since: 7, convert: chain('add') },
  { op: 'Sub', since: 7, convert: chain('sub') },
  { op: 'Mul', since: 7, convert: chain('mul') },
  { op: 'Div', since: 7, convert: chain('div') },
  { op: 'Sum', since: 6, convert: chain('add') },
  { op: 'Min', since: 6, convert: chain('min') },
  { op: 'Max', since: 6, convert: chain('max') },
  { op: 'Mean', since: 6, convert: mean },
  { op: 'Neg', since: 1, convert: neg },
  { op: 'Pow', since: 7, convert: pow },
];
