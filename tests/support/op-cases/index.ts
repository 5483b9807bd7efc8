import { onnxFile } from '../onnx-file.js';
import { ELEMENTWISE_CASES } from './elementwise.js';
import { LAYOUT_CASES } from './layout.js';
import { NORMS_CASES } from './norms.js';
import { type OpCase, random } from './op-case.js';
import { POOLS_CASES } from './pools.js';
import { WEIGHTED_CASES } from './weighted.js';

export const OP_CASES: readonly OpCase[] = [
  ...WEIGHTED_CASES,
  ...NORMS_CASES,
  ...POOLS_CASES,
  ...ELEMENTWISE_CASES,
  ...LAYOUT_CASES,
];

/** The case as a model: x → nodes → z, then a MatMul with two columns to y. */
export function opCaseFile({
  opset = 17,
  x: shape,
  nodes,
  tensors = {},
  last,
  batch,
  domains,
}: OpCase): Uint8Array {
  return onnxFile({
    opset,
    ...(domains && { domains }),
    inputs: { x: [batch ?? 'n', ...shape] },
    outputs: ['y'],
    nodes: [...nodes, ['MatMul', ['z', 'head'], ['y']]],
    tensors: { ...tensors, head: random([last, 2]) },
  });
}
