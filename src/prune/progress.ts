import type { RoundRecord } from './rounds.js';

/** Where a run stands; sent after every micro-batch and after every round. */
export interface Progress {
  /**
   * 'score' while a round's micro-batches pass, 'round' when one has pruned, 'check' while the final masks are scored
   * once more.
   */
  readonly phase: 'score' | 'round' | 'check';
  /** From 1; `rounds` is 1 for scoring alone. */
  readonly round: number;
  readonly rounds: number;
  /** Micro-batches done in this round. */
  readonly microBatch: number;
  readonly microBatches: number;
  /** Micro-batches done since this call began, and how many it takes in all. */
  readonly done: number;
  readonly total: number;
  readonly elapsedSeconds: number;
  /** Estimated from the micro-batches done since this call began; undefined before the first. */
  readonly remainingSeconds: number | undefined;
  /** The round just finished; phase 'round' only. */
  readonly record?: RoundRecord;
}

/** Counts micro-batches and tells how much is left. */
export class ProgressMeter {
  readonly #began = performance.now();
  #done = 0;

  /**
   * @param first round this call begins with (later than 1 on resume)
   * @param rounds rounds that prune; with `check` one more is scored
   */
  constructor(
    private readonly report: ((progress: Progress) => void) | undefined,
    private readonly first: number,
    private readonly rounds: number,
    private readonly microBatches: number,
    private readonly check: boolean,
  ) {}

  microBatch(round: number, microBatch: number): void {
    this.#done++;
    const phase = round > this.rounds ? 'check' : 'score';
    this.#send(phase, Math.min(round, this.rounds), microBatch);
  }

  round(record: RoundRecord): void {
    this.#send('round', record.round, this.microBatches, record);
  }

  #send(phase: Progress['phase'], round: number, microBatch: number, record?: RoundRecord): void {
    if (this.report === undefined) return;
    const elapsedSeconds = (performance.now() - this.#began) / 1000;
    const total = (this.rounds - this.first + 1 + (this.check ? 1 : 0)) * this.microBatches;
    const remainingSeconds =
      this.#done === 0 ? undefined : (elapsedSeconds / this.#done) * (total - this.#done);
    this.report({
      phase,
      round,
      rounds: this.rounds,
      microBatch,
      microBatches: this.microBatches,
      done: this.#done,
      total,
      elapsedSeconds,
      remainingSeconds,
      ...(record && { record }),
    });
  }
}
