/** npm run bench on tiny shapes: that it verifies, and that what it prints and writes is well-formed; never how fast anything is. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const QUICK = ['--quick', '--models', 'resnet20', '--repeats', '1', '--threads', '1', '--densities', '1,0.3'];

let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-npm-bench-'));
});
afterAll(() => rm(work, { recursive: true, force: true }));

function start(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], { cwd: ROOT });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

describe('npm run bench', () => {
  it('verifies and measures everything, beside a peer', async () => {
    const peer = join(work, 'peer.mjs');
    await writeFile(peer, 'console.log("hello"); console.log(JSON.stringify({ round_s: 4, forward_s: 2 }));');
    const json = join(work, 'all.json');
    const { code, stdout, stderr } = await start(
      ...[...QUICK, '--json', json, '--peer', peer, '--python', process.execPath],
    ).ended;
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('verified: scores of resnet20-cifar'),
    });
    for (const title of [
      'linear steps on 4 samples',
      'one round of 4 samples',
      'a whole run',
      'beside the peer',
      'selection',
    ])
      expect(stdout).toContain(title);
    const found = JSON.parse(await readFile(json, 'utf8'));
    expect(found).toMatchObject({ machine: { node: process.version }, options: { quick: true } });
    expect(found.rounds.resnet20).toHaveLength(4);
    expect(found.runs.resnet20.map(({ scoring }: { scoring: unknown[] }) => scoring.length)).toEqual([5, 5]);
    const [px, joint] = found.comparisons;
    expect(px).toMatchObject({
      method: 'px',
      peers: [
        { style: 'published', rounds: [4], forwards: [2] },
        { style: 'lean', rounds: [4], forwards: [2] },
      ],
    });
    expect(px.ours).toHaveLength(2); // a turn before each of the peer's
    expect(joint).toMatchObject({ method: 'px-joint', peers: [{ style: 'lean' }] });
  });

  it('says what is wrong with a peer', async () => {
    const peer = join(work, 'broken.mjs');
    await writeFile(peer, 'throw new Error("no torch here")');
    const { code, stderr } = await start(
      ...[...QUICK, '--only', 'rounds', '--peer', peer, '--python', process.execPath],
    ).ended;
    expect(code).toBe(10);
    expect(stderr).toMatch(/^bench: the peer .*broken\.mjs ended with 1.*ERR_BACKEND\)$/m);
  });

  it.each([
    ['--only', 'everything'],
    ['--models', 'resnet21'],
    ['--densities', '2'],
    ['--threads', '0'],
  ])('refuses %s %s', async (...option) => {
    const { code, stderr } = await start(...option).ended;
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^bench: .*\(ERR_OPTION\)\n$/),
    });
  });

  it('leaves no file behind on Ctrl-C', async () => {
    const folder = await mkdtemp(join(work, 'stopped-'));
    const json = join(folder, 'bench.json');
    const { child, ended } = start(...QUICK, '--repeats', '100000', '--json', json);
    child.stderr.once('data', () => child.kill('SIGINT'));
    const { code } = await ended;
    expect(code).toBe(130);
    expect(existsSync(json)).toBe(false);
    expect(await readdir(folder)).toEqual([]);
  });
});
