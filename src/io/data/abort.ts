import { PxError } from '../../errors.js';

/** ERR_ABORTED, its cause the signal's reason, once the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PxError('ERR_ABORTED', 'stopped while reading data', { cause: signal.reason });
}

export function isAbort(error: unknown): boolean {
  return error instanceof PxError && error.code === 'ERR_ABORTED';
}
