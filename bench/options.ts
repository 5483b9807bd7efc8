import { availableParallelism } from 'node:os';
import { Command, Option } from 'commander';
import { numbers, wholeNumber } from '../src/cli/arguments.js';
import { PxError } from '../src/errors.js';
import { MODEL_NAMES } from '../src/models/new-model.js';

export const SECTIONS = ['kernels', 'rounds', 'runs', 'selection'] as const;
export type Section = (typeof SECTIONS)[number];

export interface Options {
  readonly only: readonly Section[];
  readonly models: readonly string[];
  readonly threads: readonly number[];
  readonly densities: readonly number[];
  readonly repeats: number;
  readonly isa?: readonly string[];
  readonly quick: boolean;
  readonly large: boolean;
  readonly json?: string;
  readonly peer?: string;
  readonly python: string;
}

export function parseOptions(args: readonly string[]): Options {
  const cores = availableParallelism();
  const command = new Command('npm run bench --')
    .description('measures kernels, scoring rounds, whole runs and selection, after checking their results')
    .option('--only <sections>', `of ${SECTIONS.join(', ')}; without it all`, oneOf(SECTIONS), [...SECTIONS])
    .option('--models <names>', `of ${MODEL_NAMES.join(', ')}`, oneOf(MODEL_NAMES), ['resnet20', 'resnet50'])
    .option('--threads <counts>', 'CPU threads', numbers, cores > 1 ? [1, cores] : [1])
    .option('--densities <shares>', 'shares of weights kept', numbers, [1, 0.3, 0.05])
    .option('--repeats <count>', 'how often each thing is measured', wholeNumber, 5)
    .option(
      '--isa <names>',
      'instruction sets of the kernels: base, avx2, avx512 (default: all there are)',
      list,
    )
    .option('--quick', 'small shapes, few repeats: does everything work, and roughly how fast', false)
    .option('--large', 'also select from 100 million weights (takes 1 GB)', false)
    .option('--json <file>', 'write every sample, and what machine it is from')
    .option('--peer <script>', 'compare with this Python script in the same run (bench/peer.ts says how)')
    .addOption(new Option('--python <command>', 'what runs it').default('python3'));
  command.parse(args, { from: 'user' });
  const options = command.opts<Options>();
  const wrong = [...options.threads, options.repeats].find((n) => !Number.isInteger(n) || n < 1);
  if (wrong !== undefined)
    throw new PxError('ERR_OPTION', `--threads and --repeats take whole numbers, not ${wrong}`);
  const share = options.densities.find((density) => !(density > 0 && density <= 1));
  if (share !== undefined)
    throw new PxError('ERR_OPTION', `--densities must lie above 0, up to 1, not at ${share}`);
  return options;
}

function list(text: string): string[] {
  return text.split(',');
}

function oneOf<T extends string>(known: readonly T[]) {
  return (text: string): T[] => {
    const unknown = list(text).find((name) => !(known as readonly string[]).includes(name));
    if (unknown === undefined) return list(text) as T[];
    throw new PxError('ERR_OPTION', `'${unknown}' is none of ${known.join(', ')}`);
  };
}
