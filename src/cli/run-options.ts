import { type Command, Option } from 'commander';
import type { Backend, Method, NormStatistics } from '../backend/backend.js';
import { BACKEND_NAMES, type BackendName, chooseBackend } from '../backend/choose.js';
import { byteSize, repeated, wholeNumber } from './arguments.js';
import type { DataFlags } from './data-options.js';
import type { Terminal } from './terminal.js';

/** Where the work is done. */
export interface BackendFlags {
  readonly backend?: BackendName;
  readonly adapter?: string;
}

/** What `px score` and `px prune` share beyond the data. */
export interface RunFlags extends DataFlags, BackendFlags {
  readonly method?: Method;
  readonly norm?: NormStatistics;
  readonly masks?: string;
  readonly microBatch?: number;
  readonly threads?: number;
  readonly memory?: number;
  readonly outputs?: string[];
  readonly dryRun?: boolean;
}

export function addRunOptions(command: Command): Command {
  return addBackendOptions(command)
    .addOption(
      new Option('--method <name>', 'how the bound is shared out (default: px)').choices(['px', 'px-joint']),
    )
    .addOption(
      new Option(
        '--norm <name>',
        'normalisation statistics: of the micro-batch, or stored (default: batch)',
      ).choices(['batch', 'running']),
    )
    .option('--masks <file>', 'start from these masks')
    .option(
      '--micro-batch <samples>',
      'samples computed together; with --norm batch part of the result (default: up to 128)',
      wholeNumber,
    )
    .option(
      '--threads <count>',
      'CPU threads; the result does not depend on it (default: all cores)',
      wholeNumber,
    )
    .option('--memory <size>', 'memory the work may take, such as 4GB (default: what is available)', byteSize)
    .option('--outputs <name>', 'graph output that counts; repeatable (default: all)', repeated)
    .option('--dry-run', 'only estimate memory (from above) and work');
}

/** The library's options from the flags, masks aside. */
export function scoreOptions(flags: RunFlags) {
  const { method, norm, microBatch, threads, memory } = flags;
  return { method, norm, microBatch, threads, memoryLimit: memory };
}

export function addBackendOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--backend <name>', 'what computes; auto: a GPU if there is one (default: cpu)').choices(
        BACKEND_NAMES,
      ),
    )
    .option(
      '--adapter <name>',
      'the GPU of --backend webgpu: its number in px backends, or a part of its name',
    );
}

/** The backend the flags ask for; says which and why where they leave it open. */
export async function openBackend(
  { backend: name, adapter }: BackendFlags,
  terminal: Terminal,
): Promise<Backend> {
  const { backend, reason } = await chooseBackend({ backend: name, adapter });
  if (reason !== undefined) terminal.note(`backend: ${backend.description} (${reason})`);
  return backend;
}
