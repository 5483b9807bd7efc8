import { intTensor, type Tensor } from '../graph/tensor.js';
import { type Constant, type NodeContext, viewConstant } from './context.js';
import { isFloatType } from './data-types.js';
import { foldNode } from './fold/index.js';
import { NodeProblem } from './problem.js';
import type { OnnxModel, TensorRecord } from './proto.js';
import { squeezeAxes, targetShape, unsqueezeShape } from './shapes.js';
import { readTensor } from './tensor-data.js';
import { reshapeWeight, transposeWeight, wholeWeight } from './weight-view.js';

/** Through these a weight is still recognised. */
const WEIGHT_VIEWS = new Set(['Identity', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Cast']);

/** What does not depend on the input: tensors of the file, weights seen through views, and what folds. */
export class Constants {
  constructor(private readonly model: OnnxModel) {}

  /** A tensor of the file. */
  stored(record: TensorRecord): Constant {
    let memo: Tensor | undefined;
    const tensor = () => {
      memo ??= readTensor(this.model, record);
      return memo;
    };
    const weight =
      isFloatType(record.dataType) && record.dims.length > 0
        ? { weight: wholeWeight(record.name, record.dims) }
        : {};
    return { dims: record.dims, tensor, ...weight };
  }

  /** Outputs of a node all of whose inputs are constants. */
  ofNode(ctx: NodeContext): readonly Constant[] {
    const { node } = ctx;
    if (node.domain !== '') return uncomputable(ctx);
    if (node.opType === 'Constant') return [this.constantNode(ctx)];
    if (ctx.inputs.some((input) => input?.kind === 'constant' && input.constant.uncomputable))
      return uncomputable(ctx);
    const view = this.weightView(ctx);
    if (view !== undefined) return [view];
    const madeBy = `${node.opType} "${node.name}"`;
    const folded = foldNode(ctx);
    return (
      folded?.map((tensor) => ({ dims: tensor.dims, tensor: () => tensor, madeBy })) ?? uncomputable(ctx)
    );
  }

  private constantNode(ctx: NodeContext): Constant {
    const output = ctx.node.outputs[0] ?? ctx.malformed('it has no output');
    const record = this.model.tensors.get(output);
    if (record !== undefined) return this.stored(record);
    const scalar = ctx.attribute('value_int')?.int;
    const ints = ctx.attribute('value_ints')?.ints;
    if (scalar === undefined && ints === undefined)
      ctx.refuse('a constant that is neither a tensor nor numbers');
    const tensor = scalar === undefined ? intTensor(ints ?? []) : intTensor([scalar], []);
    return { dims: tensor.dims, tensor: () => tensor };
  }

  /** A weight seen through a view op stays a view of what is stored. */
  private weightView(ctx: NodeContext): Constant | undefined {
    const input = ctx.inputs[0];
    if (!WEIGHT_VIEWS.has(ctx.node.opType) || input?.kind !== 'constant') return undefined;
    const { constant } = input;
    const { weight } = constant;
    if (weight === undefined) return undefined;
    const view = () => {
      switch (ctx.node.opType) {
        case 'Identity':
          return weight;
        case 'Cast':
          return isFloatType(ctx.int('to', 1)) ? weight : undefined;
        case 'Transpose': {
          const perm = ctx.ints('perm') ?? weight.dims.map((_, i) => weight.dims.length - 1 - i);
          if (perm.length !== weight.dims.length || new Set(perm).size !== perm.length)
            ctx.malformed(`perm [${perm}]`);
          return transposeWeight(weight, perm);
        }
        case 'Squeeze': {
          const axes = squeezeAxes(ctx, weight.dims);
          return reshapeWeight(
            weight,
            weight.dims.filter((_, i) => !axes.includes(i)),
          );
        }
        case 'Unsqueeze':
          return reshapeWeight(weight, unsqueezeShape(ctx, weight.dims));
        default: {
          const target =
            ctx.ints('shape') ?? ctx.intsInput(1, 'the shape') ?? ctx.malformed('it has no shape');
          return reshapeWeight(weight, targetShape(ctx, weight.dims, target, ctx.int('allowzero', 0) === 1));
        }
      }
    };
    const found = view();
    const record = this.model.tensors.get(weight.tensor);
    if (found === undefined || record === undefined) return undefined;
    const read = () => {
      ctx.derive(record.size);
      return readTensor(this.model, record);
    };
    return viewConstant(constant, found, `${ctx.node.opType} "${ctx.node.name}"`, read);
  }
}

/** A constant no rule here computes: harmless unless something uses it, and then it is what to report. */
function uncomputable(ctx: NodeContext): Constant[] {
  const { node } = ctx;
  const sources = ctx.inputs.flatMap((input) =>
    input?.kind === 'constant' && input.constant.uncomputable ? [input.constant] : [],
  );
  const madeBy = sources[0]?.madeBy ?? `${node.opType} "${node.name}"`;
  const tensor = (): never => {
    throw new NodeProblem(
      'ERR_UNSUPPORTED',
      `it uses a constant computed by ${madeBy}, which is not folded`,
      'fold constants before exporting (onnx-simplifier)',
    );
  };
  return node.outputs.map(() => ({ dims: [], tensor, madeBy, uncomputable: true }));
}
