import { computedWeight, type Input } from './context.js';
import { TRAINING, TRAINING_REMEDY } from './ops/norm.js';
import { ATTENTION, ATTENTION_REMEDY } from './ops/refused.js';
import { NodeProblem } from './problem.js';
import type { OnnxModel, OnnxNode } from './proto.js';

const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
/** Not 0 at 0. */
const NOT_ZERO = new Set(['Sigmoid', 'HardSigmoid', 'Softplus', 'Exp', 'Softmax', 'LogSoftmax']);

/** What is known of a value by name, as far as this file asks. */
export type Known = (name: string) => Input | { readonly kind: 'poison' } | undefined;

/**
 * Of a node whose data could not be computed because of another one: what is wrong with it whatever they are? So that one look
 * shows all there is to mend.
 *
 * @throws NodeProblem
 */
export function checkStranded(node: OnnxNode, known: Known, users: readonly OnnxNode[]): void {
  if (node.domain !== '') return;
  if (node.opType === 'BatchNormalization' && node.attributes.get('training_mode')?.int === 1)
    throw new NodeProblem('ERR_UNSUPPORTED', TRAINING, TRAINING_REMEDY);
  if (WEIGHTED.has(node.opType)) checkWeight(node, known);
  const [output] = node.outputs;
  const feedsWeights = (user: OnnxNode) =>
    WEIGHTED.has(user.opType) &&
    user.inputs.slice(0, 2).some((name) => name !== output && known(name)?.kind === 'constant');
  if (NOT_ZERO.has(node.opType) && users.length > 0 && users.every(feedsWeights))
    throw new NodeProblem('ERR_UNSUPPORTED', IN_THE_WAY, IN_THE_WAY_REMEDY);
}

const IN_THE_WAY = 'its output at 0 is not 0, and a layer with weights takes it for its input';
const IN_THE_WAY_REMEDY = 'use an activation of docs/operators.md';

function checkWeight(node: OnnxNode, known: Known): void {
  const entries = node.inputs.slice(0, 2).map(known);
  const constants = entries.filter((entry) => entry?.kind === 'constant');
  if (constants.length === 0) throw new NodeProblem('ERR_UNSUPPORTED', ATTENTION, ATTENTION_REMEDY);
  const [constant] = constants as [Input & { kind: 'constant' }];
  if (constant.constant.weight === undefined) throw computedWeight(constant.constant);
}

/** The nodes that read each value. */
export function usersOf({ graph }: OnnxModel): Map<string, OnnxNode[]> {
  const users = new Map<string, OnnxNode[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      const list = users.get(input);
      if (list === undefined) users.set(input, [node]);
      else list.push(node);
    }
  }
  return users;
}

/** Indices of the nodes that have weights or whose results go on to some. */
export function nodesBeforeWeights({ graph }: OnnxModel): Set<number> {
  const names = new Set<string>();
  const found = new Set<number>();
  for (let index = graph.nodes.length - 1; index >= 0; index--) {
    const node = graph.nodes[index] as OnnxNode;
    if (!WEIGHTED.has(node.opType) && !node.outputs.some((name) => names.has(name))) continue;
    found.add(index);
    for (const name of node.inputs) names.add(name);
  }
  return found;
}
