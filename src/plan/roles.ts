import {
  type BinaryNode,
  type Graph,
  type GraphNode,
  inputsOf,
  isValue,
  type Origin,
  type ValueId,
  weightOf,
} from '../graph/graph.js';
import { type Conflict, conflictOf } from './conflicts.js';

/** What the Plan needs to know of every value before steps are made. */
export interface Roles {
  /** On a path from the input to a counted output; all else exists in f only. */
  readonly onPath: ReadonlySet<ValueId>;
  /** Values that are dropped as activations of the tail: they are their input. */
  readonly dropped: ReadonlySet<GraphNode>;
  /** No prunable weight is downstream. */
  readonly tail: ReadonlySet<ValueId>;
  /** A path from the input leads there (whether or not it goes on to an output). */
  readonly reached: ReadonlySet<ValueId>;
  /** Nodes on a path that the mathematics has no rule for. */
  readonly conflicts: readonly { readonly origin: Origin; readonly conflict: Conflict }[];
}

/**
 * Decides signal or gate for every value of the graph, and what the tail drops.
 *
 * @param beforeWeights values that weights follow although the graph does not show them
 */
export function findRoles(graph: Graph, beforeWeights: readonly ValueId[] = []): Roles {
  const tail = findTail(graph, beforeWeights);
  const meeting = meetingProducts(graph);
  const reached = new Set<ValueId>([graph.input]);
  const dropped = new Set<GraphNode>();
  const candidates = new Map<GraphNode, Conflict>();
  for (const node of graph.nodes) {
    if (isTailActivation(node) && tail.has(node.output) && !meeting.has(node.output)) dropped.add(node);
    const carries = dropped.has(node) || !makesGate(node);
    if (carries && inputsOf(node).some((input) => reached.has(input))) reached.add(node.output);
    const conflict = conflictOf(node, (value) => reached.has(value), tail.has(node.output));
    if (conflict !== undefined) candidates.set(node, conflict);
  }
  const onPath = findOnPath(graph, reached);
  const conflicts = [...candidates]
    .filter(([node]) => onPath.has(node.output))
    .map(([{ origin }, conflict]) => ({ origin, conflict }));
  return { onPath, dropped, tail, reached, conflicts };
}

function findTail(graph: Graph, beforeWeights: readonly ValueId[]): Set<ValueId> {
  const upstream = new Set<ValueId>(beforeWeights);
  for (const node of [...graph.nodes].reverse()) {
    if (weightOf(node) !== undefined || upstream.has(node.output))
      for (const input of inputsOf(node)) upstream.add(input);
  }
  return new Set([...graph.values.keys()].filter((value) => !upstream.has(value)));
}

/** Values that meet another value in a Mul or Div: there an activation is a gate, also in the tail. */
function meetingProducts(graph: Graph): Set<ValueId> {
  const products = graph.nodes.filter(
    (node): node is BinaryNode => node.kind === 'binary' && (node.fn === 'mul' || node.fn === 'div'),
  );
  return new Set(
    products.filter(({ left, right }) => isValue(left) && isValue(right)).flatMap((node) => inputsOf(node)),
  );
}

function isTailActivation(node: GraphNode): boolean {
  if (node.kind === 'softmax') return true;
  if (node.kind === 'unary') return node.fn === 'sigmoid' || node.fn === 'hard-sigmoid' || node.fn === 'exp';
  return node.kind === 'activation' && node.fn === 'tanh';
}

function makesGate(node: GraphNode): boolean {
  return node.kind === 'unary' || node.kind === 'softmax';
}

/** Walks back from the outputs along what paths can cross. */
function findOnPath(graph: Graph, reached: ReadonlySet<ValueId>): Set<ValueId> {
  const onPath = new Set<ValueId>(
    graph.outputs.map((output) => output.value).filter((value) => reached.has(value)),
  );
  for (const node of [...graph.nodes].reverse()) {
    if (!onPath.has(node.output)) continue;
    for (const input of inputsOf(node)) if (reached.has(input)) onPath.add(input);
  }
  return onPath;
}
