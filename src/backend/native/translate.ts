import { EXIT_CODES, PxError, type PxErrorCode } from '../../errors.js';
import type { NativeCall } from './addon.js';

/** Calls into the addon; what it throws comes out as a PxError. */
export function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (e) {
    throw translated(e);
  }
}

/** The rejection is made here, in JavaScript, so that its stack leads to the caller. */
export async function settled<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (e) {
    throw translated(e);
  }
}

/** `settled` for work that a signal stops. @throws PxError ERR_ABORTED soon after it fires */
export function abortable<T>(start: () => NativeCall<T>, signal: AbortSignal | undefined): Promise<T> {
  return settled(async () => {
    const { done, abort } = start();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await done;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  });
}

function translated(e: unknown): PxError {
  const code = (e as { code?: unknown }).code;
  const message = e instanceof Error ? e.message : String(e);
  const known = typeof code === 'string' && code in EXIT_CODES;
  return new PxError(known ? (code as PxErrorCode) : 'ERR_BACKEND', message, { cause: e });
}
