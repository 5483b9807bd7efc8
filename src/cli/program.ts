import { Command, CommanderError, Help, type Option } from 'commander';
import { EXIT_CODES, PxError } from '../errors.js';
import { ioError } from '../io/os-error.js';
import { VERSION } from '../version.js';
import { addApply } from './apply.js';
import { addBackends } from './backends.js';
import { addBench } from './bench.js';
import { addInspect } from './inspect.js';
import { addMap } from './map.js';
import { addNew } from './new.js';
import { addPrune } from './prune.js';
import { addScore } from './score.js';
import { errorData, isPrinted } from './terminal.js';
import { escapeLines, safeJson } from './text.js';
import { addVerify } from './verify.js';

/** Runs `px` with these arguments (without node and script). Returns its exit code; never throws. */
export async function runProgram(args: readonly string[]): Promise<number> {
  surviveClosedPipes();
  try {
    await makeProgram().parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, args.includes('--json'));
  }
}

function makeProgram(): Command {
  const program = new Command('px')
    .description('find lottery tickets in vision models: Path eXclusion scoring and pruning of ONNX files')
    .version(VERSION)
    .option('--json', 'print results as JSON')
    .option('--quiet', 'print results, warnings and errors only')
    .configureHelp({ showGlobalOptions: true, optionDescription: describeOption })
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', `\nExit codes:\n${exitCodes()}`);
  for (const add of [
    addNew,
    addInspect,
    addScore,
    addPrune,
    addVerify,
    addApply,
    addMap,
    addBench,
    addBackends,
  ])
    add(program);
  pointToHelp(program, 'px --help lists the commands');
  for (const command of program.commands)
    pointToHelp(command, `px ${command.name()} --help lists the options`);
  return program;
}

/** Lets usage errors through to `report`, with a word on where to look. */
function pointToHelp(command: Command, where: string): void {
  command.exitOverride((error) => {
    if (error.exitCode !== 0) error.message += ` (${where})`;
    throw error;
  });
}

function describeOption(this: Help, option: Option): string {
  const text = Help.prototype.optionDescription.call(this, option);
  return option.mandatory ? `${text} (required)` : text;
}

/** Says on stderr what went wrong (on stdout too, as data, with --json) and returns the exit code. */
function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0; // help and version were printed
  const known =
    error instanceof PxError
      ? error
      : error instanceof CommanderError
        ? new PxError('ERR_OPTION', usage(error))
        : undefined;
  if (known === undefined) {
    // Not one of ours: a fault in px itself, for which the stack is what helps.
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`px: unexpected error, please report it: ${escapeLines(text)}\n`);
    return 1;
  }
  const { code, message, exitCode } = known;
  process.stderr.write(`px: ${escapeLines(message)} (${code})\n`);
  if (json && !isPrinted(known)) process.stdout.write(`${safeJson({ error: errorData(known) })}\n`);
  return exitCode;
}

function usage(error: CommanderError): string {
  const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  if (error.code === 'commander.help') return 'no command given; px --help lists them';
  return message;
}

/** `px inspect model.onnx | head`: a reader that has seen enough is no failure. A disk that is full (`> file`) is one. */
function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      const what = stream === process.stdout ? 'results to standard output' : 'to standard error';
      process.exit(report(ioError(error, 'write', what), false));
    });
  }
}

function exitCodes(): string {
  const meanings: Record<string, string> = {
    ERR_OPTION: 'an option or argument is missing, unknown or out of range',
    ERR_FILE: 'a file is malformed, truncated or not what its name says',
    ERR_UNSUPPORTED: 'the model holds something PX cannot treat exactly',
    ERR_DATA: 'images or tensors do not fit the model, or cannot be read',
    ERR_IO: 'the operating system refused: missing file, no permission, disk full',
    ERR_NETWORK_CUT: 'no path is left from input to output; the last good masks are kept',
    ERR_MISMATCH: 'masks, checkpoint or folder belong to another model or configuration',
    ERR_MEMORY: 'the work does not fit into memory; the message names a size that would',
    ERR_BACKEND: 'the native addon is not built, or failed',
    ERR_NUMERIC: 'a number came out NaN or infinite',
    ERR_STATE: 'the folder is in use by another run',
    ERR_ABORTED: 'stopped by Ctrl-C; the checkpoint is kept',
  };
  const rows = [
    ['0', '', 'success'],
    ['1', '', 'a fault in px itself'],
    ...Object.entries(EXIT_CODES).map(([code, exit]) => [String(exit), code, meanings[code]!]),
  ];
  return rows
    .map(([exit, code, meaning]) => `  ${exit!.padStart(3)}  ${code!.padEnd(15)}  ${meaning}`)
    .join('\n');
}
