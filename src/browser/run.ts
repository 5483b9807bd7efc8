/** Scoring and pruning where there is no disk. */
import type { Backend } from '../backend/backend.js';
import type { Dataset } from '../io/data/types.js';
import { executeInMemory, prepareRun } from '../prune/execute.js';
import { type PruneOptions, parsePruneOptions, type ScoreOptions } from '../prune/options.js';
import type { PruneResult } from '../prune/result.js';
import { runScore, type ScoreResult } from '../prune/score.js';
import { browserHost } from './host.js';
import type { BrowserModel } from './load-model.js';

export interface BrowserScoreOptions extends Omit<ScoreOptions, 'threads' | 'backend'> {
  readonly backend: Backend;
}

export interface BrowserPruneOptions
  extends Omit<PruneOptions, 'threads' | 'backend' | 'out' | 'resume' | 'force'> {
  readonly backend: Backend;
}

export interface BrowserPruneResult extends PruneResult {
  /** S_j / R of the pruned network by tensor name, stored layout: the last scoring, of the final masks. */
  readonly scores: ReadonlyMap<string, Float32Array>;
}

/**
 * Scores every prunable weight once: its share S_j / R in the bound of the NTK's trace.
 *
 * @throws PxError ERR_OPTION, ERR_DATA, ERR_MISMATCH (masks of another model), ERR_MEMORY, ERR_ABORTED, ERR_BACKEND, ERR_NUMERIC
 */
export function score(
  model: BrowserModel,
  data: Dataset,
  options: BrowserScoreOptions,
): Promise<ScoreResult> {
  return runScore(model, data, options, browserHost);
}

/**
 * Prunes the model in rounds to the given density: score, keep the best, repeat, then score what is left. The model itself does not
 * change.
 *
 * @throws PxError as `score`; ERR_NETWORK_CUT (the last good masks are its `cause.masks`)
 */
export async function prune(
  model: BrowserModel,
  data: Dataset,
  options: BrowserPruneOptions,
): Promise<BrowserPruneResult> {
  const { backend } = options;
  const run = await prepareRun(model, data, parsePruneOptions(options), backend, browserHost);
  const { result, final } = await executeInMemory(run, backend);
  const scores = new Map(model.plan.params.map(({ name }, id) => [name, final.scores[id]!]));
  return { ...result, scores };
}
