import type { FileHandle } from 'node:fs/promises';
import { PxError } from '../errors.js';
import { allocateBytes } from './allocate.js';
import { ioError } from './os-error.js';

/** A single read(2) takes less than 2 GiB. */
const PIECE = 1024 * 1024 * 1024;

/**
 * Reads exactly `length` bytes at `position` into a fresh buffer whose start is aligned for every element type. ERR_FILE where
 * the file ends earlier.
 */
export async function readRange(
  file: FileHandle,
  path: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = allocateBytes(length, path);
  for (let done = 0; done < length; ) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(bytes, done, Math.min(PIECE, length - done), position + done));
    } catch (error) {
      throw ioError(error, 'read', path);
    }
    if (bytesRead === 0) {
      throw new PxError(
        'ERR_FILE',
        `${path}: ends at byte ${position + done}, before ${position + length}; is it truncated?`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}
