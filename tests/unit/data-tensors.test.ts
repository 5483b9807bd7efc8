import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/io/data/open-dataset.js';
import type { DatasetOptions } from '../../src/io/data/options.js';
import type { SafeTensor } from '../../src/io/safetensors.js';
import { encodeSafetensors } from '../../src/io/safetensors.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-tensors-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(folder, name), bytes);
  return join(folder, name);
}

async function load(path: string, shape: number[], options: DatasetOptions = {}): Promise<Float32Array> {
  const data = await openDataset([path], { shape }, options);
  try {
    for await (const x of data.batches([data.length])) return x;
  } finally {
    await data.close();
  }
  throw new Error('no batch');
}

/** A .npy file with this header dictionary. */
function npy(header: string, data: ArrayBufferView, version = 1): Uint8Array {
  const lengthBytes = version === 1 ? 2 : 4;
  const out = Buffer.alloc(8 + lengthBytes + header.length + data.byteLength);
  out.set([0x93, ...Buffer.from('NUMPY'), version, 0]);
  if (version === 1) out.writeUInt16LE(header.length, 8);
  else out.writeUInt32LE(header.length, 8);
  out.write(header, 8 + lengthBytes, 'latin1');
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 8 + lengthBytes + header.length);
  return out;
}

const header = (descr: string, shape: string, order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }   \n`;

describe('.npy', () => {
  it.each<[string, ArrayBufferView, number[]]>([
    ['<f4', new Float32Array([1, -2.5, 3, 4]), [1, -2.5, 3, 4]],
    ['<f8', new Float64Array([0.1, 2, 3, 4]), [Math.fround(0.1), 2, 3, 4]],
    ['<f2', new Uint16Array([0x3c00, 0xc000, 0, 0x4200]), [1, -2, 0, 3]],
    ['|u1', new Uint8Array([0, 1, 128, 255]), [0, 1, 128, 255]],
    ['|i1', new Int8Array([-1, 1, -128, 127]), [-1, 1, -128, 127]],
    ['<i8', new BigInt64Array([-1n, 2n, 3n, 4n]), [-1, 2, 3, 4]],
  ])('of %s is used as it is', async (descr, data, want) => {
    for (const version of [1, 2, 3]) {
      const path = await file('x.npy', npy(header(descr, '2, 2'), data, version));
      expect([...(await load(path, [2]))]).toEqual(want);
    }
  });

  it('names its samples', async () => {
    const data = await openDataset([await file('x.npy', npy(header('<f4', '2, 1'), new Float32Array(2)))], {
      shape: [1],
    });
    expect(data.samples).toEqual([{ id: 'x.npy#0' }, { id: 'x.npy#1' }]);
    await data.close();
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    ['no npy', new Uint8Array(20), 'ERR_FILE', /not a \.npy/],
    ['empty', new Uint8Array(0), 'ERR_FILE', /not a \.npy/],
    ['a future version', npy(header('<f4', '2, 2'), new Float32Array(4), 4), 'ERR_FILE', /format 4/],
    ['big endian', npy(header('>f4', '2, 2'), new Float32Array(4)), 'ERR_FILE', />f4.*float32/],
    [
      'a type every object has',
      npy(header('constructor', '2, 2'), new Float32Array(4)),
      'ERR_FILE',
      /type constructor is not/,
    ],
    ['objects', npy(header('|O', '2, 2'), new Float32Array(4)), 'ERR_FILE', /\|O/],
    [
      'Fortran order',
      npy(header('<f4', '2, 2', 'True'), new Float32Array(4)),
      'ERR_FILE',
      /ascontiguousarray/,
    ],
    [
      'too short',
      npy(header('<f4', '2, 2'), new Float32Array(3)),
      'ERR_FILE',
      /needs \d+ bytes, the file has/,
    ],
    ['too long', npy(header('<f4', '2, 2'), new Float32Array(5)), 'ERR_FILE', /needs \d+ bytes/],
    ['overflowing', npy(header('<f4', '4294967296, 4294967296'), new Float32Array(4)), 'ERR_FILE', /needs/],
    ['a bad shape', npy(header('<f4', '2, -2'), new Float32Array(4)), 'ERR_FILE', /describe an array/],
    [
      'a header past the end',
      npy(header('<f4', '2, 2'), new Float32Array(0)).slice(0, 30),
      'ERR_FILE',
      /header of/,
    ],
    ['another shape', npy(header('<f4', '2, 3'), new Float32Array(6)), 'ERR_DATA', /\[2, 3\].*\[N, 2\]/],
    [
      'one sample without axis',
      npy(header('<f4', '2,'), new Float32Array(2)),
      'ERR_DATA',
      /leading axis of 1/,
    ],
    ['no samples', npy(header('<f4', '0, 2'), new Float32Array(0)), 'ERR_DATA', /N ≥ 1/],
  ])('%s is refused', async (_, bytes, code, message) => {
    const path = await file('x.npy', bytes);
    await expect(load(path, [2])).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await expect(load(path, [2])).rejects.toThrow(path);
  });

  it('with NaN or infinity names the sample', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const path = await file('x.npy', npy(header('<f4', '2, 2'), new Float32Array([1, 2, 3, bad])));
      await expect(load(path, [2])).rejects.toMatchObject({
        code: 'ERR_DATA',
        message: expect.stringMatching(/sample 1.*index 1/),
      });
      const data = await openDataset([path], { shape: [2] }, { skipBad: true });
      expect([data.length, data.skipped.map(({ id }) => id)]).toEqual([1, ['x.npy#1']]);
      await data.close();
    }
    const wide = await file('wide.npy', npy(header('<f8', '1, 2'), new Float64Array([1e300, 0])));
    await expect(load(wide, [2])).rejects.toMatchObject({ code: 'ERR_DATA' });
  });
});

describe('safetensors', () => {
  const x: SafeTensor = { dtype: 'F32', shape: [3, 2], data: new Float32Array([1, 2, 3, 4, 5, 6]) };
  const write = (tensors: Record<string, SafeTensor>) =>
    file('d.safetensors', encodeSafetensors(new Map(Object.entries(tensors))));

  it('with x and y give samples with classes', async () => {
    const path = await write({ x, y: { dtype: 'I64', shape: [3], data: new BigInt64Array([7n, 3n, 7n]) } });
    const data = await openDataset([path], { shape: [2] }, { perClass: 'all' });
    expect(data.samples.map(({ label }) => label)).toEqual([7, 3, 7]);
    expect([...(await load(path, [2], { perClass: 'all' }))]).toEqual([1, 2, 3, 4, 5, 6]);
    await data.close();
  });

  it('with x alone have no classes; other tensors are named', async () => {
    const data = await openDataset([await write({ x, z: x })], { shape: [2] });
    expect(data.samples[2]).toEqual({ id: 'd.safetensors#2' });
    expect(data.notes.join()).toMatch(/left out \(z\)/);
    await data.close();
  });

  it.each<[string, Record<string, SafeTensor>, RegExp]>([
    ['without x', { z: x }, /no tensor "x" \(but z\)/],
    ['of another shape', { x: { ...x, shape: [2, 3] } }, /\[2, 3\].*\[N, 2\]/],
    [
      'with too few classes',
      { x, y: { dtype: 'U8', shape: [2], data: new Uint8Array(2) } },
      /3 integer classes/,
    ],
    [
      'with fractional classes',
      { x, y: { dtype: 'F32', shape: [3], data: new Float32Array(3) } },
      /3 integer classes/,
    ],
  ])('%s are refused', async (_, tensors, message) => {
    await expect(openDataset([await write(tensors)], { shape: [2] })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });
});

describe('CIFAR files', () => {
  it('of ten classes give planes, labels and the CIFAR preset', async () => {
    const bytes = syntheticImages(1, 3);
    const path = await file('a.bin', bytes);
    const data = await openDataset([path], { shape: [3, 32, 32] });
    expect(data.samples).toEqual(Array.from({ length: 10 }, (_, i) => ({ id: `a.bin#${i}`, label: i })));
    expect(data.notes.join('\n')).toMatch(/10 CIFAR-10 images.*preset cifar10 \(the default\)/);
    await data.close();
    const raw = await load(path, [3, 32, 32], { preset: 'none', scale: 1 });
    for (let i = 0; i < 10; i++) {
      const planes = bytes.subarray(i * 3073 + 1, (i + 1) * 3073);
      expect(raw.subarray(i * 3072, (i + 1) * 3072)).toEqual(Float32Array.from(planes));
    }
    const normal = await load(path, [3, 32, 32]);
    expect(normal[1024]).toBeCloseTo((bytes[1025]! / 255 - 0.4822) / 0.2435, 5);
  });

  it('of a hundred classes give the fine label', async () => {
    const bytes = new Uint8Array(2 * 3074);
    bytes.set([19, 99], 0);
    bytes.set([3, 42, 77], 3074);
    const path = await file('c100.bin', bytes);
    const data = await openDataset(
      [path],
      { shape: [3, 32, 32] },
      { perClass: 'all', preset: 'none', scale: 1 },
    );
    expect(data.samples.map(({ label }) => label)).toEqual([99, 42]);
    for await (const x of data.batches([1, 1])) expect([0, 77]).toContain(x[0]);
    await data.close();
  });

  it('are resized for models of other sizes, and made grey', async () => {
    const path = await file('a.bin', syntheticImages(1, 3));
    expect(await load(path, [3, 48, 48])).toHaveLength(10 * 3 * 48 * 48);
    expect(await load(path, [28, 28, 1])).toHaveLength(10 * 28 * 28);
  });

  it.each<[string, Uint8Array, RegExp]>([
    [
      'of no fitting size',
      new Uint8Array(3073 * 2 + 1),
      /6147 bytes are no multiple of CIFAR-10's 3073.*3074/,
    ],
    ['that are empty', new Uint8Array(0), /no multiple/],
    ['with a label out of range', new Uint8Array(3073).fill(10), /record 0 has label 10/],
  ])('%s are refused', async (_, bytes, message) => {
    await expect(openDataset([await file('a.bin', bytes)], { shape: [3, 32, 32] })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('that fit both formats are decided by their labels, and refused where these fit both', async () => {
    const bytes = new Uint8Array(3073 * 3074);
    const path = await file('both.bin', bytes);
    await expect(openDataset([path], { shape: [3, 32, 32] })).rejects.toThrow(
      /could be CIFAR-10 or CIFAR-100/,
    );
    bytes[3074 * 5 + 1] = 99; // a fine label; as CIFAR-10 it is a pixel
    bytes[3073 * 7] = 200; // a pixel; as CIFAR-10 it is a label
    await file('both.bin', bytes);
    const data = await openDataset([path], { shape: [3, 32, 32] }, { perClass: 'all' });
    expect([data.length, data.samples[5]!.label]).toEqual([3073, 99]);
    await data.close();
  });

  it('cut off after opening are an ERR_FILE', async () => {
    const path = await file('a.bin', syntheticImages(1, 3));
    const data = await openDataset([path], { shape: [3, 32, 32] });
    await truncate(path, 5000);
    await expect(data.digest()).rejects.toMatchObject({ code: 'ERR_FILE' });
    await data.close();
  });
});

describe('sources', () => {
  it('of unknown kind, missing, or none at all are refused', async () => {
    const shape = [2];
    await expect(openDataset([], { shape })).rejects.toMatchObject({ code: 'ERR_OPTION' });
    await expect(openDataset([await file('a.csv', new Uint8Array(1))], { shape })).rejects.toThrow(
      /a\.csv: unknown kind/,
    );
    await expect(openDataset([join(folder, 'no.npy')], { shape })).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(openDataset([folder], { shape: [3, -1, 4] })).rejects.toThrow(/not fixed/);
  });

  it('that are whole bad files can be left out', async () => {
    const good = await file('good.npy', npy(header('<f4', '1, 2'), new Float32Array(2)));
    const bad = await file('bad.npy', new Uint8Array(40));
    const data = await openDataset([bad, good], { shape: [2] }, { skipBad: true });
    expect(data.samples).toEqual([{ id: 'good.npy#0' }]);
    expect(data.skipped).toEqual([{ id: bad, reason: expect.stringContaining('not a .npy') }]);
    await data.close();
    await mkdir(join(folder, 'empty'));
  });
});
