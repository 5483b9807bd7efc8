import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../prune/progress.js';
import { count, duration, powerOfTwo } from './text.js';

const SECONDS_BETWEEN_LINES = 5;

/** Shows how far a run is, on stderr: a bar on a terminal, a line now and then elsewhere. */
export interface ProgressView {
  update(progress: Progress): void;
  /** Removes the bar; safe to call twice. */
  stop(): void;
}

export function showProgress(quiet: boolean): ProgressView {
  if (quiet) return { update: () => {}, stop: () => {} };
  return process.stderr.isTTY ? new Bar() : new Lines();
}

/** The longest text beside a bar: "100 %, round 100 of 100, micro-batch 10 of 10, 59 min left". */
const TEXT_WIDTH = 62;

/** Narrow terminals get a shorter bar, so that the time left still fits on the line. */
export function barWidth(columns: number): number {
  return Math.max(5, Math.min(40, columns - TEXT_WIDTH));
}

class Bar implements ProgressView {
  readonly #bar = new SingleBar(
    {
      format: '{bar} {percentage} %, {what}, {remaining} left',
      stream: process.stderr,
      barsize: barWidth(process.stderr.columns),
      hideCursor: true,
      clearOnComplete: true,
      noTTYOutput: false,
      // Ctrl-C is the command's to handle, not the bar's.
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  #started = false;

  update(progress: Progress): void {
    const payload = { what: describe(progress), remaining: remaining(progress) };
    if (!this.#started) this.#bar.start(progress.total, 0, payload);
    this.#started = true;
    this.#bar.update(progress.done, payload);
  }

  stop(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }
}

class Lines implements ProgressView {
  #last = Number.NEGATIVE_INFINITY;

  update(progress: Progress): void {
    const { phase, round, rounds, done, total, elapsedSeconds, record } = progress;
    if (done === total) return; // the result follows at once
    const isLast = phase === 'round' && round === rounds;
    if (!isLast && elapsedSeconds - this.#last < SECONDS_BETWEEN_LINES) return;
    this.#last = elapsedSeconds;
    const kept = record ? `, ${count(record.kept)} weights kept, R was ${powerOfTwo(record.log2.R)}` : '';
    process.stderr.write(`${describe(progress)}${kept}, ${remaining(progress)} left\n`);
  }

  stop(): void {}
}

function describe({ phase, round, rounds, microBatch, microBatches }: Progress): string {
  const part = microBatches > 1 && phase !== 'round' ? `, micro-batch ${microBatch} of ${microBatches}` : '';
  if (phase === 'check') return `scoring what is left${part}`;
  return `${rounds > 1 ? `round ${round} of ${rounds}` : 'scoring'}${part}`;
}

function remaining({ remainingSeconds }: Progress): string {
  return remainingSeconds === undefined ? '?' : duration(Math.max(0, remainingSeconds));
}
