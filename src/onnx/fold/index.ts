import { checkFoldedShape, type Tensor } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';
import { ELEMENTWISE_FOLDS } from './elementwise.js';
import { LAYOUT_FOLDS } from './layout.js';
import { REDUCE_FOLDS } from './reduce.js';

const FOLDS: Readonly<Record<string, (ctx: NodeContext) => Tensor | Tensor[]>> = {
  ...ELEMENTWISE_FOLDS,
  ...LAYOUT_FOLDS,
  ...REDUCE_FOLDS,
};

/**
 * The outputs of a standard operator all of whose inputs are constants; undefined when it has no such rule here.
 * Shape and Size, which look at values too, are the importer's.
 */
export function foldNode(ctx: NodeContext): Tensor[] | undefined {
  const fold =
    ctx.node.domain === '' && Object.hasOwn(FOLDS, ctx.node.opType) ? FOLDS[ctx.node.opType] : undefined;
  if (fold === undefined) return undefined;
  const result = fold(ctx);
  const tensors = Array.isArray(result) ? result : [result];
  for (const { dims, data } of tensors) {
    checkFoldedShape(dims);
    ctx.derive(data.length);
  }
  return tensors;
}
