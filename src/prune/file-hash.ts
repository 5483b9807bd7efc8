import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { ioError } from '../io/os-error.js';

/** SHA-256 of a file of any size, in hex. @throws PxError ERR_IO */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    throw ioError(error, 'read', path);
  }
  return hash.digest('hex');
}
