import { PxError } from '../../errors.js';

/** Under batch statistics the micro-batch is part of the result, so its default is fixed: min(128, n). */
export function defaultMicroBatch(samples: number): number {
  return Math.min(128, samples);
}

/**
 * Sizes of the micro-batches for `samples` samples: as few as `microBatch` allows, near-equal, in order, the larger first. ERR_OPTION.
 */
export function splitMicroBatches(samples: number, microBatch = defaultMicroBatch(samples)): number[] {
  if (!Number.isInteger(samples) || samples < 1) {
    throw new PxError('ERR_OPTION', `the number of samples must be a positive integer, not ${samples}`);
  }
  if (!Number.isInteger(microBatch) || microBatch < 1) {
    throw new PxError('ERR_OPTION', `the micro-batch must be a positive integer, not ${microBatch}`);
  }
  const parts = Math.ceil(samples / microBatch);
  const small = Math.floor(samples / parts);
  const larger = samples % parts;
  return Array.from({ length: parts }, (_, i) => (i < larger ? small + 1 : small));
}
