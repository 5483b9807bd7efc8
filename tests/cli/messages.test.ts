/** What a person reads when something is not as it should be: one line that says what, and where to look. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newModel } from '../../src/models/new-model.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { MAIN, px } from './px.js';

let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-messages-'));
  await writeFile(join(work, 'images.bin'), syntheticImages(1, 7));
  await writeFile(join(work, 'r20.onnx'), newModel('resnet20', { size: 8, seed: 5 }));
  await writeFile(join(work, 'four.onnx'), newModel('resnet20', { size: 8, channels: 4 }));
  await writeFile(join(work, 'bad.jpg'), 'no image');
  const grey = { create: { width: 9, height: 9, channels: 3, background: '#777' } } as const;
  await sharp(grey).png().toFile(join(work, 'good.png'));
});
afterAll(() => rm(work, { recursive: true, force: true }));

const SCORE = ['score', 'r20.onnx', '--data', 'images.bin'];
const PRUNE = ['prune', 'r20.onnx', '--data', 'images.bin', '-o', 'out'];

describe('px says in one line', () => {
  it.each<[string, string[]]>([
    ['density (--density) must be at most 1, not 1.5', [...PRUNE, '--density', '1.5']],
    ['density (--density) must be above 0, not 0', [...PRUNE, '--density', '0']],
    ['rounds (--rounds) must be at least 1, not 0', [...PRUNE, '--density', '0.5', '--rounds', '0']],
    ['microBatch (--micro-batch) must be at least 1, not 0', [...SCORE, '--micro-batch', '0']],
    ['memoryLimit (--memory) must be at least 1, not 0', [...SCORE, '--memory', '0']],
    ['perClass (--per-class) must be a positive integer, not 0', [...SCORE, '--per-class', '0']],
    [
      'preset (--preset) must be one of imagenet, cifar10, none, not "image"',
      [...SCORE, '--preset', 'image'],
    ],
    [
      "the model's input has 4 channels; say which image channels they are with channels (--channels), for example 0,1,2,1, or give tensors",
      ['score', 'four.onnx', '--data', 'good.png'],
    ],
    ["unknown option '--rouns' (px score --help lists the options)", [...SCORE, '--rouns']],
    ["unknown command 'prun' (Did you mean prune?) (px --help lists the commands)", ['prun']],
  ])('%s', async (message, args) => {
    expect(await px(work, ...args)).toMatchObject({ code: 2, stderr: `px: ${message} (ERR_OPTION)\n` });
  });

  it('before any work that scores cannot be written where they should go', async () => {
    const { code, stderr } = await px(work, ...SCORE, '-o', 'absent/scores.safetensors');
    expect(code).toBe(6);
    expect(stderr).toMatch(/^px: cannot write absent\/scores\.safetensors: .*\(ERR_IO\)\n$/);
  });
});

it.skipIf(process.platform !== 'linux')('a full disk behind > is an error, not a stack', () => {
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', '"$@" > /dev/full', 'px', process.execPath, MAIN, 'inspect', 'r20.onnx'],
    {
      cwd: work,
      encoding: 'utf8',
    },
  );
  expect({ status, stderr }).toEqual({
    status: 6,
    stderr: expect.stringMatching(/^px: cannot write results to standard output: the disk is full.*\n$/),
  });
});

it('help tells which options are required', async () => {
  const { stdout } = await px(work, 'prune', '--help');
  const text = stdout.replace(/\s+/g, ' ');
  expect(text).toMatch(/--density <share> [^-]*\(required\)/);
  expect(text).toMatch(/--data <path> .*\(required\) --preset/);
  expect(text).not.toMatch(/--rounds <count> [^-]*\(required\)/);
});

it('a file that is left out is named once', async () => {
  const { code, stderr } = await px(
    work,
    ...['score', 'r20.onnx', '--data', 'good.png', '--data', 'bad.jpg', '--skip-bad', '--quiet'],
  );
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/^warning: left out bad\.jpg: cannot be decoded.*\n$/),
  });
});

it('a run that empties whole layers says so', async () => {
  const run = ['--density', '0.001', '--rounds', '5', '--norm', 'running'];
  const { code, stdout } = await px(work, ...PRUNE, ...run, '--quiet');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^no weight left in \d+ of 22 tensors: layer.* and \d+ more \(--floor/m);
});
