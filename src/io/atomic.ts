/**
 * Atomic writes: bytes go to a temporary file in the target's folder, are flushed to the disk, and take the target's name
 * in one rename. A reader, or a crash at any moment, finds the old file or the new one, never a part of it.
 */
import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PxError } from '../errors.js';
import { ioError, systemCode } from './os-error.js';

/** A single write(2) takes less than 2 GiB; smaller pieces also let a signal, and other work of the thread pool, through. */
const PIECE = 16 * 1024 * 1024;

/** A file being written. Exactly one of `commit` and `discard` ends it; `discard` after `commit` does nothing. */
export interface AtomicWriter {
  readonly path: string;
  /** Bytes written so far. */
  readonly position: number;
  /** Appends; `bytes` is borrowed until the promise settles. */
  write(bytes: Uint8Array): Promise<void>;
  /** Flushes and takes the target's name. */
  commit(): Promise<void>;
  /** Removes the temporary file; the target stays as it was. */
  discard(): Promise<void>;
}

/**
 * Opens a temporary file beside `path` (through a symbolic link: beside the file it points to). The folder must exist. ERR_IO
 * where the system refuses or `path` exists and is not a regular file. Once `signal` has fired, write throws ERR_ABORTED.
 */
export async function openAtomic(path: string, signal?: AbortSignal): Promise<AtomicWriter> {
  const target = await resolveTarget(path);
  const temporary = join(
    dirname(target),
    `.${basename(target).slice(0, 100)}.${randomBytes(6).toString('hex')}.tmp`,
  );
  let handle: FileHandle | undefined;
  try {
    handle = await open(temporary, 'wx');
  } catch (error) {
    throw ioError(error, 'write', path);
  }
  return new TemporaryFile(path, target, temporary, handle, signal);
}

/** Throws what openAtomic would, before the work whose result goes to `path`. */
export async function checkWritable(path: string): Promise<void> {
  await (await openAtomic(path)).discard();
}

/** Writes a whole file atomically; see openAtomic for errors. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  await writeAtomic(path, (writer) => writer.write(typeof data === 'string' ? Buffer.from(data) : data));
}

/** Runs `fill` on a new atomic writer and commits; where `fill` fails, nothing is left behind and its error is thrown. */
export async function writeAtomic(
  path: string,
  fill: (writer: AtomicWriter) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const writer = await openAtomic(path, signal);
  try {
    await fill(writer);
    await writer.commit();
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

class TemporaryFile implements AtomicWriter {
  position = 0;
  #open = true;

  constructor(
    readonly path: string,
    private readonly target: string,
    private readonly temporary: string,
    private readonly handle: FileHandle,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    for (let from = 0; from < bytes.length; ) {
      if (this.signal?.aborted === true) {
        const { reason } = this.signal;
        throw new PxError('ERR_ABORTED', `stopped while writing ${this.path}`, { cause: reason });
      }
      try {
        const piece = bytes.subarray(from, from + PIECE);
        const { bytesWritten } = await this.handle.write(piece, 0, piece.length, this.position);
        from += bytesWritten;
        this.position += bytesWritten;
      } catch (error) {
        throw ioError(error, 'write', this.path);
      }
    }
  }

  async commit(): Promise<void> {
    this.#check();
    try {
      await this.handle.sync();
      this.#open = false;
      await this.handle.close();
      await rename(this.temporary, this.target);
      await syncFolder(dirname(this.target));
    } catch (error) {
      await this.#remove();
      throw ioError(error, 'write', this.path);
    }
  }

  async discard(): Promise<void> {
    if (this.#open) await this.#remove();
  }

  async #remove(): Promise<void> {
    // Clean-up after an error: a second failure here must not hide the first one.
    if (this.#open) await this.handle.close().catch(() => undefined);
    this.#open = false;
    await unlink(this.temporary).catch(() => undefined);
  }

  #check(): void {
    if (!this.#open) throw new PxError('ERR_STATE', `${this.path}: already committed or discarded`);
  }
}

/** Devices and pipes must not be replaced by a rename, and a link stays a link. */
async function resolveTarget(path: string): Promise<string> {
  try {
    const target = await realpath(path);
    const info = await stat(target);
    if (!info.isFile()) {
      const what = info.isDirectory() ? 'a folder' : 'not a regular file';
      throw new PxError('ERR_IO', `cannot write ${path}: it exists and is ${what}; choose another name`);
    }
    return target;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return path;
    throw ioError(error, 'write', path);
  }
}

/** Makes the rename itself survive a power cut, where the system offers that. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // a folder cannot be opened there
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot flush a folder; the file's own bytes are safe already.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}
