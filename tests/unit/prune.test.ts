import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/io/safetensors.js';
import { newModel } from '../../src/models/new-model.js';
import { type LoadedModel, loadModel } from '../../src/plan/load.js';
import type { PruneOptions } from '../../src/prune/options.js';
import type { Progress } from '../../src/prune/progress.js';
import { runPrune } from '../../src/prune/prune.js';
import type { PruneResult } from '../../src/prune/result.js';
import { keepSchedule } from '../../src/prune/schedule.js';
import { verifyRun } from '../../src/prune/verify.js';
import { FakeBackend } from '../support/fake-backend.js';
import { memoryData } from '../support/memory-data.js';

const INPUT = 3 * 8 * 8;
const data = memoryData(5, INPUT);
let work: string;
let model: LoadedModel;
let out: string;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-prune-'));
  const file = join(work, 'resnet20.onnx');
  await writeFile(file, newModel('resnet20', { size: 8, seed: 3 }));
  model = await loadModel(file);
  return () => rm(work, { recursive: true, force: true });
});

beforeEach(async () => {
  out = join(await mkdtemp(join(work, 'run-')), 'out');
});
afterEach(() => rm(join(out, '..'), { recursive: true, force: true }));

function prune(options: Partial<PruneOptions> & { backend?: FakeBackend } = {}): Promise<PruneResult> {
  return runPrune(model, data, { density: 0.1, rounds: 6, floor: 3, backend: new FakeBackend(), ...options });
}

const failure = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const bytes = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const files = ['masks.safetensors', 'pruned.onnx'];

describe('prune', () => {
  it('keeps the scheduled counts, tells progress, and leaves a folder that verifies', async () => {
    const seen: Progress[] = [];
    const result = await prune({ out, microBatch: 3, onProgress: (progress) => seen.push(progress) });
    const n = model.plan.params.reduce((sum, param) => sum + param.size, 0);
    expect(result.countable).toBe(n);
    expect(result.rounds.map((round) => round.kept)).toEqual(keepSchedule(n, 0.1, 6));
    expect([...result.masks.values()].reduce((sum, mask) => sum + mask.reduce((a, b) => a + b, 0), 0)).toBe(
      result.kept,
    );
    expect((await readdir(out)).sort()).toEqual([...files, 'run.json'].sort());
    expect(seen.filter((progress) => progress.phase === 'round').map((progress) => progress.round)).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(seen.at(-1)).toMatchObject({ phase: 'check', done: 14, total: 14, remainingSeconds: 0 });

    const run = JSON.parse(await readFile(join(out, 'run.json'), 'utf8'));
    expect(run).toMatchObject({
      status: 'done',
      kept: result.kept,
      microBatches: [3, 2],
      data: { samples: data.samples },
    });
    const { tensors, metadata } = await readSafetensors(join(out, 'masks.safetensors'));
    expect(metadata).toMatchObject({
      model_sha256: model.sha256,
      method: 'px',
      norm: 'batch',
      rounds: '6',
      micro_batch: '3',
    });
    for (const { name, shape } of model.plan.params) {
      expect(tensors.get(name)).toEqual({ dtype: 'U8', shape, data: result.masks.get(name) });
    }
    const checks = await verifyRun(out);
    expect(checks.map((check) => check.outcome)).toEqual(checks.map(() => 'passed'));
  });

  it('never touches the model in memory', async () => {
    const before = model.weights.map((weights) => weights.slice());
    await prune();
    model.weights.forEach((weights, id) =>
      expect(Buffer.compare(bytes(weights), bytes(before[id]!))).toBe(0),
    );
  });

  it('leaves excluded tensors alone and counts without them', async () => {
    const result = await prune({
      out,
      only: ['layer*', 'conv1.weight'],
      exclude: ['layer1.*'],
      keepFirstLast: true,
    });
    const roles = new Map(result.layers.map((layer) => [layer.name, layer.role]));
    expect(roles.get('conv1.weight')).toBe('excluded');
    expect(roles.get('layer1.0.conv1.weight')).toBe('excluded');
    expect(roles.get('layer2.0.conv1.weight')).toBe('pruned');
    for (const layer of result.layers.filter(({ role }) => role === 'excluded'))
      expect(layer.density).toBe(1);
    const pruned = result.layers.filter(({ role }) => role === 'pruned');
    expect(result.countable).toBe(pruned.reduce((sum, layer) => sum + layer.weights, 0));
    expect((await verifyRun(out)).every((check) => check.outcome === 'passed')).toBe(true);
  });

  it('goes on from given masks', async () => {
    const first = await prune({ density: 0.5, rounds: 2 });
    const second = await prune({ masks: first.masks, density: 0.2, rounds: 3, out });
    for (const [name, mask] of second.masks) {
      expect(mask.findIndex((keep, j) => keep > first.masks.get(name)![j]!)).toBe(-1);
    }
    expect(second.kept).toBe(keepSchedule(second.countable, 0.2, 1)[0]);
    expect((await verifyRun(out)).every((check) => check.outcome === 'passed')).toBe(true);
    await expect(prune({ masks: first.masks, density: 0.6 })).rejects.toEqual(
      failure('ERR_OPTION', /given masks keep only/),
    );
  });

  it.each<[string, Partial<PruneOptions>, string, RegExp]>([
    ['density 0', { density: 0 }, 'ERR_OPTION', /density/],
    ['density above 1', { density: 1.5 }, 'ERR_OPTION', /density/],
    ['density NaN', { density: Number.NaN }, 'ERR_OPTION', /density/],
    ['no rounds', { rounds: 0 }, 'ERR_OPTION', /rounds/],
    ['half a round', { rounds: 1.5 }, 'ERR_OPTION', /rounds/],
    ['an unknown method', { method: 'snip' as 'px' }, 'ERR_OPTION', /method/],
    ['micro-batch 0', { microBatch: 0 }, 'ERR_OPTION', /--micro-batch/],
    ['a negative floor', { floor: -1 }, 'ERR_OPTION', /floor/],
    ['a floor that does not fit', { floor: 2000 }, 'ERR_OPTION', /floor of 2000/],
    ['an option that does not exist', { densty: 0.5 } as object, 'ERR_OPTION', /densty/],
    ['a glob that matches nothing', { exclude: ['layer9.*'] }, 'ERR_OPTION', /'layer9\.\*' matches no/],
    ['nothing left to prune', { exclude: ['*'] }, 'ERR_OPTION', /nothing is left/],
    ['resume without a folder', { resume: true }, 'ERR_OPTION', /out/],
    ['too little memory', { memoryLimit: 1000 }, 'ERR_MEMORY', /even a micro-batch of 1/],
    ['masks of another model', { masks: new Map([['other', new Uint8Array(1)]]) }, 'ERR_MISMATCH', /'other'/],
    [
      'masks of another size',
      { masks: new Map([['conv1.weight', new Uint8Array(1)]]) },
      'ERR_MISMATCH',
      /conv1\.weight/,
    ],
    [
      'masks of other values',
      { masks: new Map([['conv1.weight', new Uint8Array(432).fill(2)]]) },
      'ERR_MISMATCH',
      /is 2/,
    ],
  ])('refuses %s', async (_, options, code, message) => {
    const backend = new FakeBackend();
    await expect(prune({ ...options, backend })).rejects.toEqual(failure(code, message));
    expect(backend.rounds).toBe(0);
  });

  it('names the micro-batch that would fit into too little memory', async () => {
    const many = memoryData(20, INPUT);
    const options = { density: 0.1, method: 'px-joint', backend: new FakeBackend() } as const;
    const stopped = runPrune(model, many, { ...options, memoryLimit: 3_500_000 });
    await expect(stopped).rejects.toEqual(
      failure('ERR_MEMORY', /of 20 samples .* --micro-batch 16 would fit .* never changed/),
    );
    await runPrune(model, many, { ...options, memoryLimit: 3_500_000, microBatch: 16, rounds: 1 });
  });

  it('keeps the last good masks where the network is cut, and says what cut it', async () => {
    const options = { floor: 0, density: 0.0001, rounds: 4, out };
    const error = await prune(options).catch((cause) => cause);
    expect(error).toEqual(failure('ERR_NETWORK_CUT', /no weight is left in '/));
    const { tensors } = await readSafetensors(join(out, 'last-good-masks.safetensors'));
    for (const [name, mask] of error.cause.masks) expect(tensors.get(name)!.data).toEqual(mask);
    expect((await readdir(out)).sort()).toEqual(['last-good-masks.safetensors', 'run.json']);
    await expect(prune({ ...options, resume: true })).rejects.toEqual(
      failure('ERR_NETWORK_CUT', /has ended/),
    );
    expect((await verifyRun(out))[0]).toMatchObject({
      outcome: 'failed',
      detail: expect.stringMatching(/cut/),
    });
  });
});

describe('resume', () => {
  /** What must not depend on interruptions. */
  async function traces(folder: string) {
    const run = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'));
    const rounds = run.rounds.map(({ seconds: _, ...rest }: { seconds: number }) => rest);
    const bytes = await Promise.all(files.map((name) => readFile(join(folder, name), 'base64')));
    return {
      bytes,
      rounds,
      log2: run.log2,
      layers: run.layers,
      configuration: run.configuration,
      files: run.files,
    };
  }

  /** Stops when round `at` would have finished. */
  async function interrupt(at: number): Promise<void> {
    const controller = new AbortController();
    const backend = new FakeBackend();
    backend.beforeFinish = (round) => {
      if (round === at) controller.abort();
    };
    const stopped = prune({ out, backend, signal: controller.signal });
    await expect(stopped).rejects.toEqual(failure('ERR_ABORTED'));
    expect(backend.disposed).toBe(1);
  }

  it.each([0, 1, 3, 5, 6])('after an abort in round %d + 1 ends bit for bit as without', async (at) => {
    const straight = join(out, '..', 'straight');
    await prune({ out: straight });
    await interrupt(at);
    const backend = new FakeBackend();
    await prune({ out, resume: true, backend });
    expect(backend.rounds).toBe(7 - at);
    expect(await traces(out)).toEqual(await traces(straight));
  });

  it('of a finished run gives its result without work', async () => {
    const result = await prune({ out });
    const backend = new FakeBackend();
    const { masks, ...rest } = await prune({ out, resume: true, backend });
    expect(rest).toEqual({ ...result, masks: undefined });
    for (const [name, mask] of result.masks) expect(Buffer.compare(mask, masks.get(name)!)).toBe(0);
    expect(backend.rounds).toBe(0);
  });

  it('refuses other settings and other data, and starting over unasked', async () => {
    await interrupt(3);
    await expect(prune({ out })).rejects.toEqual(failure('ERR_OPTION', /unfinished run/));
    await expect(prune({ out, resume: true, norm: 'running' })).rejects.toEqual(
      failure('ERR_MISMATCH', /norm was "batch" and is now "running"/),
    );
    const other = runPrune(model, memoryData(5, INPUT, 2), {
      density: 0.1,
      rounds: 6,
      floor: 3,
      out,
      resume: true,
      backend: new FakeBackend(),
    });
    await expect(other).rejects.toEqual(failure('ERR_MISMATCH', /dataDigest/));
    const backend = new FakeBackend();
    await prune({ out, force: true, backend });
    expect(backend.rounds).toBe(7);
  });

  it('keeps a second run out of the folder while one is at work', async () => {
    const backend = new FakeBackend();
    let second: Promise<unknown> | undefined;
    backend.beforeFinish = async (round) => {
      if (round === 2)
        await (second = expect(prune({ out, force: true })).rejects.toEqual(failure('ERR_STATE', /in use/)));
    };
    await prune({ out, backend });
    await second;
    expect(backend.rounds).toBe(7);
  });
});

describe('verify notices', () => {
  const failed = async (folder: string, input?: string) =>
    (await verifyRun(folder, input)).filter((check) => check.outcome === 'failed').map((check) => check.name);
  /** A finished run whose file hashes have been made to fit what is done to its files. */
  async function tamper(change: (folder: string) => Promise<void>, name: string): Promise<string[]> {
    await prune({ out });
    await change(out);
    const path = join(out, 'run.json');
    const run = JSON.parse(await readFile(path, 'utf8'));
    const { sha256File } = await import('../../src/prune/file-hash.js');
    run.files[name] = await sha256File(join(out, name));
    await writeFile(path, JSON.stringify(run));
    return failed(out);
  }
  async function flip(path: string, offset: number): Promise<void> {
    const bytes = await readFile(path);
    bytes[offset < 0 ? bytes.length + offset : offset]! ^= 1;
    await writeFile(path, bytes);
  }
  /** Where the first weight of the stem that is kept (or pruned) lies in the model file. */
  async function weightOffset(keep: 0 | 1): Promise<number> {
    const { tensors } = await readSafetensors(join(out, 'masks.safetensors'));
    const j = (tensors.get('conv1.weight')!.data as Uint8Array).indexOf(keep);
    const { payload } = model.onnx.tensors.get('conv1.weight')!;
    if (payload.kind !== 'raw') throw new Error('px new stores raw data');
    return payload.ranges[0]!.start + 4 * j;
  }

  it('changed, missing and shortened files', async () => {
    await prune({ out });
    await cp(out, `${out}2`, { recursive: true });
    await flip(join(out, 'masks.safetensors'), -1);
    expect(await failed(out)).toEqual(expect.arrayContaining(['hash of masks.safetensors', 'masks']));
    await rm(join(`${out}2`, 'pruned.onnx'));
    expect(await failed(`${out}2`)).toContain('hash of pruned.onnx');
    await truncate(join(out, 'pruned.onnx'), 1000);
    expect(await failed(out)).toContain('hash of pruned.onnx');
  });

  it('a pruned weight that is not 0, though the hash fits', async () => {
    const names = await tamper(
      async (folder) => flip(join(folder, 'pruned.onnx'), await weightOffset(0)),
      'pruned.onnx',
    );
    expect(names).toEqual(['pruned weights are 0']);
  });

  it('a kept weight that changed, though the hash fits', async () => {
    const names = await tamper(
      async (folder) => flip(join(folder, 'pruned.onnx'), await weightOffset(1)),
      'pruned.onnx',
    );
    expect(names).toEqual(['all else is as in the input model']);
  });

  it('another byte of the model that changed, though the hash fits', async () => {
    const at = model.onnx.bytes.length - 5;
    const names = await tamper((folder) => flip(join(folder, 'pruned.onnx'), at), 'pruned.onnx');
    expect(names).toContain('all else is as in the input model');
  });

  it('a mask that keeps another number, though the hash fits', async () => {
    const names = await tamper((folder) => flip(join(folder, 'masks.safetensors'), -1), 'masks.safetensors');
    expect(names).toEqual(['masks']);
  });

  it('counts that do not follow the schedule', async () => {
    await prune({ out });
    const path = join(out, 'run.json');
    const run = JSON.parse(await readFile(path, 'utf8'));
    run.rounds[2].kept++;
    await writeFile(path, JSON.stringify(run));
    expect(await failed(out)).toEqual(['run']);
  });

  it('an input model that is not the one pruned', async () => {
    await prune({ out });
    const other = join(out, '..', 'other.onnx');
    await writeFile(other, newModel('resnet20', { size: 8, seed: 4 }));
    expect(await failed(out, other)).toEqual(['all else is as in the input model']);
  });

  it('a folder without a run, and a run.json of something else', async () => {
    await expect(verifyRun(work)).rejects.toEqual(failure('ERR_FILE', /run\.json/));
    await prune({ out });
    await writeFile(join(out, 'run.json'), '{"format": 1}');
    await expect(verifyRun(out)).rejects.toEqual(failure('ERR_FILE', /not a run\.json/));
    await writeFile(join(out, 'run.json'), '{');
    await expect(verifyRun(out)).rejects.toEqual(failure('ERR_FILE', /not a run\.json/));
  });
});
