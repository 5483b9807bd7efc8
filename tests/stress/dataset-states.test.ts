/** Every method of an open data set, in every state it can be in. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/io/data/open-dataset.js';
import type { Dataset } from '../../src/io/data/types.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';

const COUNT = 40;
const SIZES = [20, 20];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-dataset-'));
  await writeFile(join(folder, 'images.bin'), syntheticImages(4, 7));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Without a cache every walk reads the file. */
const open = (cacheBytes: number) =>
  openDataset([join(folder, 'images.bin')], { shape: [3, 32, 32] }, { perClass: 'all', cacheBytes });

async function walk(data: Dataset, signal?: AbortSignal): Promise<number> {
  let samples = 0;
  for await (const x of data.batches(SIZES, signal)) samples += x.length / 3072;
  return samples;
}
const settle = (promise: Promise<unknown>) =>
  promise.then(
    (value) => value ?? 'ok',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );

interface Busy {
  readonly running: Promise<unknown>;
}

/** Brings a data set into a state; says so where a call is under way. */
const STATES: Record<string, (data: Dataset) => Promise<unknown>> = {
  fresh: async () => {},
  walking: async (data) => ({ running: settle(walk(data)) }),
  'walked to the middle': async (data) => {
    await data.batches(SIZES)[Symbol.asyncIterator]().next();
  },
  'left in the middle': async (data) => {
    for await (const _ of data.batches(SIZES)) break;
  },
  digesting: async (data) => ({ running: settle(data.digest()) }),
  digested: async (data) => {
    await data.digest();
  },
  aborted: async (data) => {
    expect(await settle(walk(data, AbortSignal.abort()))).toBe('ERR_ABORTED');
  },
  closed: (data) => data.close(),
  'closed while walked': async (data) => {
    const running = settle(walk(data));
    await data.close();
    return { running };
  },
};

const METHODS: Record<string, (data: Dataset) => Promise<unknown>> = {
  batches: (data) => walk(data),
  digest: (data) => data.digest(),
  close: (data) => data.close(),
};

describe.each([
  ['kept in memory', 2 ** 30],
  ['read anew each time', 0],
])('a data set %s', (_, cacheBytes) => {
  const cells = Object.keys(STATES).flatMap((state) =>
    Object.keys(METHODS).map((name) => [state, name] as const),
  );

  it.each(cells)('%s: %s', async (state, name) => {
    const reference = await open(2 ** 30);
    const digest = await reference.digest();
    await reference.close();

    const data = await open(cacheBytes);
    const { running } = ((await STATES[state]!(data)) ?? {}) as Partial<Busy>;
    const outcome = await settle(METHODS[name]!(data));
    const closed = state.startsWith('closed');
    if (name === 'close') expect(outcome).toBe('ok');
    else if (closed) expect(outcome).toBe('ERR_STATE');
    else expect(outcome).toBe(name === 'digest' ? digest : COUNT);

    // What was under way when it was closed ends with that reason, or had come to its end.
    const whole = state === 'digesting' ? digest : COUNT;
    if (running) expect(closed || name === 'close' ? [whole, 'ERR_STATE'] : [whole]).toContain(await running);
    await data.close();
    expect(await settle(walk(data))).toBe('ERR_STATE');
  });
});
