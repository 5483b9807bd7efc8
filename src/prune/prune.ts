import { join } from 'node:path';
import { cutTensors } from '../analysis/cut.js';
import { type LayerReport, type Role, reportLayers } from '../analysis/layers.js';
import type { Backend, Program } from '../backend/backend.js';
import { PxError } from '../errors.js';
import { inPieces } from '../pieces.js';
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from './checkpoint.js';
import { type Configuration, configure } from './configuration.js';
import { FILES, openRunFolder } from './folder.js';
import { countKept, unpackMask } from './masks.js';
import { type PruneOptions, parsePruneOptions, type ValidPruneOptions } from './options.js';
import { outlineRun, type RunOutline } from './outline.js';
import { type PrunableModel, readFinishedRun, writeCutRun, writeFinishedRun } from './output.js';
import { ProgressMeter } from './progress.js';
import type { PruneResult, RunSummary } from './result.js';
import { type PruneState, type RoundsOptions, type RoundsOutcome, runRounds } from './rounds.js';
import type { RecordedData } from './run-record.js';
import { checkMemory, compile, microBatches, type ScoringData } from './session.js';
import { unpackMasks } from './start.js';

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
  const { params } = model.plan;
  const outline = outlineRun(model.plan, data.length, options);
  checkMemory(model.plan, outline.microBatches, options);
  const { backend } = pruneOptions;
  const configuration = configure(
    model,
    outline,
    options,
    backend.description,
    await data.digest(options.signal),
  );
  const run: Run = { model, data, options, outline, configuration };
  const start: PruneState = { masks: outline.start, rounds: [] };
  if (options.out === undefined) return execute(run, start, backend);

  const release = await openRunFolder(options.out, options);
  try {
    if (options.resume) {
      const finished = await readFinishedRun(options.out, model, configuration);
      // Killed between its last file and the end, a run leaves its checkpoint behind.
      if (finished) await removeCheckpoint(options.out);
      if (finished) return finished;
    }
    const found = options.resume ? await readCheckpoint(options.out, params, configuration) : undefined;
    return await execute(run, found ?? start, backend);
  } finally {
    await release();
  }
}

/** What does not change from round to round. */
interface Run {
  readonly model: PrunableModel;
  readonly data: ScoringData;
  readonly options: ValidPruneOptions;
  readonly outline: RunOutline;
  readonly configuration: Configuration;
}

/** Runs what is left of the schedule and writes the results. */
async function execute(run: Run, start: PruneState, backend: Backend): Promise<PruneResult> {
  const { model, options } = run;
  const program = await compile(model, backend, options);
  try {
    const outcome = await runRounds(start, roundsOptions(run, start, program));
    if (outcome.cut) throw await cutError(run, outcome, program.backend);
    const result = await inPieces(assemble(run, outcome, program.backend), options.signal);
    if (options.out !== undefined) {
      await writeFinishedRun(options.out, model, recorded(run), result, options.signal);
      await removeCheckpoint(options.out);
    }
    return result;
  } finally {
    program.dispose();
  }
}

function roundsOptions(
  { model, data, options, outline, configuration }: Run,
  start: PruneState,
  program: Program,
): RoundsOptions {
  const { schedule, microBatches: sizes } = outline;
  const { out } = options;
  const meter = new ProgressMeter(
    options.onProgress,
    start.rounds.length + 1,
    schedule.length,
    sizes.length,
    true,
  );
  return {
    program,
    schedule,
    names: model.plan.params.map((param) => param.name),
    takesPart: outline.roles.map((role) => role === 'pruned'),
    floor: options.floor,
    threads: options.threads,
    signal: options.signal,
    batches: () => microBatches(data, sizes, options.signal),
    onMicroBatch: (round: number, done: number) => meter.microBatch(round, done),
    onRound: (state: PruneState) => meter.round(state.rounds.at(-1)!),
    save: out === undefined ? undefined : (state: PruneState) => writeCheckpoint(out, configuration, state),
  };
}

function* assemble(run: Run, outcome: RoundsOutcome, backend: string): Generator<undefined, PruneResult> {
  const { state, final } = outcome;
  const { roles } = run.outline;
  const kept = state.masks.map(countKept);
  const masks = new Map<string, Uint8Array>();
  const layers: LayerReport[] = [];
  for (const [id, param] of run.model.plan.params.entries()) {
    masks.set(param.name, unpackMask(state.masks[id]!, param.size));
    yield;
    layers.push(...reportLayers([param], [roles[id]!], [kept[id]!], [final.scores[id]!]));
    yield;
  }
  return {
    ...summarize(run, outcome, backend),
    masks,
    kept: countCompeting(roles, kept),
    log2: final.log2,
    layers,
  };
}

function summarize(run: Run, { state, finalSeconds }: RoundsOutcome, backend: string): RunSummary {
  return {
    configuration: run.configuration,
    rounds: state.rounds,
    countable: run.outline.countable,
    microBatches: run.outline.microBatches,
    backend,
    seconds: state.rounds.reduce((sum, round) => sum + round.seconds, finalSeconds),
  };
}

function recorded({ data, options }: Run): RecordedData {
  const { samples, notes, skipped } = data;
  return { samples, notes, skipped, provenance: options.provenance ?? {} };
}

function countCompeting(roles: readonly Role[], kept: readonly number[]): number {
  return kept.reduce((sum, count, id) => sum + (roles[id] === 'pruned' ? count : 0), 0);
}

/** Keeps the last good masks where a folder was given, and says which tensor cut the network. */
async function cutError(run: Run, outcome: RoundsOutcome, backend: string): Promise<PxError> {
  const { model, options } = run;
  const { masks: cutting, lastGood, rounds } = outcome.state;
  const reason = whyCut(cutTensors(model.plan, cutting.map(countKept)));
  if (lastGood === undefined) {
    return new PxError(
      'ERR_NETWORK_CUT',
      `R is 0 before anything was pruned: ${reason}. Start from other masks, or check the model's weights and the data`,
    );
  }
  const masks = unpackMasks(model.plan.params, lastGood);
  if (options.out !== undefined) {
    const kept = countCompeting(run.outline.roles, lastGood.map(countKept));
    await writeCutRun(options.out, model, recorded(run), summarize(run, outcome, backend), {
      masks,
      kept,
      reason,
    });
    await removeCheckpoint(options.out);
  }
  const where =
    options.out === undefined ? "in this error's cause.masks" : `in ${join(options.out, FILES.lastGood)}`;
  return new PxError(
    'ERR_NETWORK_CUT',
    `the network was cut in round ${rounds.length} of ${options.rounds}: ${reason}. The masks it still worked with are ${where}. ` +
      "Raise the density, or try norm 'batch', more rounds or a floor",
    { cause: { masks } },
  );
}

function whyCut(tensors: readonly string[]): string {
  if (tensors.length === 0)
    return 'no tensor is empty, but the weights that are kept do not meet on any path';
  const named = tensors.slice(0, 5).map((name) => `'${name}'`);
  return `no weight is left in ${named.join(', ')}${tensors.length > 5 ? ` and ${tensors.length - 5} more` : ''}`;
}
