import { openRegularFile } from './open-file.js';
import type { RandomAccess } from './random-access.js';
import { readRange } from './read-range.js';

/** Opens a regular file to read anywhere in it. @throws PxError as openRegularFile */
export async function openFileAccess(path: string): Promise<RandomAccess> {
  const { handle, size } = await openRegularFile(path);
  return {
    name: path,
    size,
    read: (position, length) => readRange(handle, path, position, length),
    close: () => handle.close(),
  };
}

/** Opens a file and hands it to `use`, which keeps it; where that fails, the file is closed. */
export async function withFileAccess<T>(path: string, use: (file: RandomAccess) => Promise<T>): Promise<T> {
  const file = await openFileAccess(path);
  try {
    return await use(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}
