import { isValue } from '../../graph/graph.js';
import { sizeOf, type Tensor } from '../../graph/tensor.js';
import { isFloatType } from '../data-types.js';
import { squeezeAxes, unsqueezeShape } from '../shapes.js';
import type { Converter, OpRow } from './converter.js';

const BATCH_REMEDY =
  'export with a symbolic batch size (dynamic_axes or dynamic_shapes), and keep the batch as the leading axis';

/**
 * The same elements per sample; axis 0 of the target must be the batch: copied, inferred, the probe, or the size baked in. A row of
 * everything is let through, for the Reshape or Gather that splits it again.
 */
const reshape: Converter = (ctx) => {
  const { id: input, shape, row } = ctx.valueOrRow(0);
  const target = ctx.ints('shape') ?? ctx.intsInput(1, 'the shape') ?? ctx.malformed('it has no shape');
  const copies = ctx.int('allowzero', 0) !== 1;
  const size = sizeOf(shape);
  const lead = target[0];
  const merged = () =>
    ctx.refuse(`[N,${shape}] becomes [${target}], which mixes the samples of a batch`, BATCH_REMEDY);
  if (lead === undefined) return merged();
  if (target.length === 1 && lead === -1 && size !== 1) return row ? input : ctx.flatten(input);
  const dims = target
    .slice(1)
    .map((dim, i) =>
      dim === 0 && copies ? (shape[i] ?? ctx.malformed(`it copies an axis that is not there`)) : dim,
    );
  const open = dims.indexOf(-1);
  if (open >= 0) {
    if (!ctx.isBatch(lead) && !(lead === 0 && copies)) return merged();
    dims[open] = size / sizeOf(dims.filter((_, i) => i !== open));
  } else if (lead !== -1 && !ctx.isBatch(lead) && !(lead === 0 && copies)) return merged();
  if (sizeOf(dims) !== size || dims.some((dim) => !Number.isInteger(dim) || dim < 1)) return merged();
  return ctx.reshape(input, dims, '');
};

const flatten: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const axis = ctx.int('axis', 1);
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  // Axes of one element beside the batch do not change it.
  if (at < 1 || sizeOf(shape.slice(0, at - 1)) !== 1)
    ctx.refuse(`flattening [N,${shape}] at axis ${axis} mixes the batch with other axes`, BATCH_REMEDY);
  return ctx.reshape(input, [sizeOf(shape.slice(at - 1))], '');
};

const squeeze: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const axes = squeezeAxes(ctx, [ctx.batch.baked === 1 ? 1 : ctx.batch.probe, ...shape]);
  // Without axes the batch stays, also where one of 1 is baked in: it stands for any number of samples.
  const listed = ctx.ints('axes') !== undefined || ctx.has(1);
  if (listed && axes.includes(0)) ctx.refuse('it removes the batch axis', BATCH_REMEDY);
  return ctx.reshape(
    input,
    shape.filter((_, i) => !axes.includes(i + 1)),
    '',
  );
};

const unsqueeze: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const [lead, ...dims] = unsqueezeShape(ctx, [ctx.batch.probe, ...shape]);
  if (lead !== ctx.batch.probe) ctx.refuse('it puts an axis before the batch', BATCH_REMEDY);
  return ctx.reshape(input, dims, '');
};

const transpose: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const rank = shape.length + 1;
  const perm = ctx.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (perm.length !== rank || [...perm].sort((a, b) => a - b).some((axis, i) => axis !== i))
    ctx.malformed(`perm [${perm}] for ${rank} axes`);
  if (perm[0] !== 0) ctx.refuse(`perm [${perm}] moves the batch from the leading axis`, BATCH_REMEDY);
  return ctx.transpose(
    input,
    perm.slice(1).map((axis) => axis - 1),
    '',
  );
};

const same: Converter = (ctx) => ctx.value(0).id;

const dropout: Converter = (ctx) => {
  const training = ctx.optionalTensor(2, 'training_mode')?.data[0];
  if (training === 1) ctx.refuse('it is exported in training mode', 'call model.eval() before exporting');
  return ctx.value(0).id;
};

const cast: Converter = (ctx) => {
  const to = ctx.int('to', 1);
  if (!isFloatType(to))
    ctx.refuse('data is cast to whole numbers or booleans', 'export the part of the model before it');
  return ctx.value(0).id;
};

const concat: Converter = (ctx) => {
  const rank = ctx.dataRank();
  const axis = ctx.axis(ctx.int('axis', 1), rank);
  const parts = ctx.inputs.map((_, i) => ctx.arg(i, rank));
  const first = ctx.shapeOf(parts.find(isValue) as number);
  const fitted = parts.map((part) => {
    const dims = ctx.shapeOf(part);
    const fits = dims.length === first.length && dims.every((dim, i) => i === axis || dim === first[i]);
    return fits
      ? part
      : ctx.malformed(`parts of shape [N,${first}] and [N,${dims}] do not join along axis ${axis + 1}`);
  });
  const kept = fitted.filter((part) => isValue(part) || (part as Tensor).data.length > 0);
  if (kept.length === 1) return kept[0] as number;
  const total = kept.reduce<number>((sum, part) => sum + (ctx.shapeOf(part)[axis] as number), 0);
  return ctx.emit(
    { kind: 'concat', axis, parts: kept },
    first.map((dim, i) => (i === axis ? total : dim)),
  );
};

/** Blocks of channels to positions; [C, H, W] with C = b·b·c becomes [c, H·b, W·b]. */
const depthToSpace: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const block = ctx.int('blocksize', 0);
  const [c, h, w] = shape as [number, number, number];
  if (shape.length !== 3 || !(block >= 1) || c % (block * block) !== 0)
    ctx.malformed(`blocks of ${block} in [N,${shape}]`);
  const out = c / (block * block);
  const columns = ctx.string('mode', 'DCR') === 'CRD';
  const split = ctx.reshape(input, columns ? [out, block, block, h, w] : [block, block, out, h, w], '/split');
  const moved = ctx.transpose(split, columns ? [0, 3, 1, 4, 2] : [2, 3, 0, 4, 1], '/moved');
  return ctx.reshape(moved, [out, h * block, w * block], '');
};

/** Its inverse: [C, H·b, W·b] becomes [b·b·C, H, W]; since opset 28 also in the other order, [C·b·b, H, W]. */
const spaceToDepth: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const block = ctx.int('blocksize', 0);
  const [c, h, w] = shape as [number, number, number];
  if (shape.length !== 3 || !(block >= 1) || h % block !== 0 || w % block !== 0)
    ctx.malformed(`blocks of ${block} in [N,${shape}]`);
  const split = ctx.reshape(input, [c, h / block, block, w / block, block], '/split');
  const columns = ctx.string('mode', 'DCR') === 'CRD';
  const moved = ctx.transpose(split, columns ? [0, 2, 4, 1, 3] : [2, 4, 0, 1, 3], '/moved');
  return ctx.reshape(moved, [c * block * block, h / block, w / block], '');
};

export const VIEW_OPS: readonly OpRow[] = [
  { op: 'Reshape', since: 1, convert: reshape },
  { op: 'Flatten', since: 1, convert: flatten },
  { op: 'Squeeze', since: 1, convert: squeeze },
  { op: 'Unsqueeze', since: 1, convert: unsqueeze },
  { op: 'Transpose', since: 1, convert: transpose },
  { op: 'Identity', since: 1, convert: same },
  { op: 'Dropout', since: 1, convert: dropout },
  { op: 'Cast', since: 1, convert: cast },
  { op: 'CastLike', since: 15, convert: same },
  { op: 'Concat', since: 1, convert: concat },
  { op: 'DepthToSpace', since: 1, convert: depthToSpace },
  { op: 'SpaceToDepth', since: 1, convert: spaceToDepth },
];
