import { PxError } from '../errors.js';

/** What a user can do about the refusals an operating system gives most often. */
const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'permission denied; check the permissions or choose another place',
  EPERM: 'permission denied; check the permissions or choose another place',
  EROFS: 'the file system is read-only; choose another place',
  ENOSPC: 'the disk is full; free space or choose another place',
  EDQUOT: 'the disk quota is used up; free space or choose another place',
  ENOENT: 'no such file or folder; check the path',
  ENOTDIR: 'a part of the path is a file, not a folder; check the path',
  EISDIR: 'it is a folder; name a file',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  EFBIG: 'the file would be larger than the file system or a limit allows (ulimit -f)',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
  ELOOP: 'too many symbolic links; check the path',
};

/** The system's error code ("ENOENT"), or undefined where the error is of another kind. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/**
 * Turns a refusal of the operating system into an ERR_IO that names the path and a remedy. A PxError passes unchanged, and so does a fault
 * of our own (a TypeError, say): no path or disk is to blame for it. `doing` completes "cannot …", e.g. "read" or "write".
 */
export function ioError(error: unknown, doing: string, path: string): Error {
  const code = systemCode(error);
  if (error instanceof PxError || code === undefined) return error as Error;
  const reason = REMEDIES[code] ?? (error as Error).message;
  return new PxError('ERR_IO', `cannot ${doing} ${path}: ${reason} (${code})`, { cause: error });
}
