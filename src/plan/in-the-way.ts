import { type Graph, type GraphNode, inputsOf, type ValueId, weightOf } from '../graph/graph.js';
import type { Roles } from './roles.js';

/** Functions that only gates may use although they leave 0 alone. */
const ZERO_AT_ZERO = new Set(['abs', 'sqrt', 'erf']);

/**
 * The nodes at which paths end for good: what they compute goes on to an output, or to `looseEnds` behind a layer with weights, and
 * meets no signal in a Mul or Div on the way.
 */
export function gatesInTheWay(
  graph: Graph,
  { reached, dropped }: Roles,
  looseEnds: readonly ValueId[] = [],
): GraphNode[] {
  const ends = new Set(graph.outputs.map(({ value }) => value).filter((value) => !reached.has(value)));
  // Values that an end depends on, and those that one behind weights does.
  const toEnd = new Set<ValueId>(ends);
  const loose = new Set<ValueId>(looseEnds.filter((value) => !reached.has(value)));
  for (const node of [...graph.nodes].reverse()) {
    if (reached.has(node.output)) continue;
    const weighted = weightOf(node) !== undefined && loose.has(node.output);
    for (const input of inputsOf(node)) {
      if (toEnd.has(node.output) || weighted) toEnd.add(input);
      if (loose.has(node.output)) loose.add(input);
    }
  }
  return graph.nodes.filter(
    (node) =>
      (node.kind === 'unary' || node.kind === 'softmax') &&
      !dropped.has(node) &&
      reached.has(node.input) &&
      toEnd.has(node.output),
  );
}

/** Why no factor stands for such a node. */
export function noFactor(node: GraphNode): string {
  const keepsZero =
    node.kind === 'unary' && (ZERO_AT_ZERO.has(node.fn) || (node.fn === 'pow' && node.alpha > 0));
  return keepsZero ? 'it is none of the activations PX is defined for' : 'its output at 0 is not 0';
}
