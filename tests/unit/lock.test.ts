import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRunFolder } from '../../src/prune/folder.js';
import { LOCK_FILE, lockFolder } from '../../src/prune/lock.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inUse = expect.objectContaining({
  code: 'ERR_STATE',
  message: expect.stringContaining('in use by another run'),
});
const fresh = { resume: false, force: false };

/** The id of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid!;
}

describe('folder lock', () => {
  it('lets one run in at a time and the next one after it', async () => {
    const release = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toEqual(inUse);
    await release();
    expect(await readdir(folder)).toEqual([]);
    await (await lockFolder(folder))();
  });

  it('lets exactly one of many in', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
  });

  it('takes over from a process that is dead, also when many try at once', async () => {
    const stale = { host: hostname(), pid: await deadPid(), born: 'then', token: '0123456789abcdef' };
    await writeFile(join(folder, LOCK_FILE), JSON.stringify(stale));
    await writeFile(join(folder, `${LOCK_FILE}.draft`), JSON.stringify(stale));
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
  });

  it('takes over from a process that died while it took over', async () => {
    const pid = await deadPid();
    const dead = (token: string) => JSON.stringify({ host: hostname(), pid, born: 'then', token });
    await writeFile(join(folder, LOCK_FILE), dead('a'.repeat(16)));
    await writeFile(join(folder, `${LOCK_FILE}.after.${'a'.repeat(16)}`), dead('b'.repeat(16)));
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(folder)).toEqual([LOCK_FILE]);
  });

  it('takes over from a dead process whose id was given to a living one', async () => {
    const stale = { host: hostname(), pid: process.pid, born: 'another-boot:1', token: '0123456789abcdef' };
    await writeFile(join(folder, LOCK_FILE), JSON.stringify(stale));
    await (await lockFolder(folder))();
  });

  it('respects locks of other machines and locks it cannot read', async () => {
    const other = { host: 'elsewhere', pid: await deadPid(), born: '', token: 'fedcba9876543210' };
    await writeFile(join(folder, LOCK_FILE), JSON.stringify(other));
    await expect(lockFolder(folder)).rejects.toEqual(inUse);
    await writeFile(join(folder, LOCK_FILE), 'garbage');
    await expect(lockFolder(folder)).rejects.toEqual(inUse);
    expect(await readFile(join(folder, LOCK_FILE), 'utf8')).toBe('garbage');
  });
});

describe('run folder', () => {
  it('is made where there is none', async () => {
    const deep = join(folder, 'a', 'b');
    await (await openRunFolder(deep, fresh))();
    expect(await readdir(deep)).toEqual([]);
  });

  it('is refused where it holds files of others, unless forced; they stay', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await expect(openRunFolder(folder, fresh)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_OPTION' }),
    );
    expect(await readdir(folder)).toEqual(['notes.txt']);
    await (await openRunFolder(folder, { resume: false, force: true }))();
    expect(await readdir(folder)).toEqual(['notes.txt']);
  });

  it('is refused where it holds an unfinished run, unless resumed or forced', async () => {
    await writeFile(join(folder, 'checkpoint.safetensors'), '');
    await expect(openRunFolder(folder, fresh)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringContaining('--resume') }),
    );
    await (await openRunFolder(folder, { resume: true, force: false }))();
    expect(await readdir(folder)).toEqual(['checkpoint.safetensors']);
    await (await openRunFolder(folder, { resume: false, force: true }))();
    expect(await readdir(folder)).toEqual([]);
  });

  it('loses the results of a finished run and the halves of a killed one', async () => {
    for (const name of ['run.json', 'pruned.onnx', '.masks.safetensors.0123456789ab.tmp']) {
      await writeFile(join(folder, name), '{}');
    }
    await (await openRunFolder(folder, fresh))();
    expect(await readdir(folder)).toEqual([]);
  });

  it('cannot be a file', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await expect(openRunFolder(file, fresh)).rejects.toEqual(expect.objectContaining({ code: 'ERR_IO' }));
    await expect(openRunFolder(join(file, 'below'), fresh)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_IO' }),
    );
  });
});
