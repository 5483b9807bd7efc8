/** A pruning run in memory: what is decided before it, its rounds, and what comes out. */
import { cutTensors } from '../analysis/cut.js';
import { type LayerReport, type Role, reportLayers } from '../analysis/layers.js';
import type { Backend, Program, RoundResult } from '../backend/backend.js';
import { PxError } from '../errors.js';
import { inPieces } from '../pieces.js';
import { type Configuration, configure } from './configuration.js';
import type { Host } from './host.js';
import { countKept, unpackMask } from './masks.js';
import type { MaskMap, ValidPruneOptions } from './options.js';
import { outlineRun, type RunOutline } from './outline.js';
import { ProgressMeter } from './progress.js';
import type { PruneResult, RunSummary } from './result.js';
import { type PruneState, type RoundsOptions, type RoundsOutcome, runRounds } from './rounds.js';
import { checkMemory, compile, microBatches, type ScorableModel, type ScoringData } from './session.js';
import { unpackMasks } from './start.js';

/** What does not change from round to round. */
export interface Run {
  readonly model: ScorableModel;
  readonly data: ScoringData;
  readonly options: ValidPruneOptions;
  readonly outline: RunOutline;
  readonly configuration: Configuration;
  readonly host: Host;
}

/** R became 0. */
export interface Cut {
  readonly summary: RunSummary;
  /** Which tensors have no weight left. */
  readonly reason: string;
  /** The masks it still worked with, and how many of the competing weights they keep; absent where nothing was pruned yet. */
  readonly lastGood?: { readonly masks: MaskMap; readonly kept: number };
}

export type Executed = Finished | { readonly cut: Cut };

export interface Finished {
  readonly result: PruneResult;
  /** The last scoring, of the final masks. */
  readonly final: RoundResult;
}

/** Decides what a run will do. @throws PxError ERR_OPTION, ERR_MISMATCH, ERR_MEMORY, and what reading the data raises */
export async function prepareRun(
  model: ScorableModel,
  data: ScoringData,
  options: ValidPruneOptions,
  backend: Backend,
  host: Host,
): Promise<Run> {
  const outline = outlineRun(model.plan, data.length, options);
  checkMemory(model.plan, outline.microBatches, options, host.availableMemory());
  const digest = await data.digest(options.signal);
  const configuration = configure(model, outline, options, backend.description, digest, host.sha256);
  return { model, data, options, outline, configuration, host };
}

/** Where a run begins. */
export function freshStart({ outline }: Run): PruneState {
  return { masks: outline.start, rounds: [] };
}

/** Runs what is left of the schedule; `save` keeps the state after each round. */
export async function executeRun(
  run: Run,
  start: PruneState,
  backend: Backend,
  save?: RoundsOptions['save'],
): Promise<Executed> {
  const { model, options } = run;
  const program = await compile(model, backend, options);
  try {
    const outcome = await runRounds(start, roundsOptions(run, start, program, save));
    if (outcome.cut) return { cut: describeCut(run, outcome, program.backend) };
    const result = await inPieces(assemble(run, outcome, program.backend), options.signal);
    return { result, final: outcome.final };
  } finally {
    program.dispose();
  }
}

/** The error that tells of a cut; `where` completes "The masks it still worked with are". */
export function cutError(run: Run, { summary, reason, lastGood }: Cut, where: string): PxError {
  if (lastGood === undefined) {
    return new PxError(
      'ERR_NETWORK_CUT',
      `R is 0 before anything was pruned: ${reason}. Start from other masks, or check the model's weights and the data`,
    );
  }
  return new PxError(
    'ERR_NETWORK_CUT',
    `the network was cut in round ${summary.rounds.length} of ${run.options.rounds}: ${reason}. The masks it still worked with are ${where}. ` +
      "Raise the density, or try norm 'batch', more rounds or a floor",
    { cause: { masks: lastGood.masks } },
  );
}

/** A whole run of which nothing is kept on a disk. @throws PxError ERR_NETWORK_CUT, its `cause.masks` the last good masks */
export async function executeInMemory(run: Run, backend: Backend): Promise<Finished> {
  const executed = await executeRun(run, freshStart(run), backend);
  if ('cut' in executed) throw cutError(run, executed.cut, "in this error's cause.masks");
  return executed;
}

function roundsOptions(
  { model, data, options, outline, host }: Run,
  start: PruneState,
  program: Program,
  save: RoundsOptions['save'],
): RoundsOptions {
  const { schedule, microBatches: sizes } = outline;
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
    select: host.select,
    floor: options.floor,
    threads: options.threads,
    signal: options.signal,
    batches: () => microBatches(data, sizes, options.signal),
    onMicroBatch: (round: number, done: number) => meter.microBatch(round, done),
    onRound: (state: PruneState) => meter.round(state.rounds.at(-1)!),
    save,
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

/** What a run reports, finished or cut. */
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

function countCompeting(roles: readonly Role[], kept: readonly number[]): number {
  return kept.reduce((sum, count, id) => sum + (roles[id] === 'pruned' ? count : 0), 0);
}

function describeCut(run: Run, outcome: RoundsOutcome, backend: string): Cut {
  const { plan } = run.model;
  const { masks: cutting, lastGood } = outcome.state;
  const cut = {
    summary: summarize(run, outcome, backend),
    reason: whyCut(cutTensors(plan, cutting.map(countKept))),
  };
  if (lastGood === undefined) return cut;
  const kept = countCompeting(run.outline.roles, lastGood.map(countKept));
  return { ...cut, lastGood: { masks: unpackMasks(plan.params, lastGood), kept } };
}

function whyCut(tensors: readonly string[]): string {
  if (tensors.length === 0)
    return 'no tensor is empty, but the weights that are kept do not meet on any path';
  const named = tensors.slice(0, 5).map((name) => `'${name}'`);
  return `no weight is left in ${named.join(', ')}${tensors.length > 5 ? ` and ${tensors.length - 5} more` : ''}`;
}
