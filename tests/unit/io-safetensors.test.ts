import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float16ToNumber } from '../../src/io/dtype.js';
import type { SafeTensor } from '../../src/io/safetensors.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  openSafetensors,
  readSafetensors,
  writeSafetensors,
} from '../../src/io/safetensors.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file from a hand-written header; the data is `size` zero bytes. */
function fileOf(header: string | Uint8Array, size: number): Uint8Array {
  const json = Buffer.from(header);
  const out = Buffer.alloc(8 + json.length + size);
  out.writeBigUInt64LE(BigInt(json.length));
  json.copy(out, 8);
  return new Uint8Array(out);
}

const every: [string, SafeTensor][] = [
  ['f32', { dtype: 'F32', shape: [2, 2], data: new Float32Array([1, -2.5, 3e-40, Infinity]) }],
  ['u8', { dtype: 'U8', shape: [3], data: new Uint8Array([1, 2, 255]) }],
  ['f16', { dtype: 'F16', shape: [1], data: new Uint16Array([0x3c00]) }],
  ['bf16', { dtype: 'BF16', shape: [2, 1], data: new Uint16Array([0x3f80, 0xc000]) }],
  ['f64', { dtype: 'F64', shape: [1], data: new Float64Array([0.1]) }],
  ['i8', { dtype: 'I8', shape: [2], data: new Int8Array([-1, 5]) }],
  ['i16', { dtype: 'I16', shape: [1], data: new Int16Array([-300]) }],
  ['i32', { dtype: 'I32', shape: [1], data: new Int32Array([-70000]) }],
  ['i64', { dtype: 'I64', shape: [1], data: new BigInt64Array([-5_000_000_000n]) }],
  ['bool', { dtype: 'BOOL', shape: [2], data: new Uint8Array([0, 1]) }],
  ['scalar', { dtype: 'F32', shape: [], data: new Float32Array([7]) }],
  ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
  ['1', { dtype: 'U8', shape: [1], data: new Uint8Array([9]) }],
  ['__proto__', { dtype: 'U8', shape: [1], data: new Uint8Array([8]) }],
];

describe('round trip', () => {
  it('keeps every dtype, shape, name and the metadata, in memory and on disk', async () => {
    const tensors = new Map(every);
    const metadata = { tool: 'test "quoted"', unit: 'µ' };
    const path = join(folder, 'all.safetensors');
    await writeSafetensors(path, tensors, metadata);
    expect(new Uint8Array(await readFile(path))).toEqual(encodeSafetensors(tensors, metadata));
    for (const got of [await readSafetensors(path), decodeSafetensors(await readFile(path))]) {
      expect(got.metadata).toEqual(metadata);
      expect(new Map([...got.tensors].sort())).toEqual(new Map([...tensors].sort()));
    }
  });

  it('aligns every tensor to its element size', async () => {
    const path = join(folder, 'aligned.safetensors');
    await writeSafetensors(path, new Map(every));
    const file = await openSafetensors(path);
    for (const [name, { data }] of every) expect(file.info(name).start % data.BYTES_PER_ELEMENT).toBe(0);
    await file.close();
  });

  it('reads values as float32 and slices of a tensor', async () => {
    const path = join(folder, 'lazy.safetensors');
    await writeSafetensors(path, new Map(every));
    const file = await openSafetensors(path);
    expect(await file.readFloat32('bf16')).toEqual(new Float32Array([1, -2]));
    expect(await file.readFloat32('i64')).toEqual(new Float32Array([-5e9]));
    expect(await file.readSlice('u8', 1, 2)).toEqual(new Uint8Array([2, 255]));
    await expect(file.readSlice('u8', 2, 2)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    expect(() => file.info('missing')).toThrow(/"missing"/);
    await file.close();
  });

  it('reads an unaligned tensor of a foreign file', () => {
    const bytes = fileOf(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}',
      5,
    );
    new DataView(bytes.buffer).setFloat32(bytes.length - 4, 1.5, true);
    expect(decodeSafetensors(bytes).tensors.get('b')?.data).toEqual(new Float32Array([1.5]));
  });

  it('refuses to write data that does not fit its shape or dtype', () => {
    const wrong = (tensor: SafeTensor) => () => encodeSafetensors(new Map([['w', tensor]]));
    expect(wrong({ dtype: 'F32', shape: [3], data: new Float32Array(2) })).toThrow(/"w".*\[3\]/);
    expect(wrong({ dtype: 'F16', shape: [2], data: new Float32Array(2) })).toThrow(/F16/);
  });
});

describe('hostile and damaged files', () => {
  const one = (entry: string) => `{"a":${entry}}`;
  it.each<[string, Uint8Array, RegExp]>([
    ['too short', new Uint8Array(3), /too few/],
    ['header longer than the file', new Uint8Array([255, 0, 0, 0, 0, 0, 0, 0, 123, 125]), /does not fit/],
    ['header of 2^63 bytes', new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128, 123, 125]), /does not fit/],
    ['no JSON', fileOf('{"a"', 0), /JSON/],
    ['invalid UTF-8', fileOf(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 0), /JSON/],
    ['a list', fileOf('[]', 0), /JSON object/],
    ['unknown dtype', fileOf(one('{"dtype":"F8_E5M2","shape":[1],"data_offsets":[0,1]}'), 1), /"a".*F8_E5M2/],
    ['inherited dtype', fileOf(one('{"dtype":"toString","shape":[1],"data_offsets":[0,1]}'), 1), /dtype/],
    ['negative size', fileOf(one('{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}'), 1), /shape/],
    ['fractional size', fileOf(one('{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}'), 1), /shape/],
    [
      'overflowing shape',
      fileOf(one('{"dtype":"U8","shape":[4503599627370496,4503599627370496],"data_offsets":[0,1]}'), 1),
      /do not match/,
    ],
    [
      'shape against bytes',
      fileOf(one('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'), 4),
      /4 bytes.*F32 \[2\]/,
    ],
    ['reversed offsets', fileOf(one('{"dtype":"U8","shape":[1],"data_offsets":[1,0]}'), 1), /do not match/],
    ['offsets past the end', fileOf(one('{"dtype":"U8","shape":[9],"data_offsets":[0,9]}'), 1), /truncated/],
    [
      'unclaimed bytes',
      fileOf(one('{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'), 2),
      /truncated or damaged/,
    ],
    [
      'a hole',
      fileOf(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}',
        3,
      ),
      /hole/,
    ],
    [
      'overlap',
      fileOf(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        3,
      ),
      /overlaps/,
    ],
    ['metadata that is no text', fileOf('{"__metadata__":{"a":1}}', 0), /__metadata__/],
  ])('%s is an ERR_FILE that says so', async (name, bytes, message) => {
    const path = join(folder, `${name.replaceAll(/\W/g, '-')}.safetensors`);
    await writeFile(path, bytes);
    const expected = { code: 'ERR_FILE', message: expect.stringMatching(message) };
    await expect(openSafetensors(path)).rejects.toMatchObject(expected);
    await expect(openSafetensors(path)).rejects.toThrow(path);
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('notices a file cut off between opening and reading', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeSafetensors(path, new Map([['w', { dtype: 'U8', shape: [100], data: new Uint8Array(100) }]]));
    const file = await openSafetensors(path);
    await truncate(path, 120);
    await expect(file.read('w')).rejects.toMatchObject({ code: 'ERR_FILE' });
    await file.close();
  });

  it('names a missing file and the remedy', async () => {
    await expect(openSafetensors(join(folder, 'none'))).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(/none.*no such file.*ENOENT/),
    });
  });
});

describe('float16', () => {
  it.each([
    [0x0000, 0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0xfbff, -65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ])('%i is %d', (bits, value) => expect(float16ToNumber(bits)).toBe(value));
});
