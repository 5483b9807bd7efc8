import { measurePeak } from '../src/backend/native/time-step.js';
import { defaultBatch } from '../src/bench/inputs.js';
import { instructionSets } from '../src/bench/machine.js';
import { openModel, randomBatches } from '../src/bench/model.js';
import { type RoundTiming, timeRounds } from '../src/bench/rounds.js';
import { type RunTiming, timeRun } from '../src/bench/run.js';
import { type SelectionTiming, tensorSizes, timeSelection } from '../src/bench/selection.js';
import { measureKernels } from '../src/cli/bench-kernels.js';
import { roundTable, runTable, selectionTable } from '../src/cli/bench-tables.js';
import type { Terminal } from '../src/cli/terminal.js';
import { count, plural } from '../src/cli/text.js';
import type { LoadedModel } from '../src/plan/load.js';
import type { MicroBatch } from '../src/prune/round.js';
import { comparisonTable } from './comparison-table.js';
import type { Options } from './options.js';
import { type Comparison, compare, PEER_MODELS } from './peer.js';
import { verifyRounds } from './verify.js';

const METHODS = ['px', 'px-joint'] as const;
const SEED = 1;
/** Of a whole run: what the method's authors prune to. */
const [RUN_ROUNDS, RUN_DENSITY] = [100, 0.018];
const [QUICK_BATCH, QUICK_ROUNDS] = [4, 5];

export interface Results {
  /** What `px bench --kernels --json` prints. */
  kernels?: object;
  /** FLOP/s at best, by number of threads. */
  peaks?: Record<number, number>;
  rounds?: Record<string, RoundTiming[]>;
  runs?: Record<string, RunTiming[]>;
  selection?: SelectionTiming[];
  comparisons?: Comparison[];
}

/** Every section that was asked for, its table printed as soon as it is measured. */
export async function measureSections(options: Options, terminal: Terminal): Promise<Results> {
  const results: Results = {};
  const has = (section: Options['only'][number]) => options.only.includes(section);
  if (has('kernels')) results.kernels = await kernels(options, terminal);
  if (has('rounds') || has('runs')) {
    await verifyRounds(terminal);
    const peaks = await peaksOf(options.threads);
    results.peaks = Object.fromEntries(peaks);
    for (const name of options.models) {
      const model = await openModel(name);
      const samples = options.quick ? QUICK_BATCH : defaultBatch(model.plan);
      const subject: Subject = { name, model, batches: randomBatches(model.plan, samples, undefined, SEED) };
      if (has('rounds')) {
        (results.rounds ??= {})[name] = await rounds(subject, peaks, options, terminal);
        (results.comparisons ??= []).push(...(await comparisons(subject, options, terminal)));
      }
      if (has('runs')) (results.runs ??= {})[name] = await runs(subject, options, terminal);
    }
  }
  if (has('selection')) results.selection = await selection(options, terminal);
  return results;
}

interface Subject {
  readonly name: string;
  readonly model: LoadedModel;
  readonly batches: readonly MicroBatch[];
}

async function kernels(options: Options, terminal: Terminal): Promise<object> {
  const { densities: density, isa: isas = instructionSets(), repeats: rounds, quick } = options;
  const { text, data } = await measureKernels(
    { isas, threads: [1], density, rounds, seed: SEED },
    terminal,
    quick,
  );
  console.log(`\n${text.join('\n\n')}`);
  return data;
}

async function peaksOf(threads: readonly number[]): Promise<Map<number, number>> {
  const peaks = new Map<number, number>();
  for (const count of threads) peaks.set(count, await measurePeak({ threads: count }));
  return peaks;
}

async function rounds(
  { name, model, batches }: Subject,
  peaks: ReadonlyMap<number, number>,
  options: Options,
  terminal: Terminal,
) {
  const timings: RoundTiming[] = [];
  for (const method of METHODS) {
    for (const threads of options.threads) {
      terminal.note(`${name}: rounds of ${method}, ${plural(threads, 'thread')}`);
      const setting = { method, norm: 'batch', threads, seed: SEED, signal: terminal.signal } as const;
      const { densities, repeats } = options;
      timings.push(...(await timeRounds(model, batches, { ...setting, densities, repeats })));
    }
  }
  print(`${name}, one round of ${samplesOf(batches)}`, roundTable(timings, peaks));
  return timings;
}

async function comparisons({ name, model, batches }: Subject, options: Options, terminal: Terminal) {
  const { peer: script, python, threads: all, quick } = options;
  if (script === undefined || !PEER_MODELS.includes(name)) return [];
  const found: Comparison[] = [];
  for (const method of METHODS) {
    for (const threads of all) {
      terminal.note(`${name}: ${method} beside the peer, ${plural(threads, 'thread')}`);
      const turns = quick ? 1 : 3;
      found.push(
        await compare({ script, python }, model, batches[0]!, {
          ...{ name, method, norm: 'batch', threads, density: 1, seed: SEED, signal: terminal.signal },
          ...{ turns, rounds: Math.ceil(options.repeats / turns) },
        }),
      );
    }
  }
  print(
    `${name} of ${samplesOf(batches)} beside the peer, at density 1; ours over theirs`,
    comparisonTable(found),
  );
  return found;
}

async function runs({ name, model, batches }: Subject, options: Options, terminal: Terminal) {
  const timings: RunTiming[] = [];
  const count = options.quick ? QUICK_ROUNDS : RUN_ROUNDS;
  for (const method of METHODS) {
    const threads = Math.max(...options.threads);
    terminal.note(`${name}: ${plural(count, 'round')} of ${method}, ${plural(threads, 'thread')}`);
    const setting = { method, norm: 'batch', threads, signal: terminal.signal } as const;
    timings.push(await timeRun(model, batches, { ...setting, rounds: count, density: RUN_DENSITY }));
  }
  print(`${name}, a whole run on ${samplesOf(batches)}`, runTable(timings));
  return timings;
}

async function selection(options: Options, terminal: Terminal): Promise<SelectionTiming[]> {
  const timings: SelectionTiming[] = [];
  const sizes = options.quick ? [1e5] : [1e6, 25e6, ...(options.large ? [100e6] : [])];
  for (const weights of sizes) {
    terminal.note(`selecting from ${count(weights)} weights`);
    for (const threads of options.threads) {
      const { repeats } = options;
      const setting = { density: 0.96, threads, repeats, seed: SEED, signal: terminal.signal };
      timings.push(await timeSelection({ sizes: tensorSizes(weights), ...setting }));
    }
  }
  print('exact global selection, masks included', selectionTable(timings));
  return timings;
}

function samplesOf(batches: readonly MicroBatch[]): string {
  return plural(
    batches.reduce((sum, { samples }) => sum + samples, 0),
    'sample',
  );
}

function print(title: string, text: string): void {
  console.log(`\n${title}\n\n${text}`);
}
