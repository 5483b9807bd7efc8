import type { PxError } from '../errors.js';
import { escapeLines, safeJson } from './text.js';

/** Errors that are part of a result which is printed already: with --json there is one document on stdout, not two. */
const printed = new WeakSet<object>();

export function isPrinted(error: PxError): boolean {
  return printed.has(error);
}

/** An error as --json shows it. */
export function errorData({ code, message, exitCode }: PxError) {
  return { code, message, exitCode };
}

/** Where a command prints: results on stdout, everything else on stderr. */
export class Terminal {
  readonly #controller = new AbortController();
  readonly #onSignal = () => this.#interrupt();

  constructor(
    readonly json: boolean,
    readonly quiet: boolean,
  ) {}

  /** Fires on Ctrl-C, once the command has said that it stops on it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Runs `work` so that the first Ctrl-C aborts `signal` and the second ends the process at once. Without it Ctrl-C ends
   * the process, as it does for any program.
   */
  async interruptible<T>(work: () => Promise<T>): Promise<T> {
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
    try {
      return await work();
    } finally {
      process.off('SIGINT', this.#onSignal);
      process.off('SIGTERM', this.#onSignal);
    }
  }

  /** A result for people; with --json, `data` instead. */
  result(text: string, data: unknown): void {
    process.stdout.write(`${this.json ? safeJson(data) : escapeLines(text)}\n`);
  }

  /** A result that is a failure, too: printed with the error in it, which is then thrown. */
  failedResult(text: string, data: object, error: PxError): never {
    this.result(text, { ...data, error: errorData(error) });
    printed.add(error);
    throw error;
  }

  /** Something worth knowing that is no result. */
  note(text: string): void {
    if (!this.quiet) process.stderr.write(`${escapeLines(text)}\n`);
  }

  warn(text: string): void {
    process.stderr.write(`warning: ${escapeLines(text)}\n`);
  }

  #interrupt(): void {
    if (this.#controller.signal.aborted) process.exit(130);
    process.stderr.write('\nstopping; once more ends px at once\n');
    this.#controller.abort();
  }
}
