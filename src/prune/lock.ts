import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { PxError } from '../errors.js';
import { ioError, systemCode } from '../io/os-error.js';

export const LOCK_FILE = '.px-lock';

/** Tokens become parts of file names. */
const TOKEN = /^[0-9a-f]{16}$/;

/** Who holds a lock. `born` tells two processes apart that were given the same id one after the other. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly born: string;
  /** Differs for every lock taken, also within one process. */
  readonly token: string;
}

/**
 * Takes the folder for one run. A lock whose process no longer lives (killed, machine restarted) is taken over.
 *
 * @returns releases the lock
 * @throws PxError ERR_STATE where another run holds the folder, ERR_IO
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK_FILE);
  const token = randomBytes(8).toString('hex');
  const mine: Holder = {
    host: hostname(),
    pid: process.pid,
    born: (await birthOf(process.pid)) ?? '',
    token,
  };
  const draft = `${path}.${token}`;
  try {
    // Written beside and then linked: the lock appears with its content or not at all.
    await writeFile(draft, JSON.stringify(mine), { flag: 'wx' });
    while (!(await linked(draft, path))) {
      const holder = await readHolder(path);
      if (holder === 'gone') continue;
      if (holder === undefined || (await lives(holder))) throw refusal(folder, holder);
      if (await succeeded(draft, path, holder.token)) break;
    }
    await removeDrafts(folder);
  } catch (error) {
    throw ioError(error, 'lock', folder);
  } finally {
    // Where the folder refuses writing there is no draft to remove, and the refusal itself is on its way to the caller.
    await rm(draft, { force: true }).catch(() => undefined);
  }
  return async () => {
    const holder = await readHolder(path);
    if (holder !== 'gone' && holder?.token === token) await rm(path, { force: true });
  };
}

async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** 'gone' where there is no lock; undefined where its content is not ours to understand. */
async function readHolder(path: string): Promise<Holder | undefined | 'gone'> {
  try {
    const holder: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isHolder(holder) ? holder : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'gone';
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isHolder(value: unknown): value is Holder {
  const { host, pid, born, token } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof host === 'string' &&
    typeof pid === 'number' &&
    typeof born === 'string' &&
    typeof token === 'string' &&
    TOKEN.test(token)
  );
}

/** A process of another machine counts as living: only a person can know. */
async function lives(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
  const born = await birthOf(holder.pid);
  return born === undefined || holder.born === '' || born === holder.born;
}

/** When a process started, in ticks since a boot of the machine that is named too; undefined where the system does not tell. */
async function birthOf(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The second field, the command's name, may hold spaces and brackets: count from its end.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? undefined : `${boot.trim()}:${ticks}`;
  } catch {
    return undefined;
  }
}

/**
 * Takes the lock over from a dead holder. Whoever links `.after.<token>` first is the one successor of that holder, and replaces the lock
 * in one rename, so that there is no moment without one; a successor that died on the way is succeeded likewise.
 *
 * @returns false where the lock has changed hands meanwhile: look again
 */
async function succeeded(draft: string, path: string, stale: string): Promise<boolean> {
  for (let dead = stale; ; ) {
    const claim = `${path}.after.${dead}`;
    if (await linked(draft, claim)) {
      const holder = await readHolder(path);
      const unchanged = holder !== 'gone' && holder?.token === stale;
      if (unchanged) await rename(draft, path);
      await rm(claim, { force: true });
      return unchanged;
    }
    const claimant = await readHolder(claim);
    if (claimant === 'gone') return false;
    if (claimant === undefined || (await lives(claimant))) throw refusal(dirname(path), claimant);
    dead = claimant.token;
  }
}

/** Drafts and claims of processes that were killed on the way to a lock. */
async function removeDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${LOCK_FILE}.`)) continue;
    const holder = await readHolder(join(folder, name));
    if (holder !== 'gone' && holder !== undefined && !(await lives(holder)))
      await rm(join(folder, name), { force: true });
  }
}

function refusal(folder: string, holder: Holder | undefined): PxError {
  const who = holder === undefined ? 'an unreadable lock' : `process ${holder.pid} on ${holder.host}`;
  return new PxError(
    'ERR_STATE',
    `${folder} is in use by another run (${who}): wait for it, choose another folder, ` +
      `or, if no such run exists, remove ${join(folder, LOCK_FILE)}`,
  );
}
