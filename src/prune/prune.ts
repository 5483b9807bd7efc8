import { join } from 'node:path';
import { cutTensors } from '../analysis/cut.js';
import { type Role, reportLayers } from '../analysis/layers.js';
import type { Backend, Program } from '../backend/backend.js';
import { PxError } from '../errors.js';
import { assignRoles } from './candidates.js';
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from './checkpoint.js';
import { type Configuration, digestMasks } from './configuration.js';
import { FILES, openRunFolder } from './folder.js';
import { countKept } from './masks.js';
import { type PruneOptions, parsePruneOptions, type ValidPruneOptions } from './options.js';
import { type PrunableModel, readFinishedRun, writeCutRun, writeFinishedRun } from './output.js';
import { ProgressMeter } from './progress.js';
import type { PruneResult, RunSummary } from './result.js';
import { type PruneState, type RoundsOutcome, runRounds } from './rounds.js';
import { keepSchedule } from './schedule.js';
import { compile, microBatches, planMicroBatches, type ScoringData } from './session.js';
import { packMasks, unpackMasks } from './start.js';
import { VERSION } from '../version.js';

/** What does not change from round to round. */
interface Run {
  readonly model: PrunableModel;
  readonly data: ScoringData;
  readonly options: ValidPruneOptions;
  readonly roles: readonly Role[];
  readonly countable: number;
  readonly schedule: readonly number[];
  readonly sizes: readonly number[];
  readonly configuration: Configuration;
}

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
  const roles = assignRoles(params, options);
  const start = packMasks(params, options.masks);
  const schedule = makeSchedule(model, roles, start, options);
  const sizes = planMicroBatches(model.plan, data, options);
  const configuration = await describe(model, data, options, sizes, start, pruneOptions.backend);
  const run = { model, data, options, roles, ...schedule, sizes, configuration };
  if (options.out === undefined) return execute(run, { masks: start, rounds: [] }, pruneOptions.backend);

  const release = await openRunFolder(options.out, options);
  try {
    if (options.resume) {
      const finished = await readFinishedRun(options.out, model, configuration);
      // Killed between its last file and the end, a run leaves its checkpoint behind.
      if (finished) await removeCheckpoint(options.out);
      if (finished) return finished;
    }
    const found = options.resume ? await readCheckpoint(options.out, params, configuration) : undefined;
    return await execute(run, found ?? { masks: start, rounds: [] }, pruneOptions.backend);
  } finally {
    await release();
  }
}

function makeSchedule(
  model: PrunableModel,
  roles: readonly Role[],
  start: readonly Uint8Array[],
  options: ValidPruneOptions,
): { countable: number; schedule: number[] } {
  const { params } = model.plan;
  const { density, rounds, floor } = options;
  let countable = 0;
  let alive = 0;
  let least = 0;
  params.forEach((param, id) => {
    if (roles[id] !== 'pruned') return;
    const kept = countKept(start[id]!);
    countable += param.size;
    alive += kept;
    least += Math.min(floor, kept);
  });
  const schedule = keepSchedule(countable, density, rounds, alive);
  const last = schedule.at(-1)!;
  if (last > alive) {
    throw new PxError(
      'ERR_OPTION',
      `density ${density} keeps ${last} of ${countable} weights, but the given masks keep only ${alive}: lower the density`,
    );
  }
  if (least > last) {
    throw new PxError(
      'ERR_OPTION',
      `a floor of ${floor} weights per tensor needs ${least} weights, but density ${density} keeps ${last}: ` +
        'lower the floor or raise the density',
    );
  }
  return { countable, schedule };
}

async function describe(
  model: PrunableModel,
  data: ScoringData,
  options: ValidPruneOptions,
  sizes: readonly number[],
  start: readonly Uint8Array[],
  backend: Backend,
): Promise<Configuration> {
  const { plan } = model;
  return {
    version: VERSION,
    modelSha256: model.sha256,
    inputShape: plan.values[plan.input]!.shape,
    outputs: plan.outputs.map((output) => output.name),
    dataDigest: await data.digest(options.signal),
    samples: data.length,
    method: options.method,
    norm: options.norm,
    microBatch: options.microBatch ?? Math.max(...sizes),
    backend: backend.name,
    density: options.density,
    rounds: options.rounds,
    only: options.only ?? null,
    exclude: options.exclude ?? null,
    keepFirstLast: options.keepFirstLast,
    floor: options.floor,
    startMasks: options.masks === undefined ? null : digestMasks(start),
  };
}

/** Runs what is left of the schedule and writes the results. */
async function execute(run: Run, start: PruneState, backend: Backend): Promise<PruneResult> {
  const { model, options } = run;
  const program = await compile(model, backend, options);
  try {
    const outcome = await runRounds(start, roundsOptions(run, start, program));
    if (outcome.cut) throw await cutError(run, outcome, program.backend);
    const result = assemble(run, outcome, program.backend);
    if (options.out !== undefined) {
      await writeFinishedRun(options.out, model, run.data, result);
      await removeCheckpoint(options.out);
    }
    return result;
  } finally {
    program.dispose();
  }
}

function roundsOptions({ model, data, options, roles, schedule, sizes, configuration }: Run, start: PruneState, program: Program) {
  const meter = new ProgressMeter(options.onProgress, start.rounds.length + 1, schedule.length, sizes.length, true);
  return {
    program,
    schedule,
    names: model.plan.params.map((param) => param.name),
    takesPart: roles.map((role) => role === 'pruned'),
    floor: options.floor,
    signal: options.signal,
    batches: () => microBatches(data, sizes, options.signal),
    onMicroBatch: (round: number, done: number) => meter.microBatch(round, done),
    onRound: async (state: PruneState) => {
      if (options.out !== undefined) await writeCheckpoint(options.out, configuration, state);
      meter.round(state.rounds.at(-1)!);
    },
  };
}

function assemble(run: Run, outcome: RoundsOutcome, backend: string): PruneResult {
  const { state, final } = outcome;
  const { params } = run.model.plan;
  const kept = state.masks.map(countKept);
  return {
    ...summarize(run, outcome, backend),
    masks: unpackMasks(params, state.masks),
    kept: countCompeting(run.roles, kept),
    log2: final.log2,
    layers: reportLayers(params, run.roles, kept, final.scores),
  };
}

function summarize(run: Run, { state, finalSeconds }: RoundsOutcome, backend: string): RunSummary {
  return {
    configuration: run.configuration,
    rounds: state.rounds,
    countable: run.countable,
    microBatches: run.sizes,
    backend,
    seconds: state.rounds.reduce((sum, round) => sum + round.seconds, finalSeconds),
  };
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
    const kept = countCompeting(run.roles, lastGood.map(countKept));
    await writeCutRun(options.out, model, run.data, summarize(run, outcome, backend), { masks, kept, reason });
    await removeCheckpoint(options.out);
  }
  const where = options.out === undefined ? "in this error's cause.masks" : `in ${join(options.out, FILES.lastGood)}`;
  return new PxError(
    'ERR_NETWORK_CUT',
    `the network was cut in round ${rounds.length} of ${options.rounds}: ${reason}. The masks it still worked with are ${where}. ` +
      "Raise the density, or try norm 'batch', more rounds or a floor",
    { cause: { masks } },
  );
}

function whyCut(tensors: readonly string[]): string {
  if (tensors.length === 0) return 'no tensor is empty, but the weights that are kept do not meet on any path';
  const named = tensors.slice(0, 5).map((name) => `'${name}'`);
  return `no weight is left in ${named.join(', ')}${tensors.length > 5 ? ` and ${tensors.length - 5} more` : ''}`;
}
