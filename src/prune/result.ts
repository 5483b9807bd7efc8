import type { LayerReport } from '../analysis/layers.js';
import type { Log2Scalars } from '../backend/backend.js';
import type { Configuration } from './configuration.js';
import type { RoundRecord } from './rounds.js';

/** What a pruning run reports, finished or cut. */
export interface RunSummary {
  readonly configuration: Configuration;
  readonly rounds: readonly RoundRecord[];
  /** Weights that compete: prunable, neither gate-only nor excluded. */
  readonly countable: number;
  /** Sizes of the micro-batches, in order. */
  readonly microBatches: readonly number[];
  /** The backend that computed it, e.g. "cpu avx2 (2 threads)". */
  readonly backend: string;
  /** Computing time over all calls, where the run was resumed. */
  readonly seconds: number;
}

export interface PruneResult extends RunSummary {
  /** One byte a weight, 0 = pruned, by tensor name in parameter order, stored layout. */
  readonly masks: ReadonlyMap<string, Uint8Array>;
  /** How many of the countable weights are kept. */
  readonly kept: number;
  /** Scalars of the pruned network: one more scoring, with the final masks. */
  readonly log2: Log2Scalars;
  readonly layers: readonly LayerReport[];
}
