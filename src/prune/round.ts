import type { Program, RoundResult } from '../backend/backend.js';
import { PxError } from '../errors.js';

/** `samples` samples, contiguous, each of the Plan's input shape. */
export interface MicroBatch {
  readonly x: Float32Array;
  readonly samples: number;
}

export interface RoundControl {
  readonly signal?: AbortSignal | undefined;
  /** Called after each micro-batch with the number of micro-batches done. */
  readonly onMicroBatch?: ((done: number) => void) | undefined;
  /** Arrays to put the scores into: those of a round before that nobody reads any more. */
  readonly scores?: readonly Float32Array[] | undefined;
}

/**
 * One scoring round with the masks the program holds: begin, push every micro-batch in order, finish.
 *
 * @throws PxError ERR_ABORTED when the signal fires, ERR_DATA when there is no sample, and whatever the backend raises
 */
export async function scoreRound(
  program: Program,
  batches: Iterable<MicroBatch> | AsyncIterable<MicroBatch>,
  control: RoundControl = {},
): Promise<RoundResult> {
  const { signal, onMicroBatch, scores } = control;
  throwIfAborted(signal);
  const abort = () => program.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    program.begin({ scores });
    let done = 0;
    for await (const batch of batches) {
      throwIfAborted(signal);
      await program.push(batch.x, batch.samples);
      done++;
      onMicroBatch?.(done);
    }
    if (done === 0) throw new PxError('ERR_DATA', 'no sample to score on: the data set is empty');
    throwIfAborted(signal);
    const result = await program.finish();
    throwIfAborted(signal);
    return result;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** @throws PxError ERR_ABORTED, its cause the signal's reason */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new PxError('ERR_ABORTED', 'stopped on request', { cause: signal.reason });
}
