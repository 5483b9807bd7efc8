import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { PxError } from '../errors.js';
import { ioError } from '../io/os-error.js';

/** SHA-256 of a file of any size, in hex. @throws PxError ERR_IO, ERR_ABORTED once the signal has fired */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted === true)
      throw new PxError('ERR_ABORTED', `stopped while reading ${path}`, { cause: signal.reason });
    throw ioError(error, 'read', path);
  }
  return hash.digest('hex');
}
