import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { px, start } from './px.js';

let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-cli-'));
  await writeFile(join(work, 'images.bin'), syntheticImages(1, 7));
  const made = await px(work, 'new', 'resnet20', '-o', 'r20.onnx', '--size', '16', '--seed', '5');
  expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('r20.onnx') });
});
afterAll(() => rm(work, { recursive: true, force: true }));

const DATA = ['--data', 'images.bin'];
const prune = (out: string, ...more: string[]) => [
  'prune',
  'r20.onnx',
  ...DATA,
  '--density',
  '0.05',
  '--rounds',
  '12',
  '-o',
  out,
  ...more,
];
const outputs = (folder: string) =>
  Promise.all(
    ['masks.safetensors', 'pruned.onnx'].map((name) => readFile(join(work, folder, name), 'base64')),
  );

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 60_000) throw new Error('waited for a minute');
    await sleep(5);
  }
}

describe('px', () => {
  it('explains itself, exit codes included', async () => {
    const { code, stdout } = await px(work, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/prune .*\n[\s\S]*verify/);
    expect(stdout).toMatch(/130\s+ERR_ABORTED/);
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await px(work, '--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it('makes the same network from the same seed, another from another', async () => {
    await px(work, 'new', 'resnet20', '-o', 'same.onnx', '--size', '16', '--seed', '5');
    await px(work, 'new', 'resnet20', '-o', 'other.onnx', '--size', '16', '--seed', '6');
    const [a, b, c] = await Promise.all(
      ['r20', 'same', 'other'].map((name) => readFile(join(work, `${name}.onnx`))),
    );
    expect(a!.equals(b!)).toBe(true);
    expect(a!.equals(c!)).toBe(false);
  });

  it('inspects: prunable tensors as a table and as data', async () => {
    const table = await px(work, 'inspect', 'r20.onnx');
    expect(table.code).toBe(0);
    expect(table.stdout).toContain('layer3.2.conv2.weight');
    const { code, stdout } = await px(work, 'inspect', 'r20.onnx', '--json');
    expect(code).toBe(0);
    expect(JSON.stringify(JSON.parse(stdout))).toContain('layer3.2.conv2.weight');
  });

  it('scores into a file, results on stdout and everything else on stderr', async () => {
    const { code, stdout, stderr } = await px(
      work,
      'score',
      'r20.onnx',
      ...DATA,
      '-o',
      'scores.safetensors',
      '--json',
    );
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ method: 'px', norm: 'batch', samples: 10, microBatches: [10] });
    expect(stderr).toContain('images.bin');
    const { tensors, metadata } = await readSafetensors(join(work, 'scores.safetensors'));
    expect(Number(metadata.log2_R)).toBe(result.log2.R);
    const stem = tensors.get('conv1.weight')!.data as Float32Array;
    expect(stem.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4);
  });

  it('writes the same bytes with any number of threads', async () => {
    const files = await Promise.all(
      ['1', '2', '3'].map(async (threads) => {
        const file = `scores-${threads}.safetensors`;
        await px(
          work,
          'score',
          'r20.onnx',
          ...DATA,
          '-o',
          file,
          '--threads',
          threads,
          '--method',
          'px-joint',
        );
        return readFile(join(work, file));
      }),
    );
    expect(files[0]!.equals(files[1]!)).toBe(true);
    expect(files[0]!.equals(files[2]!)).toBe(true);
  });

  it('prunes and verifies, quietly if asked', async () => {
    const { code, stdout, stderr } = await px(work, ...prune('out', '--quiet'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/kept 13 545 of 270 896 weights/);
    expect(await px(work, 'verify', 'out')).toMatchObject({ code: 0, stderr: '' });
    const bytes = await readFile(join(work, 'out', 'pruned.onnx'));
    bytes[bytes.length >> 1]! ^= 1;
    await cp(join(work, 'out'), join(work, 'tampered'), { recursive: true });
    await writeFile(join(work, 'tampered', 'pruned.onnx'), bytes);
    const failed = await px(work, 'verify', 'tampered');
    expect(failed).toMatchObject({
      code: 8,
      stdout: expect.stringContaining('FAILED'),
      stderr: expect.stringContaining('ERR_MISMATCH'),
    });
    const asData = await px(work, 'verify', 'tampered', '--json');
    expect(JSON.parse(asData.stdout)).toMatchObject({ passed: false, error: { exitCode: 8 } });
  });

  it('prunes on from masks, and scores under them', async () => {
    await px(work, ...prune('first', '--rounds', '2'));
    const masks = ['--masks', 'first/masks.safetensors'];
    const lower = [
      'prune',
      'r20.onnx',
      ...DATA,
      '--density',
      '0.02',
      '--rounds',
      '2',
      '-o',
      'lower',
      ...masks,
      '--json',
    ];
    expect(await px(work, ...lower)).toMatchObject({ code: 0 });
    const [before, after] = [
      await readSafetensors(join(work, 'first/masks.safetensors')),
      await readSafetensors(join(work, 'lower/masks.safetensors')),
    ];
    for (const [name, { data }] of after.tensors) {
      const earlier = before.tensors.get(name)!.data as Uint8Array;
      expect((data as Uint8Array).findIndex((keep, j) => keep > earlier[j]!)).toBe(-1);
    }
    const scored = await px(work, 'score', 'r20.onnx', ...DATA, ...masks, '--json', '--method', 'px-joint');
    expect(JSON.parse(scored.stdout).layers[0].kept).toBeLessThan(432);
  });

  it('only estimates on a dry run', async () => {
    const { code, stdout } = await px(work, ...prune('dry', '--dry-run', '--json'));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      countable: 270896,
      memoryBytes: expect.any(Number),
      roundMacs: expect.any(Number),
    });
    expect(existsSync(join(work, 'dry'))).toBe(false);
  });
});

describe('px refuses', () => {
  it.each<[number, string, string[]]>([
    [2, 'no command', []],
    [2, 'an unknown command', ['prun']],
    [2, 'an unknown option', prune('x', '--rouns', '3')],
    [2, 'a missing density', ['prune', 'r20.onnx', ...DATA, '-o', 'x']],
    [2, 'missing data', ['prune', 'r20.onnx', '--density', '0.1', '-o', 'x']],
    [2, 'a density of 2', ['prune', 'r20.onnx', ...DATA, '-o', 'x', '--density', '2']],
    [2, 'a density that is no number', ['prune', 'r20.onnx', ...DATA, '-o', 'x', '--density', '0,5']],
    [2, 'an empty density', ['prune', 'r20.onnx', ...DATA, '-o', 'x', '--density', '']],
    [2, 'negative rounds', prune('x', '--rounds', '-1')],
    [2, 'an unknown method', prune('x', '--method', 'snip')],
    [2, 'threads 0', prune('x', '--threads', '0')],
    [2, 'an unknown preset', prune('x', '--preset', 'image-net')],
    [2, 'resume and force at once', prune('x', '--resume', '--force')],
    [2, 'an unknown network', ['new', 'resnet21', '-o', 'x.onnx']],
    [2, 'an unknown output', prune('x', '--outputs', 'nothing')],
    [3, 'a model that is no model', ['inspect', 'images.bin']],
    [6, 'a model that is not there', ['inspect', 'absent.onnx']],
    [6, 'data that are not there', ['score', 'r20.onnx', '--data', 'absent/']],
    [6, 'a folder below a file', prune('r20.onnx/out')],
    [6, 'an output folder that cannot be made', prune('/proc/px-out')],
    [9, 'too little memory', prune('x', '--memory', '1MB')],
  ])('with code %d: %s', async (code, _, args) => {
    const outcome = await px(work, ...args);
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code, stdout: '' });
    expect(outcome.stderr).toMatch(
      code === 2 && args.length === 0 ? /px --help/ : /^px: .*\(ERR_[A-Z_]+\)$/m,
    );
    expect(existsSync(join(work, 'x'))).toBe(false);
  });

  it('as data with --json', async () => {
    const { code, stdout } = await px(work, 'inspect', 'absent.onnx', '--json');
    expect(code).toBe(6);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'ERR_IO',
      exitCode: 6,
      message: expect.stringContaining('absent.onnx'),
    });
  });

  it('without letting a name reach the terminal raw', async () => {
    const { stderr } = await px(work, 'inspect', 'a\u001b[31mred\u0007.onnx');
    expect(stderr).toContain('\\u{1b}[31mred');
    expect(stderr).not.toContain('\u001b');
  });
});

describe('px prune, stopped', () => {
  beforeAll(async () => {
    expect(await px(work, ...prune('straight'))).toMatchObject({ code: 0 });
  });

  it('by Ctrl-C keeps a checkpoint, says how to go on, and goes on to the same bytes', async () => {
    const { child, ended } = start(prune('stopped'), work);
    await until(() => existsSync(join(work, 'stopped/checkpoint.safetensors')));
    const asked = performance.now();
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect(performance.now() - asked).toBeLessThan(5000);
    expect(code).toBe(130);
    expect(stderr).toContain('--resume');
    expect(existsSync(join(work, 'stopped/.px-lock'))).toBe(false);
    expect(await px(work, ...prune('stopped'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('unfinished'),
    });
    expect(await px(work, ...prune('stopped', '--resume', '--norm', 'running'))).toMatchObject({ code: 8 });
    expect(await px(work, ...prune('stopped', '--resume', '--threads', '1'))).toMatchObject({ code: 0 });
    expect(await outputs('stopped')).toEqual(await outputs('straight'));
    expect(await px(work, 'verify', 'stopped')).toMatchObject({ code: 0 });
  });

  it('by a kill at any moment goes on to the same bytes', async () => {
    let code: number | null = null;
    for (let attempt = 1; code !== 0; attempt++) {
      const { child, ended } = start(prune('killed', '--resume'), work);
      const timer = setTimeout(() => child.kill('SIGKILL'), 400 * attempt);
      ({ code } = await ended);
      clearTimeout(timer);
      expect([0, null]).toContain(code);
    }
    expect(await outputs('killed')).toEqual(await outputs('straight'));
  });

  it('survives a reader that goes away', async () => {
    const { child, ended } = start(['inspect', 'r20.onnx'], work);
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});
