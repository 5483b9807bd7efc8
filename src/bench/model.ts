import { PxError } from '../errors.js';
import { splitMicroBatches } from '../io/data/micro-batch.js';
import { MODEL_NAMES, newModel } from '../models/new-model.js';
import { uniformSource } from '../models/random.js';
import { type LoadedModel, type LoadOptions, loadModel } from '../plan/load.js';
import type { Plan } from '../plan/plan.js';
import type { MicroBatch } from '../prune/round.js';
import { inputSize, randomFloats } from './inputs.js';

/**
 * Loads an ONNX file, or makes a network of `px new`.
 *
 * @param name a name of `px new`, or a path
 * @param size height and width: of the network that is made, or where the file leaves them open
 * @throws PxError as `loadModel` and `newModel`
 */
export async function openModel(
  name: string,
  { inputSize: size, ...options }: LoadOptions = {},
): Promise<LoadedModel> {
  if (!isNetwork(name)) return loadModel(name, { ...options, ...(size && { inputSize: size }) });
  const [height, width = height] = size ?? [];
  if (height !== width)
    throw new PxError('ERR_OPTION', `${name} takes square images: give one size, not ${height}x${width}`);
  return loadModel(newModel(name, height === undefined ? {} : { size: height }), options);
}

/** Whether this names a network of `px new` and not a file. */
export function isNetwork(name: string): boolean {
  return (MODEL_NAMES as readonly string[]).includes(name);
}

/** Random samples in [−1, 1), cut into micro-batches. @throws PxError ERR_OPTION */
export function randomBatches(
  plan: Plan,
  samples: number,
  microBatch: number | undefined,
  seed: number,
): MicroBatch[] {
  const uniform = uniformSource(seed);
  return splitMicroBatches(samples, microBatch).map((count) => ({
    x: randomFloats(count * inputSize(plan), uniform),
    samples: count,
  }));
}
