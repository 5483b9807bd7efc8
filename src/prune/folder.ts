import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PxError } from '../errors.js';
import { ioError, systemCode } from '../io/os-error.js';
import { LOCK_FILE, lockFolder } from './lock.js';

/** What a run leaves in its folder. */
export const FILES = {
  masks: 'masks.safetensors',
  model: 'pruned.onnx',
  run: 'run.json',
  checkpoint: 'checkpoint.safetensors',
  lastGood: 'last-good-masks.safetensors',
} as const;

/** How a run treats what it finds in its folder. */
export interface FolderOptions {
  /** Go on from the checkpoint found there. */
  readonly resume: boolean;
  /** Write there whatever the folder holds; files of other origin stay, those of an unfinished run of px are replaced. */
  readonly force: boolean;
}

/**
 * Makes the folder where there is none, locks it, checks that it is empty or ours, and removes what a killed run left half
 * written and, unless resuming, the results of an earlier run.
 *
 * @returns releases the lock
 * @throws PxError ERR_OPTION (the folder holds something else, or an unfinished run), ERR_STATE (locked), ERR_IO
 */
export async function openRunFolder(folder: string, options: FolderOptions): Promise<() => Promise<void>> {
  await makeFolder(folder);
  const release = await lockFolder(folder);
  try {
    const entries = (await readdir(folder)).filter((name) => !name.startsWith(LOCK_FILE));
    const leftovers = entries.filter(isLeftover);
    const found = entries.filter((name) => !leftovers.includes(name));
    checkContents(folder, found, options);
    if (!options.resume) leftovers.push(...Object.values(FILES).filter((name) => found.includes(name)));
    for (const name of leftovers) await rm(join(folder, name), { force: true });
  } catch (error) {
    await release();
    throw ioError(error, 'prepare', folder);
  }
  return release;
}

function checkContents(folder: string, found: readonly string[], { resume, force }: FolderOptions): void {
  if (resume || force || found.length === 0) return;
  if (found.includes(FILES.checkpoint)) {
    throw new PxError(
      'ERR_OPTION',
      `${folder} holds an unfinished run: --resume goes on with it, --force starts over, -o names another folder`,
    );
  }
  if (!found.includes(FILES.run)) {
    throw new PxError(
      'ERR_OPTION',
      `${folder} is not empty and holds no run of px: name another folder with -o, or pass --force to write into it`,
    );
  }
}

/** Temporary files of atomic writes (io/atomic.ts) whose process did not live to rename or remove them. */
function isLeftover(name: string): boolean {
  return Object.values(FILES).some((file) => name.startsWith(`.${file}.`) && name.endsWith('.tmp'));
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await makeFolders(folder);
    if (!(await stat(folder)).isDirectory()) {
      throw new PxError('ERR_IO', `${folder} is not a folder: name another with -o`);
    }
  } catch (error) {
    throw ioError(error, 'make folder', folder);
  }
}

/** Not mkdir's own recursion: where a file system answers ENOENT for what it will not make (/proc does), that never ends. */
async function makeFolders(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeFolders(dirname(folder));
    await mkdir(folder);
  }
}
