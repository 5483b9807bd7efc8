import { createHash } from 'node:crypto';
import type { ScoringData } from '../../src/prune/session.js';
import { uniform } from './random.js';

/** `length` random samples of `size` numbers, held in memory. */
export function memoryData(length: number, size: number, seed = 1): ScoringData {
  const next = uniform(seed);
  const all = Float32Array.from({ length: length * size }, () => next());
  return {
    length,
    samples: Array.from({ length }, (_, i) => ({ id: `#${i}` })),
    notes: [],
    skipped: [],
    digest: async () => createHash('sha256').update(all).digest('hex'),
    async *batches(sizes: readonly number[]) {
      let from = 0;
      for (const samples of sizes) yield all.subarray(from * size, (from += samples) * size);
    },
  };
}
