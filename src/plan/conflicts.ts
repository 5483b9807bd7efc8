import { type GraphNode, inputsOf, isValue, type ValueId } from '../graph/graph.js';

/** Why an operation that lies on a path has no rule in h, g and j, and what to do about it. */
export interface Conflict {
  readonly reason: string;
  readonly remedy: string;
}

const CUT = 'cut the model before it, or choose other outputs';

/**
 * @param isSignal does a path from the input lead to this value?
 * @param tail is no prunable weight downstream of the node?
 * @returns undefined for a node that may lie on a path
 */
export function conflictOf(
  node: GraphNode,
  isSignal: (value: ValueId) => boolean,
  tail: boolean,
): Conflict | undefined {
  if (node.kind === 'activation') {
    if (node.fn === 'clip' && isSignal(node.input) && (node.alpha > 0 || node.beta < 0)) {
      return {
        reason: `it moves zero (bounds ${node.alpha} and ${node.beta}), so no factor φ(z)/z stands for it`,
        remedy: 'use bounds on both sides of 0',
      };
    }
    return undefined;
  }
  const inputs = inputsOf(node);
  const signals = inputs.filter(isSignal).length;
  if (signals === 0) return undefined;
  if (node.kind === 'concat') {
    return signals === inputs.length ? undefined : { reason: 'it joins a gate to a signal', remedy: CUT };
  }
  if (node.kind !== 'binary') return undefined;
  const { fn, left, right } = node;
  const leftSignal = isValue(left) && isSignal(left);
  switch (fn) {
    case 'add':
    case 'sub':
      return signals === inputs.length ? undefined : { reason: 'it adds a gate to a signal', remedy: CUT };
    case 'mul':
      return signals < 2 || tail
        ? undefined
        : { reason: 'it multiplies two signals (as attention does), outside the tail', remedy: CUT };
    case 'div':
      if (!leftSignal)
        return { reason: `it divides a ${isValue(left) ? 'gate' : 'constant'} by a signal`, remedy: CUT };
      return signals < 2 || tail
        ? undefined
        : { reason: 'it divides two signals, outside the tail', remedy: CUT };
    default: {
      const bound = isValue(left) ? right : left;
      const clips =
        !isValue(bound) &&
        bound.data.length === 1 &&
        (fn === 'min' ? bound.data[0]! >= 0 : bound.data[0]! <= 0);
      const reason = `a ${fn === 'min' ? 'minimum' : 'maximum'} other than with one number that leaves zero alone`;
      return clips ? undefined : { reason, remedy: CUT };
    }
  }
}
