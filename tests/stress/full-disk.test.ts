/** What px leaves behind, and says, where the disk is full, a file may not grow, or another run holds the folder. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newModel } from '../../src/models/new-model.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { MAIN, px, start } from '../cli/px.js';

const FINISHED = ['masks.safetensors', 'pruned.onnx', 'run.json'];

let work: string;
let straight: string[];
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-full-'));
  await writeFile(join(work, 'images.bin'), syntheticImages(1, 7));
  await writeFile(join(work, 'r20.onnx'), newModel('resnet20', { size: 8, seed: 5 }));
  expect(await px(work, ...prune('straight'))).toMatchObject({ code: 0 });
  straight = await results('straight');
});
afterAll(() => rm(work, { recursive: true, force: true }));

function prune(out: string, ...more: string[]): string[] {
  const data = ['--data', 'images.bin', '--density', '0.05', '--rounds', '12', '--quiet'];
  return ['prune', 'r20.onnx', ...data, '-o', out, ...more];
}

const files = async (folder: string) => (await readdir(join(work, folder))).sort();
const results = (folder: string) =>
  Promise.all(
    ['masks.safetensors', 'pruned.onnx'].map((name) => readFile(join(work, folder, name), 'base64')),
  );

/** Goes on where space was short, to the results of a run that never was. */
async function expectResumed(out: string): Promise<void> {
  expect(await px(work, ...prune(out, '--resume'))).toMatchObject({ code: 0, stderr: '' });
  expect(await files(out)).toEqual(FINISHED);
  expect(await results(out)).toEqual(straight);
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 2) {
    if (waited > 60_000) throw new Error('waited for a minute');
    await sleep(2);
  }
}

/** What mount says against a small file system of our own, or undefined where it is made. */
function mount(path: string, options: string): string | undefined {
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], {
    encoding: 'utf8',
  });
  return status === 0 ? undefined : (error?.message ?? stderr).trim();
}

async function withDisk(name: string, size: string, use: (resize: (size: string) => void) => Promise<void>) {
  const path = join(work, name);
  await mkdir(path);
  const refusal = mount(path, `size=${size}`);
  if (refusal !== undefined) throw new Error(refusal);
  try {
    await use((wanted) => expect(mount(path, `remount,size=${wanted}`)).toBeUndefined());
  } finally {
    spawnSync('umount', [path]);
  }
}

/** Why no file system can be mounted here; '' where one can. */
const refused = ((): string => {
  if (process.platform !== 'linux') return 'Linux only';
  const path = mkdtempSync(join(tmpdir(), 'px-mount-'));
  const probe = mount(path, 'size=16k');
  if (probe === undefined) spawnSync('umount', [path]);
  rmdirSync(path);
  return probe ?? '';
})();

describe.skipIf(refused !== '')(`a full disk${refused && ` (skipped: ${refused})`}`, () => {
  it('refuses the lock', () =>
    withDisk('d1', '16k', async () => {
      await writeFile(join(work, 'd1', 'ballast'), new Uint8Array(16384));
      const { code, stderr } = await px(work, ...prune('d1', '--force'));
      expect({ code, stderr }).toEqual({
        code: 6,
        stderr: expect.stringMatching(/d1.*disk is full.*free space/),
      });
      expect(await files('d1')).toEqual(['ballast']);
    }));

  it('refuses the first checkpoint', () =>
    withDisk('d2', '40k', async (resize) => {
      const { code, stderr } = await px(work, ...prune('d2'));
      expect({ code, stderr }).toEqual({
        code: 6,
        stderr: expect.stringMatching(/checkpoint\.safetensors.*disk is full.*free space/),
      });
      expect(await files('d2')).toEqual([]);
      resize('8m');
      await expectResumed('d2');
    }));

  it('refuses a later checkpoint and leaves the one before as it was', () =>
    withDisk('d3', '400k', async (resize) => {
      const { child, ended } = start(prune('d3'), work);
      const checkpoint = join(work, 'd3', 'checkpoint.safetensors');
      await until(() => existsSync(checkpoint));
      child.kill('SIGKILL');
      await ended;
      expect((await px(work, ...prune('d3'))).code).toBe(2); // clears what the killed run left half written
      const before = readFileSync(checkpoint);
      const { bavail, bsize } = await statfs(join(work, 'd3'));
      await writeFile(join(work, 'd3', 'ballast'), new Uint8Array((bavail - 4) * bsize));

      const { code, stderr } = await px(work, ...prune('d3', '--resume'));
      expect({ code, stderr }).toEqual({
        code: 6,
        stderr: expect.stringMatching(/checkpoint\.safetensors.*disk is full/),
      });
      expect(await files('d3')).toEqual(['ballast', 'checkpoint.safetensors']);
      expect(readFileSync(checkpoint).equals(before)).toBe(true);
      await rm(join(work, 'd3', 'ballast'));
      resize('8m');
      await expectResumed('d3');
    }));

  it('refuses the masks, then the model', () =>
    withDisk('d4', '300k', async (resize) => {
      const masks = await px(work, ...prune('d4'));
      expect(masks).toMatchObject({
        code: 6,
        stderr: expect.stringMatching(/masks\.safetensors.*disk is full/),
      });
      expect(await files('d4')).toEqual(['checkpoint.safetensors']);
      resize('900k');
      const model = await px(work, ...prune('d4', '--resume'));
      expect(model).toMatchObject({ code: 6, stderr: expect.stringMatching(/pruned\.onnx.*disk is full/) });
      expect(await files('d4')).toEqual(['checkpoint.safetensors', 'masks.safetensors']);
      resize('8m');
      await expectResumed('d4');
    }));
});

/** Runs px with a limit on the size of files, in KiB. */
function limited(kilobytes: number, args: readonly string[]) {
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', `ulimit -f ${kilobytes}; exec "$@"`, 'px', process.execPath, MAIN, ...args],
    { cwd: work, encoding: 'utf8' },
  );
  return { code: status, stderr };
}

describe.skipIf(process.platform === 'win32')('a limit on the size of files', () => {
  const tooLarge = (name: string) => ({
    code: 6,
    stderr: expect.stringMatching(new RegExp(`${name}.*larger than .*ulimit -f`)),
  });

  it('refuses the pruned model; the rest stays and the run goes on later', async () => {
    expect(limited(600, prune('u1'))).toEqual(tooLarge('pruned.onnx'));
    expect(await files('u1')).toEqual(['checkpoint.safetensors', 'masks.safetensors']);
    await expectResumed('u1');
  });

  it('refuses scores and new models, and leaves nothing', async () => {
    const before = await files('.');
    const score = ['score', 'r20.onnx', '--data', 'images.bin', '-o', 'scores.safetensors', '--quiet'];
    expect(limited(600, score)).toEqual(tooLarge('scores.safetensors'));
    expect(limited(600, ['new', 'resnet20', '-o', 'new.onnx'])).toEqual(tooLarge('new.onnx'));
    expect(await files('.')).toEqual(before);
  });
});

describe('another run', () => {
  it('that lives is named, and left alone', async () => {
    const { child, ended } = start(prune('shared'), work);
    await until(() => existsSync(join(work, 'shared', '.px-lock')));
    child.kill('SIGSTOP'); // so that the others come in time
    for (const more of [[], ['--resume'], ['--force']]) {
      expect(await px(work, ...prune('shared', ...more))).toMatchObject({
        code: 12,
        stderr: expect.stringMatching(new RegExp(`shared.*in use.*process ${child.pid}.*ERR_STATE`)),
      });
    }
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect(await files('shared')).toEqual(FINISHED);
    expect(await results('shared')).toEqual(straight);
  });

  it('that is dead is not waited for', async () => {
    const { child, ended } = start(prune('dead'), work);
    await until(() => existsSync(join(work, 'dead', '.px-lock')));
    child.kill('SIGKILL');
    await ended;
    expect(await files('dead')).toContain('.px-lock');
    await expectResumed('dead');
  });
});
