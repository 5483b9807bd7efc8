import type { Command } from 'commander';
import type { LayerReport } from '../analysis/layers.js';
import { PxError } from '../errors.js';
import { prune } from '../index.js';
import { FILES } from '../prune/folder.js';
import { parsePruneOptions } from '../prune/options.js';
import { outlineRun } from '../prune/outline.js';
import type { PruneResult } from '../prune/result.js';
import { number, repeated, wholeNumber } from './arguments.js';
import { addDataOptions } from './data-options.js';
import { openTerminal } from './open-terminal.js';
import { estimate, type Prepared, prepare } from './prepare.js';
import { showProgress } from './progress.js';
import { addRunOptions, openBackend, type RunFlags, scoreOptions } from './run-options.js';
import { layerTable } from './tables.js';
import type { Terminal } from './terminal.js';
import { count, duration, percent, plural, powerOfTwo } from './text.js';

const NAMES_SHOWN = 5;

interface Flags extends RunFlags {
  readonly output: string;
  readonly density: number;
  readonly rounds?: number;
  readonly only?: string[];
  readonly exclude?: string[];
  readonly keepFirstLast?: boolean;
  readonly floor?: number;
  readonly resume?: boolean;
  readonly force?: boolean;
}

export function addPrune(program: Command): void {
  const command = program
    .command('prune')
    .description('prune in rounds: score, keep the best, repeat; leaves masks, pruned model and run.json')
    .argument('<model>', 'ONNX file')
    .requiredOption('-o, --output <folder>', 'folder for the results')
    .requiredOption('--density <share>', 'share of the weights that is kept, above 0, up to 1', number)
    .option('--rounds <count>', 'rounds of pruning (default: 100)', wholeNumber)
    .option('--only <glob>', 'prune only tensors whose name matches; repeatable', repeated)
    .option('--exclude <glob>', 'leave tensors whose name matches as they are; repeatable', repeated)
    .option('--keep-first-last', 'leave the first and the last prunable tensor as they are')
    .option('--floor <weights>', 'least weights left in every pruned tensor (default: 0)', wholeNumber)
    .option('--resume', 'go on from the checkpoint in the folder')
    .option('--force', 'start over, whatever the folder holds');
  addRunOptions(addDataOptions(command));
  command.action((model: string, flags: Flags, self: Command) => {
    const terminal = openTerminal(self);
    return terminal.interruptible(() => run(model, flags, terminal));
  });
}

async function run(file: string, flags: Flags, terminal: Terminal): Promise<void> {
  const options = pruneOptions(flags);
  parsePruneOptions(options); // refused before a large model is read
  const prepared = await prepare(file, flags, terminal);
  const progress = showProgress(terminal.quiet);
  try {
    const { model, dataset, masks } = prepared;
    if (flags.dryRun === true) return showOutline(prepared, options, terminal);
    const result = await prune(model, dataset, {
      ...options,
      backend: await openBackend(flags, terminal),
      masks,
      provenance: provenance(flags),
      signal: terminal.signal,
      onProgress: (at) => progress.update(at),
    });
    progress.stop();
    show(result, flags.output, terminal);
  } catch (error) {
    progress.stop();
    if (error instanceof PxError && error.code === 'ERR_ABORTED') {
      const message = `stopped; finished rounds are kept in ${flags.output}. To go on, give the same command with --resume`;
      throw new PxError('ERR_ABORTED', message, { cause: error });
    }
    throw error;
  } finally {
    await prepared.dataset.close();
  }
}

function pruneOptions(flags: Flags) {
  const { density, rounds, only, exclude, keepFirstLast, floor, resume, force, output } = flags;
  return {
    ...scoreOptions(flags),
    density,
    rounds,
    only,
    exclude,
    keepFirstLast,
    floor,
    resume,
    force,
    out: output,
  };
}

/** The data options as they were given; what they led to is in the data set's notes. */
function provenance(flags: Flags): Record<string, unknown> {
  const { data, preset, mean, std, scale, size, crop, channels, perClass, limit, seed, skipBad } = flags;
  return { data, preset, mean, std, scale, size, crop, channels, perClass, limit, seed, skipBad };
}

function showOutline(
  { model, dataset, masks }: Prepared,
  options: ReturnType<typeof pruneOptions>,
  terminal: Terminal,
): void {
  const valid = parsePruneOptions({ ...options, masks });
  const { roles, countable, schedule, microBatches } = outlineRun(model.plan, dataset.length, valid);
  const { text, data } = estimate(model, valid.method, microBatches);
  const kept = schedule.at(-1)!;
  const tensors = model.plan.params.map(({ name }, id) => ({ name, role: roles[id]! }));
  const left = tensors.filter(({ role }) => role !== 'pruned').map(({ name, role }) => `${name} (${role})`);
  const lines = [
    `would keep ${count(kept)} of ${plural(countable, 'weight')} in ${plural(schedule.length, 'round')}`,
    ...(left.length > 0 ? [`left as they are: ${left.join(', ')}`] : []),
    ...text,
  ];
  terminal.result(lines.join('\n'), { countable, schedule, tensors, ...data });
}

/** Tensors that lost every weight: the network lives without them, but not everybody expects it. */
function noWeightLeft(layers: readonly LayerReport[]): string[] {
  const dead = layers.filter(({ role, kept }) => role === 'pruned' && kept === 0).map(({ name }) => name);
  if (dead.length === 0) return [];
  const more = dead.length > NAMES_SHOWN ? ` and ${count(dead.length - NAMES_SHOWN)} more` : '';
  const names = dead.slice(0, NAMES_SHOWN).join(', ');
  return [
    `no weight left in ${count(dead.length)} of ${plural(layers.length, 'tensor')}: ${names}${more} (--floor keeps some in each)`,
  ];
}

function show(result: PruneResult, folder: string, terminal: Terminal): void {
  const { layers, kept, countable, rounds, log2, configuration, backend, seconds, microBatches } = result;
  const left = layers.filter((layer) => layer.role !== 'pruned');
  const before = rounds[0]?.log2.R;
  const lines = [
    layerTable(layers),
    `kept ${count(kept)} of ${plural(countable, 'weight')} (${percent(kept / countable)}) in ${plural(rounds.length, 'round')}`,
    ...(left.length > 0
      ? [
          `not counted: ${left.map(({ name, role, weights }) => `${name} (${role}, ${plural(weights, 'weight')})`).join(', ')}`,
        ]
      : []),
    ...noWeightLeft(layers),
    `R: ${before === undefined ? '' : `${powerOfTwo(before)} before, `}${powerOfTwo(log2.R)} after`,
    `method ${configuration.method}, norm ${configuration.norm}, ${plural(configuration.samples, 'sample')} in ` +
      `${plural(microBatches.length, 'micro-batch', 'micro-batches')}, ${duration(seconds)} on ${backend}`,
    `files in ${folder}: ${FILES.masks}, ${FILES.model}, ${FILES.run}`,
  ];
  const { masks: _masks, ...data } = result;
  terminal.result(lines.join('\n'), { folder, ...data });
}
