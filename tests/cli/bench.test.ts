/** What px bench prints on tiny shapes: that it is well-formed and verified, never how fast anything is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newModel } from '../../src/models/new-model.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { px, start } from './px.js';

let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-bench-'));
  await writeFile(join(work, 'images.bin'), syntheticImages(1, 7));
  await writeFile(join(work, 'r20.onnx'), newModel('resnet20', { size: 32 }));
});
afterAll(() => rm(work, { recursive: true, force: true }));

const SMALL = ['bench', 'resnet20', '--size', '8', '--batch', '3', '--rounds', '2', '--threads', '1'];

describe('px bench', () => {
  it('measures rounds of both methods at every density, selection, and a run', async () => {
    const { code, stdout } = await px(work, ...SMALL, '--density', '1,0.2', '--run', '2', '--quiet');
    expect(code).toBe(0);
    expect(stdout).toMatch(/resnet20: 3 samples of 3×8×8, norm batch/);
    for (const line of [/^px +1 +1 /m, /^px +1 +0\.2 /m, /^px-joint +1 +1 /m, /^px-joint +1 +0\.2 /m])
      expect(stdout).toMatch(line);
    expect(stdout).toMatch(/a whole run.*\n\nmethod +threads +rounds/);
    expect(stdout).toMatch(/^270 896 +260 061/m);
  });

  it('prints every sample and the machine as data', async () => {
    const { code, stdout } = await px(work, ...SMALL, '--method', 'px', '--threads', '1,2', '--json');
    expect(code).toBe(0);
    const { machine, rounds, peaks, selection } = JSON.parse(stdout);
    expect(machine).toMatchObject({
      cpu: expect.any(String),
      cores: expect.any(Number),
      node: process.version,
    });
    expect(rounds).toHaveLength(6);
    for (const { method, samples, batch, peakBytes } of rounds) {
      expect({ method, batch }).toEqual({ method: 'px', batch: 3 });
      expect(samples).toHaveLength(2);
      for (const { seconds } of samples) expect(seconds).toBeGreaterThan(0);
      expect(peakBytes).toBeGreaterThan(0);
    }
    expect(peaks).toHaveLength(2);
    expect(selection.map(({ threads }: { threads: number }) => threads)).toEqual([1, 2]);
  });

  it("measures the user's samples", async () => {
    const data = ['--data', 'images.bin', '--limit', '4', '--micro-batch', '2'];
    const { code, stdout } = await px(
      work,
      ...['bench', 'r20.onnx', ...data, '--rounds', '1', '--threads', '1', '--density', '1', '--json'],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ model: 'r20.onnx', samples: 4 });
  });

  it('measures linear steps one by one, on every instruction set', async () => {
    const set = (await px(work, ...SMALL, '--layers', '--isa', 'none')).stderr.match(
      /machine's: (.*) \(ERR/,
    )![1]!;
    const isas = set.replaceAll(' ', '');
    const { code, stdout } = await px(
      work,
      ...SMALL,
      '--layers',
      '--isa',
      isas,
      '--density',
      '1,0.3',
      '--json',
    );
    expect(code).toBe(0);
    const { steps } = JSON.parse(stdout);
    expect(steps.map(({ isa }: { isa: string }) => isa).join(',')).toBe(isas);
    for (const { timings } of steps) expect(timings).toHaveLength(22 * 5 * 2);
    const table = await px(work, ...SMALL, '--layers', '--method', 'px', '--density', '1', '--quiet');
    expect(table.stdout).toMatch(/^layer3\.2\.conv2\.weight 64×64×3×3 +h /m);
    expect(table.stdout).toMatch(/^all steps +f /m);
  });

  it.each([
    ['density (--density) must be at most 1, not 2', ['--density', '2']],
    ['threads (--threads) must be at least 1, not 0', ['--threads', '1,0']],
    ['--kernels takes no model; --layers does', ['--kernels']],
    ['--layers takes no run (--run), norm (--norm)', ['--layers', '--run', '3', '--norm', 'running']],
    ['without --data there is no use for mean (--mean)', ['--mean', '0.5']],
    ['resnet20 takes square images: give one size, not 8x9', ['--crop', '8x9']],
  ])('refuses: %s', async (message, more) => {
    expect(await px(work, ...SMALL, ...more)).toMatchObject({
      code: 2,
      stderr: `px: ${message} (ERR_OPTION)\n`,
    });
  });

  it('stops on Ctrl-C', async () => {
    const { child, ended } = start(['bench', 'resnet20', '--rounds', '100000'], work);
    child.stderr!.once('data', () => child.kill('SIGINT'));
    expect(await ended).toMatchObject({ code: 130, stdout: '' });
  });
});
