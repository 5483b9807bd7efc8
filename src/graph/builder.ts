import { PxError } from '../errors.js';
import type { Graph, GraphNode, GraphValue, Origin, ValueId } from './graph.js';
import { Budget, MAX_NODES } from './limits.js';

type WithoutPlace<T> = T extends unknown ? Omit<T, 'origin' | 'output'> : never;
/** A node before it has a place in a graph. */
export type NodeBody = WithoutPlace<GraphNode>;

/** Collects values and nodes in execution order. */
export class GraphBuilder {
  private readonly values: GraphValue[] = [];
  private readonly nodes: GraphNode[] = [];
  readonly budget = new Budget();
  /** Values whose batch the file has flattened together with the sample; they must be split again before anything else. */
  readonly flattened = new Set<ValueId>();

  value(name: string, shape: readonly number[]): ValueId {
    this.values.push({ name, shape });
    return this.values.length - 1;
  }

  shape(id: ValueId): readonly number[] {
    return (this.values[id] as GraphValue).shape;
  }

  /** Appends a node and the value it produces. */
  node(origin: Origin, body: NodeBody, name: string, shape: readonly number[]): ValueId {
    if (this.nodes.length >= MAX_NODES) {
      throw new PxError('ERR_UNSUPPORTED', `the model has more than ${MAX_NODES} operations`);
    }
    if ('axes' in body && typeof body.axes === 'object') {
      for (const map of body.axes) this.budget.derive(4 * (map.index.length + map.outSize)); // three arrays, and what they are made from
    }
    const output = this.value(name, shape);
    this.nodes.push({ ...body, origin, output } as GraphNode);
    return output;
  }

  build(input: ValueId, outputs: Graph['outputs']): Graph {
    return { input, outputs, values: this.values, nodes: this.nodes };
  }
}
