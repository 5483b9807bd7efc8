import { describe, expect, it } from 'vitest';
import { inputLayout } from '../../src/io/data/input-layout.js';
import { defaultMicroBatch, splitMicroBatches } from '../../src/io/data/micro-batch.js';
import { openDataset } from '../../src/io/data/open-dataset.js';
import { SampleReader } from '../../src/io/data/sample-reader.js';
import { selectSamples } from '../../src/io/data/selection.js';
import type { Sample } from '../../src/io/data/types.js';

const target = { shape: [2] };

/** Samples 0, 1, 2 … of two numbers each: [i, −i]. */
const numbered = (count: number) => Array.from({ length: count }, (_, i) => Float32Array.of(i, -i));

describe('splitMicroBatches', () => {
  it.each([
    [7, 3, [3, 2, 2]],
    [256, 128, [128, 128]],
    [129, 128, [65, 64]],
    [5, 9, [5]],
    [1, 1, [1]],
    [300, undefined, [100, 100, 100]],
    [4, undefined, [4]],
  ])('%i samples by %s are %j', (n, microBatch, want) => {
    expect(splitMicroBatches(n, microBatch)).toEqual(want);
  });

  it('never exceeds the micro-batch, loses no sample, and takes as few parts as possible', () => {
    for (let n = 1; n < 80; n++) {
      for (let m = 1; m < 20; m++) {
        const parts = splitMicroBatches(n, m);
        expect(parts.reduce((a, b) => a + b)).toBe(n);
        expect(parts).toEqual([...parts].sort((a, b) => b - a));
        expect(parts[0]! - parts.at(-1)!).toBeLessThanOrEqual(1);
        expect(parts[0]).toBeLessThanOrEqual(m);
        expect(parts).toHaveLength(Math.ceil(n / m));
      }
    }
    expect([defaultMicroBatch(3), defaultMicroBatch(1000)]).toEqual([3, 128]);
  });

  it.each([
    [0, 1],
    [1.5, 1],
    [3, 0],
    [3, -1],
    [3, Number.NaN],
  ])('refuses %d samples by %d', (n, m) => {
    expect(() => splitMicroBatches(n, m)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });
});

describe('inputLayout', () => {
  it.each([
    [[3, 224, 200], undefined, { layout: 'CHW', channels: 3, height: 224, width: 200 }],
    [[224, 200, 3], undefined, { layout: 'HWC', channels: 3, height: 224, width: 200 }],
    [[1, 28, 28], undefined, { layout: 'CHW', channels: 1, height: 28, width: 28 }],
    [[4, 64, 64], undefined, { layout: 'CHW', channels: 4, height: 64, width: 64 }],
    [[3, 8, 3], undefined, { layout: 'CHW', channels: 3, height: 8, width: 3 }],
    [[3, 8, 3], 'HWC', { layout: 'HWC', channels: 3, height: 3, width: 8 }],
    [[28, 28], undefined, { layout: 'CHW', channels: 1, height: 28, width: 28 }],
    [[7], undefined, undefined],
    [[3, 4, 5, 6], undefined, undefined],
  ] as const)('%j (%s) is %j', (shape, layout, want) => expect(inputLayout(shape, layout)).toEqual(want));
});

describe('samples from a program', () => {
  it('may come one by one or several at a time, from sync and async iterables, and again each round', async () => {
    async function* chunks() {
      yield Float32Array.of(0, 0, 1, -1);
      yield { data: Float32Array.of(2, -2), id: 'third', label: 'a' };
    }
    const data = await openDataset([chunks(), numbered(1), Float32Array.of(8, 9)], target, {
      perClass: 'all',
    });
    expect(data.samples).toEqual([
      { id: 'samples#0' },
      { id: 'samples#1' },
      { id: 'third', label: 'a' },
      { id: 'samples1#0' },
      { id: 'samples2#0' },
    ]);
    for (let round = 0; round < 2; round++) {
      const got: number[][] = [];
      for await (const x of data.batches([3, 2])) got.push([...x]);
      expect(got).toEqual(
        [
          [0, 0, 1, -1, 2, -2],
          [0, 0, 8, 9],
        ].map((row) => row.map((v) => expect.closeTo(v))),
      );
    }
  });

  it('are copied, must be whole, of the right type and finite', async () => {
    const sample = Float32Array.of(1, 2);
    const data = await openDataset([[sample]], target);
    sample[0] = 99;
    for await (const x of data.batches([1])) expect([...x]).toEqual([1, 2]);
    await expect(openDataset([[Float32Array.of(1, 2, 3)]], target)).rejects.toThrow(
      /3 numbers.*samples of 2 numbers/,
    );
    await expect(openDataset([[[1, 2] as never]], target)).rejects.toMatchObject({ code: 'ERR_DATA' });
    await expect(openDataset([[{ data: new Float32Array(4), id: 'two' }]], target)).rejects.toThrow(
      /"two" names 2/,
    );
    const bad = await openDataset([[Float32Array.of(Number.NaN, 0)]], target);
    await expect(bad.digest()).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('samples#0'),
    });
    await expect(openDataset([[]], target)).rejects.toThrow(/no sample/);
  });
});

describe('batches', () => {
  it.each([0, 1e9])('are the same with and without a cache (%d bytes)', async (cacheBytes) => {
    const data = await openDataset([numbered(7)], target, { cacheBytes });
    const got: number[][] = [];
    for await (const x of data.batches([3, 3, 1])) got.push([...x].filter((_, i) => i % 2 === 0));
    expect(got).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  });

  it('must add up to the number of samples', async () => {
    const data = await openDataset([numbered(3)], target);
    for (const sizes of [[2], [4], [], [3, 0], [1.5, 1.5]]) {
      await expect(data.batches(sizes)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'ERR_OPTION',
      });
    }
  });

  it('stop at an abort, and start again afterwards', async () => {
    const data = await openDataset([numbered(4)], target);
    const stop = new AbortController();
    const walk = async () => {
      for await (const _ of data.batches([1, 1, 1, 1], stop.signal)) stop.abort(new Error('why'));
    };
    await expect(walk()).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      cause: expect.objectContaining({ message: 'why' }),
    });
    await expect(openDataset([numbered(4)], target, { signal: stop.signal })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    let count = 0;
    for await (const _ of data.batches([2, 2])) count++;
    expect(count).toBe(2);
  });

  it('are refused after close', async () => {
    const data = await openDataset([numbered(2)], target);
    await data.close();
    await data.close();
    await expect(data.batches([2])[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'ERR_STATE',
    });
  });
});

describe('digest', () => {
  const digest = async (chunks: Float32Array[], cacheBytes = 1e9) =>
    (await openDataset([chunks], target, { cacheBytes })).digest();

  it('depends on values, order and number, and on nothing else', async () => {
    const base = await digest(numbered(100));
    expect(base).toMatch(/^[0-9a-f]{64}$/);
    expect(await digest(numbered(100), 0)).toBe(base);
    expect(await digest(numbered(99))).not.toBe(base);
    expect(await digest(numbered(100).reverse())).not.toBe(base);
    const changed = numbered(100);
    changed[77]![1] = 1;
    expect(await digest(changed)).not.toBe(base);
  });

  it('depends on identifiers and labels', async () => {
    const of = async (info: object) =>
      (await openDataset([[{ data: Float32Array.of(1, 2), ...info }]], target)).digest();
    const all = await Promise.all([
      of({}),
      of({ id: 'a' }),
      of({ id: 'a', label: 1 }),
      of({ id: 'a', label: '1' }),
    ]);
    expect(new Set(all).size).toBe(4);
  });
});

describe('the sample reader', () => {
  /** Samples whose loading can be counted, slowed and made to fail. */
  function counting(count: number, fail: () => boolean = () => false) {
    const state = { loads: 0, running: 0, most: 0 };
    const samples: Sample[] = Array.from({ length: count }, (_, i) => ({
      id: String(i),
      load: async (out) => {
        state.loads++;
        state.most = Math.max(state.most, ++state.running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        state.running--;
        if (fail()) throw new Error(`sample ${i}`);
        out.fill(i);
      },
    }));
    return { samples, state };
  }

  it('loads each sample once where all fit into the cache, a few at a time', async () => {
    const { samples, state } = counting(20);
    const reader = new SampleReader(samples, 3, 20 * 3 * 4);
    const [a, b] = await Promise.all([reader.read(0, 12, undefined), reader.read(5, 15, undefined)]);
    expect([a.length, a[35], b[0], b.at(-1)]).toEqual([36, 11, 5, 19]);
    expect(state.loads).toBe(20);
    expect(state.most).toBe(4);
    const again = counting(20);
    const uncached = new SampleReader(again.samples, 3, 20 * 3 * 4 - 1);
    await uncached.read(0, 20, undefined);
    await uncached.read(0, 20, undefined);
    expect(again.state.loads).toBe(40);
  });

  it('tries again after a failure', async () => {
    let failing = true;
    const { samples } = counting(3, () => failing);
    const reader = new SampleReader(samples, 1, 1e6);
    await expect(reader.read(0, 3, undefined)).rejects.toThrow('sample');
    failing = false;
    expect([...(await reader.read(0, 3, undefined))]).toEqual([0, 1, 2]);
  });

  it("does not pass one reader's abort on to another", async () => {
    const { samples } = counting(30);
    const reader = new SampleReader(samples, 1, 1e6);
    const stop = new AbortController();
    const aborted = reader.read(0, 30, stop.signal);
    const other = reader.read(0, 30, undefined);
    stop.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await other)[29]).toBe(29);
  });
});

describe('selection', () => {
  const sample = (id: string, label?: string | number): Sample => ({
    id,
    ...(label !== undefined && { label }),
    load: async () => {},
  });
  const labelled = Array.from({ length: 60 }, (_, i) => sample(`s${i}`, i % 3));
  const all = async (samples: readonly Sample[]) => samples;
  const ids = async (samples: Sample[], options: object, usable = all) =>
    (await selectSamples(samples, options, usable)).chosen.map(({ id }) => id);

  it('is everything in order without labels, or when asked for', async () => {
    const plain = ['c', 'a', 'b'].map((id) => sample(id));
    expect(await ids(plain, {})).toEqual(['c', 'a', 'b']);
    expect(await ids(plain, { limit: 2 })).toEqual(['c', 'a']);
    expect(await ids(labelled, { perClass: 'all' })).toEqual(labelled.map(({ id }) => id));
  });

  it('is ten of each class by default, classes taking turns', async () => {
    const { chosen, notes } = await selectSamples(labelled, {}, all);
    expect(chosen.map(({ label }) => label)).toEqual(Array.from({ length: 30 }, (_, i) => i % 3));
    expect(new Set(chosen).size).toBe(30);
    expect(notes).toEqual(['10 samples of each of 3 classes, drawn with seed 0, the default']);
  });

  it('is a function of the seed', async () => {
    const drawn = await ids(labelled, { perClass: 4, seed: 5 });
    expect(await ids(labelled, { perClass: 4, seed: 5 })).toEqual(drawn);
    expect(await ids(labelled, { perClass: 4, seed: 6 })).not.toEqual(drawn);
    expect(drawn.slice(0, 6)).toEqual(['s15', 's49', 's47', 's51', 's37', 's59']);
  });

  it('draws every member about equally often', async () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 600; seed++) {
      for (const id of await ids(labelled, { perClass: 5, seed })) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(counts.size).toBe(60); // each expected 600 · 5 / 20 = 150 times, deviation 10.6
    for (const count of counts.values()) expect(Math.abs(count - 150)).toBeLessThan(50);
  });

  it('names small classes and takes samples without a class', async () => {
    const mixed = [sample('x'), sample('a1', 'a'), sample('b1', 'b'), sample('a2', 'a')];
    const { chosen, notes } = await selectSamples(mixed, { perClass: 2 }, all);
    expect(chosen.map(({ id }) => id).sort()).toEqual(['a1', 'a2', 'b1', 'x']);
    expect(chosen.at(-1)!.id).toBe('x');
    expect(notes.join('\n')).toMatch(/fewer than 2 samples: b \(1\)[\s\S]*1 samples without a class/);
  });

  it('replaces unusable samples by others of the class, asking about no more than needed', async () => {
    const asked: string[] = [];
    const odd = async (samples: readonly Sample[]) => {
      asked.push(...samples.map(({ id }) => id));
      return samples.filter(({ id }) => Number(id.slice(1)) % 2 === 1);
    };
    const chosen = await ids(labelled, { perClass: 5 }, odd);
    expect(chosen).toHaveLength(15);
    expect(chosen.every((id) => Number(id.slice(1)) % 2 === 1)).toBe(true);
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.length).toBeLessThan(60);
  });
});
