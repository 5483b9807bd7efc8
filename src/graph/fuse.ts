import type { NodeBody } from './builder.js';
import {
  fuseGelu,
  fuseHardSwish,
  fuseLeakyRelu,
  fuseMish,
  fuseSigmoid,
  fuseSilu,
} from './fuse-activation.js';
import { fuseLayerNorm } from './fuse-norm.js';
import type { Graph, GraphNode, GraphValue, ValueId } from './graph.js';
import { Matcher } from './match.js';

/** Adds a helper node before the one at hand. */
export type Emit = (body: NodeBody, shape: readonly number[]) => ValueId;

/** What a node is in truth, when it ends a pattern; the nodes it no longer reads are left for dead. */
export type Rule = (node: GraphNode, match: Matcher, emit: Emit) => NodeBody | undefined;

const RULES: readonly Rule[] = [
  fuseSigmoid,
  fuseGelu,
  fuseSilu,
  fuseMish,
  fuseHardSwish,
  fuseLeakyRelu,
  fuseLayerNorm,
];

/** Recognises activations and norms that an exporter wrote out as several nodes. Value ids keep their meaning. */
export function fuse(graph: Graph): Graph {
  const values: GraphValue[] = [...graph.values];
  const nodes: GraphNode[] = [];
  const match = new Matcher({ values });
  for (const node of graph.nodes) {
    const emit: Emit = (body, shape) => {
      const output = values.push({ name: `${values[node.output]!.name}/fused${values.length}`, shape }) - 1;
      const helper = { ...body, origin: node.origin, output } as GraphNode;
      nodes.push(helper);
      match.add(helper);
      return output;
    };
    match.add(node);
    let fused: GraphNode | undefined;
    for (const rule of RULES) {
      const body = rule(node, match, emit);
      if (body === undefined) continue;
      fused = { ...body, origin: node.origin, output: node.output } as GraphNode;
      match.add(fused);
      break;
    }
    nodes.push(fused ?? node);
  }
  return { ...graph, values, nodes };
}
