import { PxError } from '../errors.js';

/** Zeroed bytes for what a file holds. @throws PxError ERR_MEMORY naming `what` where there is no such amount of memory */
export function allocateBytes(length: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new PxError('ERR_MEMORY', `${what}: no memory for ${length} bytes at once`, { cause: error });
  }
}
