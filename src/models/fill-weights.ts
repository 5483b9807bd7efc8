/** Trained weights in the place of initial ones, matched strictly by name and shape. */
import { PxError } from '../errors.js';
import type { GraphSpec, InitializerSpec } from '../onnx/encode.js';

export type StateDict = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

/** PyTorch's BatchNorm counts batches in training; inference has no use for the number. */
export const IGNORED = /(^|\.)num_batches_tracked$/;
const LISTED = 20;

/**
 * Replaces the initial values of a network's tensors. Every difference between the two sets of names and shapes is listed in
 * one ERR_MISMATCH; a non-finite value is an ERR_NUMERIC.
 */
export function fillWeights(model: string, graph: GraphSpec, weights: StateDict): GraphSpec {
  const trained = graph.initializers.filter(isTrained);
  const known = new Set(trained.map((tensor) => tensor.name));
  const problems: string[] = [];
  for (const { name, shape } of trained) {
    const given = weights.get(name);
    if (!given) problems.push(`missing "${name}" [${shape.join(', ')}]`);
    else if (given.shape.join() !== shape.join()) {
      problems.push(`"${name}" is [${given.shape.join(', ')}], the network needs [${shape.join(', ')}]`);
    }
  }
  for (const name of weights.keys()) {
    if (!known.has(name) && !IGNORED.test(name)) problems.push(`unexpected "${name}"`);
  }
  if (problems.length > 0) throw mismatch(model, problems);

  return {
    ...graph,
    initializers: graph.initializers.map((tensor) => {
      if (!isTrained(tensor)) return tensor;
      const { data } = weights.get(tensor.name)!;
      const bad = data.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0)
        throw new PxError('ERR_NUMERIC', `weights: "${tensor.name}" holds ${data[bad]} at flat index ${bad}`);
      return { ...tensor, data };
    }),
  };
}

/** Constants of the architecture (clip limits, slice bounds) are no part of a state_dict. */
function isTrained(tensor: InitializerSpec): boolean {
  return /\.(weight|bias|running_mean|running_var)$/.test(tensor.name);
}

function mismatch(model: string, problems: string[]): PxError {
  const shown = problems.slice(0, LISTED);
  if (problems.length > LISTED) shown.push(`and ${problems.length - LISTED} more`);
  const hint = problems.every((problem) => problem.includes('.downsample.'))
    ? 'these weights belong to a network with padding shortcuts (option A); choose shortcut "padding"'
    : 'check the network, --classes and the names (a wrapper\'s "module." prefix must go)';
  return new PxError('ERR_MISMATCH', `the weights do not fit ${model}:\n  ${shown.join('\n  ')}\n${hint}`);
}
