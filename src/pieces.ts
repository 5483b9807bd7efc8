/**
 * Long loops as generators that yield after each piece: the same code then runs at once, or lets timers and signals through.
 */
import { PxError } from './errors.js';
import { pause } from './pause.js';

/** Elements a loop should do between two yields: about a millisecond or two. */
export const PIECE = 1 << 17;

/** Milliseconds the event loop may be held in one go. */
const HOLD = 10;

/** Runs to the end without a pause. */
export function atOnce<T>(work: Generator<undefined, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Runs to the end, pausing for others every 10 ms. @throws PxError ERR_ABORTED once the signal has fired */
export async function inPieces<T>(work: Generator<undefined, T>, signal?: AbortSignal): Promise<T> {
  for (let began = performance.now(); ; ) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - began < HOLD) continue;
    await pause();
    if (signal?.aborted === true)
      throw new PxError('ERR_ABORTED', 'stopped on request', { cause: signal.reason });
    began = performance.now();
  }
}
