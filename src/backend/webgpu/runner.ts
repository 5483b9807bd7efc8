import { PxError } from '../../errors.js';
import type { Gpu } from './gpu.js';
import type { Schedule } from './schedule.js';

/** Operations of one submission: first guess and bounds. It is then made to take about this long, so that an abort is soon noticed. */
const BUDGET = { first: 1e8, least: 1e6, most: 1e12 };
const WANTED_MS = 40;
/** Submissions on their way at a time: one runs while the next is encoded. */
const IN_FLIGHT = 2;

/** Runs schedules piece by piece, one call at a time. */
export class Runner {
  private running: { stop: (error: PxError) => void } | undefined;
  private budget = BUDGET.first;

  constructor(private readonly gpu: Gpu) {}

  get busy(): boolean {
    return this.running !== undefined;
  }

  /**
   * Does `work`, which asks `stopped` after everything it waited for. An abort rejects at once: the device finishes what it was given, and
   * nothing more is given to it.
   */
  async exclusively<T>(work: (stopped: () => void) => Promise<T>): Promise<T> {
    let over: PxError | undefined;
    let stop!: (error: PxError) => void;
    const aborted = new Promise<never>((_, reject) => {
      stop = (error) => {
        over = error;
        reject(error);
      };
    });
    const own = { stop };
    this.running = own;
    const done = work(() => {
      if (over) throw over;
    });
    done.catch(() => undefined); // an abort may have come first
    try {
      return await Promise.race([done, aborted]);
    } finally {
      aborted.catch(() => undefined);
      if (this.running === own) this.running = undefined;
    }
  }

  abort(): void {
    const { running } = this;
    this.running = undefined;
    running?.stop(new PxError('ERR_ABORTED', 'stopped on request'));
  }

  async run(schedule: Schedule, stopped: () => void): Promise<void> {
    const { queue } = this.gpu.device;
    const pending: Promise<unknown>[] = [];
    let since = performance.now();
    for (let next = 0; next < schedule.length; ) {
      const piece = schedule.encode(next, this.budget);
      queue.submit([piece.commands]);
      pending.push(queue.onSubmittedWorkDone());
      next = piece.next;
      if (pending.length < IN_FLIGHT) continue;
      await this.gpu.orFailed(pending.shift()!);
      stopped();
      const now = performance.now();
      this.adapt(now - since, piece.cost);
      since = now;
    }
    for (const last of pending) await this.gpu.orFailed(last);
    stopped();
  }

  private adapt(took: number, cost: number): void {
    if (took > 2 * WANTED_MS) this.budget = Math.max(BUDGET.least, this.budget / 2);
    else if (took < WANTED_MS / 2 && cost >= this.budget)
      this.budget = Math.min(BUDGET.most, this.budget * 2);
  }
}
