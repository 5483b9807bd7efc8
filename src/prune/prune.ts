import { join } from 'node:path';
import type { Backend } from '../backend/backend.js';
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from './checkpoint.js';
import { cutError, executeInMemory, executeRun, freshStart, prepareRun, type Run } from './execute.js';
import { FILES, openRunFolder } from './folder.js';
import { nodeHost } from './node-host.js';
import { type PruneOptions, parsePruneOptions } from './options.js';
import { type PrunableModel, readFinishedRun, writeCutRun, writeFinishedRun } from './output.js';
import type { PruneResult } from './result.js';
import type { PruneState } from './rounds.js';
import type { RecordedData } from './run-record.js';
import type { ScoringData } from './session.js';

/**
 * Prunes in rounds: score, keep the best, repeat, then score what is left once more. With `out` the folder holds a checkpoint after
 * every round, and masks, pruned model and run.json in the end.
 *
 * @throws PxError ERR_OPTION, ERR_DATA, ERR_MISMATCH (masks, checkpoint), ERR_MEMORY, ERR_NETWORK_CUT (last good masks in
 *   `cause.masks` and in `out`), ERR_ABORTED (checkpoint kept), ERR_STATE (folder in use), ERR_IO, ERR_BACKEND, ERR_NUMERIC
 */
export async function runPrune(
  model: PrunableModel,
  data: ScoringData,
  pruneOptions: PruneOptions & { backend: Backend },
): Promise<PruneResult> {
  const options = parsePruneOptions(pruneOptions);
  const { backend } = pruneOptions;
  const run = await prepareRun(model, data, options, backend, nodeHost);
  const { out } = options;
  if (out === undefined) return (await executeInMemory(run, backend)).result;

  const release = await openRunFolder(out, options);
  try {
    if (options.resume) {
      const finished = await readFinishedRun(out, model, run.configuration);
      // Killed between its last file and the end, a run leaves its checkpoint behind.
      if (finished) await removeCheckpoint(out);
      if (finished) return finished;
    }
    const found = options.resume
      ? await readCheckpoint(out, model.plan.params, run.configuration)
      : undefined;
    return await runInFolder(out, run, model, found ?? freshStart(run), backend);
  } finally {
    await release();
  }
}

/** Runs what is left of the schedule and writes the results, or the last good masks. */
async function runInFolder(
  out: string,
  run: Run,
  model: PrunableModel,
  start: PruneState,
  backend: Backend,
): Promise<PruneResult> {
  const save = (state: PruneState) => writeCheckpoint(out, run.configuration, state);
  const executed = await executeRun(run, start, backend, save);
  if ('cut' in executed) {
    const { summary, reason, lastGood } = executed.cut;
    if (lastGood !== undefined) {
      await writeCutRun(out, model, recorded(run), summary, { ...lastGood, reason });
      await removeCheckpoint(out);
    }
    throw cutError(run, executed.cut, `in ${join(out, FILES.lastGood)}`);
  }
  const { result } = executed;
  await writeFinishedRun(out, model, recorded(run), result, run.options.signal);
  await removeCheckpoint(out);
  return result;
}

function recorded({ data, options }: Run): RecordedData {
  const { samples, notes, skipped } = data;
  return { samples, notes, skipped, provenance: options.provenance ?? {} };
}
