import { measurePeak } from '../backend/native/time-step.js';
import { defaultBatch } from '../bench/inputs.js';
import { randomBatches } from '../bench/model.js';
import type { ValidBenchOptions } from '../bench/options.js';
import { type RoundTiming, timeRounds } from '../bench/rounds.js';
import { type RunTiming, timeRun } from '../bench/run.js';
import { type SelectionTiming, timeSelection } from '../bench/selection.js';
import { splitMicroBatches } from '../io/data/micro-batch.js';
import type { LoadedModel } from '../plan/load.js';
import { parseScoreOptions } from '../prune/options.js';
import { ProgressMeter } from '../prune/progress.js';
import type { MicroBatch } from '../prune/round.js';
import { checkMemory, microBatches } from '../prune/session.js';
import type { BenchFlags, Findings } from './bench.js';
import { roundTable, runTable, selectionTable } from './bench-tables.js';
import { openData } from './prepare.js';
import { showProgress } from './progress.js';
import { openBackend } from './run-options.js';
import type { Terminal } from './terminal.js';
import { plural, shapeOf } from './text.js';

/** What the first of a hundred rounds to density 0.018 keeps. */
const SELECTED_SHARE = 0.96;

/** Rounds by instruction set, method, number of threads and density; selection; a whole run where one is asked for. */
export async function measureRounds(
  name: string,
  model: LoadedModel,
  flags: BenchFlags,
  options: ValidBenchOptions,
  terminal: Terminal,
): Promise<Findings> {
  const { plan } = model;
  const { methods, norm, density: densities, threads: all, rounds: repeats, run, seed } = options;
  const other = flags.backend === undefined ? undefined : await openBackend(flags, terminal);
  const on = other?.name === 'cpu' ? undefined : other;
  // A GPU is measured as if it were one more instruction set, its threads being its own affair.
  const isas = on ? [on.description] : options.isas;
  const { signal } = terminal;
  const batches = await batchesOf(name, model, flags, options, terminal);
  const samples = batches.reduce((sum, batch) => sum + batch.samples, 0);
  const text = [
    `${name}: ${plural(samples, 'sample')} of ${shapeOf(plan.values[plan.input]!.shape)}, norm ${norm}`,
  ];

  const settings = isas.flatMap((isa) =>
    methods.flatMap((method) =>
      (on ? all.slice(-1) : all).map((threads) => ({ isa, method, norm, threads, signal, on })),
    ),
  );
  const whole = run === undefined ? [] : settings.filter(({ threads }) => threads === Math.max(...all));
  const steps = settings.length * densities.length * (repeats + 1) + whole.length * (run ?? 0);
  const progress = showProgress(terminal.quiet);
  const meter = new ProgressMeter((at) => progress.update(at), 1, steps, 1, false);
  let done = 0;
  const onRound = () => meter.microBatch(++done, 1);
  const peaks: { isa: string; threads: number; flops: number }[] = [];
  const rounds: RoundTiming[] = [];
  const runs: RunTiming[] = [];
  try {
    for (const isa of on ? [] : isas)
      for (const threads of all) peaks.push({ isa, threads, flops: await measurePeak({ isa, threads }) });
    for (const setting of settings)
      rounds.push(...(await timeRounds(model, batches, { ...setting, densities, repeats, seed, onRound })));
    for (const setting of whole) {
      const to = { rounds: run!, density: Math.min(...densities), onRound };
      runs.push(await timeRun(model, batches, { ...setting, ...to }));
    }
  } finally {
    progress.stop();
  }
  const selection = await selections(model, options, signal);

  for (const isa of isas) {
    const best = new Map(
      peaks.filter((peak) => peak.isa === isa).map(({ threads, flops }) => [threads, flops]),
    );
    const title = `scoring rounds, ${isa}, median of ${repeats}`;
    text.push(
      `${title}\n\n${roundTable(
        rounds.filter((round) => round.isa === isa),
        on ? undefined : best,
      )}`,
    );
    const ours = runs.filter((timing) => timing.isa === isa);
    if (ours.length > 0) text.push(`a whole run, ${isa}\n\n${runTable(ours)}`);
  }
  text.push(`selection of the kept weights\n\n${selectionTable(selection)}`);
  return { text, data: { samples, peaks, rounds, runs, selection } };
}

/** The user's samples, or random ones, in memory: reading them is not what is measured. */
async function batchesOf(
  name: string,
  { plan }: LoadedModel,
  flags: BenchFlags,
  { batch, microBatch, methods, seed }: ValidBenchOptions,
  terminal: Terminal,
): Promise<MicroBatch[]> {
  const fits = (samples: number) => {
    const sizes = splitMicroBatches(samples, microBatch);
    for (const method of methods)
      checkMemory(plan, sizes, parseScoreOptions({ method }), process.availableMemory());
    return sizes;
  };
  if (flags.data === undefined) {
    const samples = batch ?? defaultBatch(plan);
    fits(samples);
    return randomBatches(plan, samples, microBatch, seed);
  }
  const limit = flags.limit ?? batch;
  const data = { ...flags, data: flags.data, ...(limit === undefined ? {} : { limit }) };
  const dataset = await openData(name, plan, data, terminal);
  try {
    const batches: MicroBatch[] = [];
    // The arrays are lent until the next is read.
    for await (const { x, samples } of microBatches(dataset, fits(dataset.length), terminal.signal))
      batches.push({ x: x.slice(), samples });
    return batches;
  } finally {
    await dataset.close();
  }
}

async function selections(
  { plan }: LoadedModel,
  { threads: all, rounds: repeats, seed }: ValidBenchOptions,
  signal: AbortSignal,
): Promise<SelectionTiming[]> {
  const sizes = plan.params.filter(({ gateOnly }) => !gateOnly).map(({ size }) => size);
  const timings: SelectionTiming[] = [];
  for (const threads of all)
    timings.push(await timeSelection({ sizes, density: SELECTED_SHARE, threads, repeats, seed, signal }));
  return timings;
}
