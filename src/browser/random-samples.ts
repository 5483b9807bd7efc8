import { PxError } from '../errors.js';
import type { SampleChunk } from '../io/data/iterable.js';
import type { InputTarget } from '../io/data/types.js';
import { elementCount } from '../io/safetensors-header.js';
import { normalArray, uniformSource } from '../models/random.js';

/**
 * Samples of independent normal noise (mean 0, variance 1), where there are no data: they say which paths a network's gates leave open for
 * noise, not what it sees in images. The same for the same seed on every machine.
 *
 * @param seed a 32-bit integer
 * @throws PxError ERR_OPTION where `count` is not a whole number, 1 or more
 */
export function* randomSamples(target: InputTarget, count: number, seed = 0): Generator<SampleChunk> {
  if (!Number.isInteger(count) || count < 1)
    throw new PxError(
      'ERR_OPTION',
      `the number of random samples must be a whole number, 1 or more, not ${count}`,
    );
  const uniform = uniformSource(seed);
  const size = elementCount(target.shape);
  for (let i = 0; i < count; i++) {
    yield { id: `random normal, seed ${seed}, #${i}`, data: normalArray(size, 1, uniform) };
  }
}
