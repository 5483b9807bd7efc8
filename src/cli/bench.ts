import { type Command, Option } from 'commander';
import type { Method, NormStatistics } from '../backend/backend.js';
import { describeMachine } from '../bench/machine.js';
import { isNetwork, openModel } from '../bench/model.js';
import { parseBenchOptions } from '../bench/options.js';
import { PxError } from '../errors.js';
import { optionName } from '../option-name.js';
import { numbers, repeated, wholeNumber, wholeNumbers, words } from './arguments.js';
import { measureKernels, measureLayers } from './bench-kernels.js';
import { measureRounds } from './bench-rounds.js';
import { machineLine } from './bench-tables.js';
import { addOptionalData, askedInputSize, type DataFlags } from './data-options.js';
import { openTerminal } from './open-terminal.js';
import { addBackendOptions, type BackendFlags } from './run-options.js';
import type { Terminal } from './terminal.js';

export interface BenchFlags extends Partial<DataFlags>, BackendFlags {
  readonly method?: Method;
  readonly norm?: NormStatistics;
  readonly density?: number[];
  readonly threads?: number[];
  readonly batch?: number;
  readonly microBatch?: number;
  readonly rounds?: number;
  readonly run?: number;
  readonly isa?: string[];
  readonly outputs?: string[];
  readonly layers?: boolean;
  readonly kernels?: boolean;
}

/** What a kind of measurement found: for people, a title before each table; and as data. */
export interface Findings {
  readonly text: readonly string[];
  readonly data: object;
}

export function addBench(program: Command): void {
  const command = program
    .command('bench')
    .description('measure scoring rounds of a model on this machine, or its linear steps one by one')
    .argument('[model]', 'ONNX file, or a network of px new (default: resnet20)')
    .addOption(
      new Option('--method <name>', 'measure one method (default: both)').choices(['px', 'px-joint']),
    )
    .addOption(
      new Option('--norm <name>', 'normalisation statistics (default: batch)').choices(['batch', 'running']),
    )
    .option('--density <list>', 'shares of the weights kept, by chance (default: 1,0.3,0.05)', numbers)
    .option('--threads <list>', 'CPU threads (default: 1, and all cores)', wholeNumbers)
    .option(
      '--batch <samples>',
      'samples scored together (default: up to 128, by their size; with --data all)',
      wholeNumber,
    )
    .option('--micro-batch <samples>', 'samples computed together (default: up to 128)', wholeNumber)
    .option('--rounds <count>', 'how often each thing is measured (default: 5)', wholeNumber)
    .option(
      '--run <rounds>',
      'also a whole run of so many rounds to the least density, with memory',
      wholeNumber,
    )
    .option('--isa <list>', 'instruction sets: base, avx2, avx512 (default: the best)', words)
    .option('--outputs <name>', 'graph output that counts; repeatable (default: all)', repeated)
    .option('--layers', "instead, the model's linear steps one by one")
    .option('--kernels', 'instead, linear steps of the usual shapes one by one; takes no model');
  addBackendOptions(addOptionalData(command, 'random samples'));
  command.action((model: string | undefined, flags: BenchFlags, self: Command) => {
    const terminal = openTerminal(self);
    return terminal.interruptible(() => run(model, flags, terminal));
  });
}

async function run(name: string | undefined, flags: BenchFlags, terminal: Terminal): Promise<void> {
  const { method, norm, density, threads, batch, microBatch, rounds, run, isa, seed } = flags;
  const options = parseBenchOptions({
    ...{ method, norm, density, threads, batch, microBatch, rounds, run, isa, seed },
  });
  refuseMixtures(name, flags);
  const machine = describeMachine();
  const finish = ({ text, data }: Findings) =>
    terminal.result([machineLine(machine), ...text].join('\n\n'), { machine, ...data });
  if (flags.kernels) return finish(await measureKernels(options, terminal));
  const file = name ?? 'resnet20';
  // With data, --size is how they are resized; a network of px new is then as large as their crop.
  const size = isNetwork(file) && flags.data !== undefined ? flags.crop : askedInputSize(flags);
  const model = await openModel(file, {
    ...(size && { inputSize: size }),
    ...(flags.outputs && { outputs: flags.outputs }),
  });
  for (const warning of model.warnings) terminal.warn(warning);
  const measured = flags.layers
    ? await measureLayers(model, options, terminal)
    : await measureRounds(file, model, flags, options, terminal);
  finish({ ...measured, data: { model: file, modelSha256: model.sha256, ...measured.data } });
}

/** Options that would be ignored are refused. @throws PxError ERR_OPTION */
function refuseMixtures(name: string | undefined, flags: BenchFlags): void {
  const { data, run, microBatch, norm, layers, batch, method, outputs, size, crop } = flags;
  const { preset, mean, std, scale, channels, perClass, limit, skipBad } = flags;
  const { backend, adapter } = flags;
  const ofRounds = { data, run, microBatch, norm, backend, adapter };
  if (flags.kernels) {
    if (name !== undefined) throw new PxError('ERR_OPTION', '--kernels takes no model; --layers does');
    refuse('--kernels takes no', { ...ofRounds, layers, batch, method, outputs, size, crop });
  }
  if (backend === 'webgpu') refuse('--backend webgpu takes no', { isa: flags.isa, threads: flags.threads });
  if (layers) refuse('--layers takes no', ofRounds);
  const ofData = { preset, mean, std, scale, channels, perClass, limit, skipBad };
  if (data === undefined) refuse('without --data there is no use for', ofData);
}

function refuse(why: string, others: Readonly<Record<string, unknown>>): void {
  const given = Object.keys(others).filter((option) => others[option] !== undefined);
  if (given.length > 0) throw new PxError('ERR_OPTION', `${why} ${given.map(optionName).join(', ')}`);
}
