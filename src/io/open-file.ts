import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PxError } from '../errors.js';
import { ioError } from './os-error.js';

/**
 * Opens a regular file for reading. A pipe, device or folder under its name is an ERR_FILE: a pipe would be waited for, and a device
 * read, without an end. ERR_IO where the system refuses.
 */
export async function openRegularFile(path: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle | undefined;
  try {
    // Without waiting for the other end of a pipe (0 on Windows, which has no such flag).
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const info = await handle.stat();
    if (!info.isFile())
      throw new PxError(
        'ERR_FILE',
        `${path} is ${info.isDirectory() ? 'a folder' : 'a pipe or device'}, not a file; name a file`,
      );
    return { handle, size: info.size };
  } catch (error) {
    await handle?.close();
    throw ioError(error, 'read', path);
  }
}
