import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PxError } from '../../src/errors.js';
import { decodeModel } from '../../src/onnx/decode.js';
import type { InlinePayload, TensorRecord } from '../../src/onnx/proto.js';
import { readModel } from '../../src/onnx/read.js';
import { readTensor, readWeight } from '../../src/onnx/tensor-data.js';
import { loadModel } from '../../src/plan/load.js';
import { type FileSpec, ints, onnxFile, rawBytes, type TestTensor } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';

const folder = mkdtempSync(path.join(tmpdir(), 'px-onnx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec = (tensors: Record<string, TestTensor>, more: Partial<FileSpec> = {}): FileSpec => ({
  inputs: { x: ['n', 4] },
  outputs: ['y'],
  nodes: [['Relu', ['x'], ['y']]],
  tensors,
  ...more,
});
const data = [0.5, -1.25, 2, 0.125, -3, 1, 0, 0.75];

/** The bytes a payload's ranges name, joined. */
function payloadBytes(bytes: Uint8Array, record: TensorRecord): number[] {
  if (record.payload.kind === 'external') throw new Error('external');
  return record.payload.ranges.flatMap(({ start, end }) => Array.from(bytes.subarray(start, end)));
}

describe('payload ranges and values', () => {
  it.each([
    ['raw', 'float32', 'raw', 1],
    ['list', 'float32', 'float', 1],
    ['unpacked', 'float32', 'float', 8],
    ['raw', 'float64', 'raw', 1],
    ['list', 'float64', 'double', 1],
    ['unpacked', 'float64', 'double', 8],
    ['raw', 'float16', 'raw', 1],
    ['list', 'float16', 'int32', 1],
    ['unpacked', 'float16', 'int32', 8],
    ['list', 'bfloat16', 'int32', 1],
    ['raw', 'bfloat16', 'raw', 1],
  ] as const)('%s %s', async (storage, type, kind, runs) => {
    const bytes = onnxFile(spec({ t: { dims: [2, 4], data, type, storage } }));
    const model = decodeModel(bytes);
    const record = model.tensors.get('t')!;
    expect(record).toMatchObject({ name: 't', dims: [2, 4], size: 8, payload: { kind } });
    expect((record.payload as InlinePayload).ranges).toHaveLength(runs);
    if (kind !== 'int32') expect(payloadBytes(bytes, record)).toEqual(Array.from(rawBytes(data, type)));
    expect(Array.from(readTensor(model, record).data)).toEqual(data);
    const weight = await readWeight(model, record);
    expect(weight).toBeInstanceOf(Float32Array);
    expect(Array.from(weight)).toEqual(data);
  });

  it.each(['raw', 'list', 'unpacked'] as const)('whole numbers, %s', (storage) => {
    const bytes = onnxFile(
      spec({
        a: { dims: [3], data: [1, -2, 2 ** 40], type: 'int64', storage },
        b: { dims: [2], data: [-7, 9], type: 'int32', storage },
        c: { dims: [2], data: [1, 0], type: 'bool', storage },
      }),
    );
    const model = decodeModel(bytes);
    const values = (name: string) => Array.from(readTensor(model, model.tensors.get(name)!).data);
    expect([values('a'), values('b'), values('c')]).toEqual([
      [1, -2, 2 ** 40],
      [-7, 9],
      [1, 0],
    ]);
  });

  it('half-precision subnormals, infinities and NaN', () => {
    const bytes = onnxFile(spec({ t: { dims: [4], data: [1, 1, 1, 1], type: 'float16' } }));
    const model = decodeModel(bytes);
    const record = model.tensors.get('t')!;
    const { start } = (record.payload as InlinePayload).ranges[0]!;
    new DataView(bytes.buffer, bytes.byteOffset).setUint16(start, 0x0001, true);
    new DataView(bytes.buffer, bytes.byteOffset).setUint16(start + 2, 0xfc00, true);
    new DataView(bytes.buffer, bytes.byteOffset).setUint16(start + 4, 0x7e00, true);
    new DataView(bytes.buffer, bytes.byteOffset).setUint16(start + 6, 0x83ff, true);
    expect(Array.from(readTensor(model, record).data)).toEqual([
      2 ** -24,
      -Infinity,
      NaN,
      Math.fround(-1023 * 2 ** -24),
    ]);
  });

  it('tensors of Constant nodes, under the name of their output', () => {
    const nodes: FileSpec['nodes'] = [
      ['Constant', [], ['k'], { value: { t: { dims: [4, 2], data } } }],
      ['Constant', [], ['l'], { value_floats: { floats: [1, 2, 3] } }],
      ['MatMul', ['x', 'k'], ['y']],
    ];
    const bytes = onnxFile(spec({}, { nodes }));
    const model = decodeModel(bytes);
    expect(payloadBytes(bytes, model.tensors.get('k')!)).toEqual(Array.from(rawBytes(data)));
    expect(payloadBytes(bytes, model.tensors.get('l')!)).toEqual(Array.from(rawBytes([1, 2, 3])));
    expect(model.tensors.get('l')).toMatchObject({ dims: [3], dataType: 1 });
  });

  it('reads a Constant node as a weight', async () => {
    const nodes: FileSpec['nodes'] = [
      ['Constant', [], ['k'], { value: { t: { dims: [4, 2], data } } }],
      ['MatMul', ['x', 'k'], ['y']],
    ];
    const { plan, weights } = await loadModel(onnxFile(spec({}, { nodes })));
    expect(plan.params).toEqual([{ name: 'k', shape: [4, 2], size: 8, gateOnly: false }]);
    expect(Array.from(weights[0]!)).toEqual(data);
  });
});

describe('external data', () => {
  const external = (location: string, more: object = {}): TestTensor => ({
    dims: [4, 2],
    data: [],
    storage: { location, ...more },
  });
  const nodes: FileSpec['nodes'] = [['MatMul', ['x', 'w'], ['y']]];
  const write = (name: string, tensor: TestTensor) => {
    const file = path.join(folder, name);
    writeFileSync(file, onnxFile(spec({ w: tensor }, { nodes })));
    return file;
  };

  it('is read at its offset, and counts in the digest', async () => {
    mkdirSync(path.join(folder, 'sub'), { recursive: true });
    writeFileSync(path.join(folder, 'sub', 'w.bin'), Buffer.concat([Buffer.alloc(64), rawBytes(data)]));
    const file = write('ok.onnx', external('sub/w.bin', { offset: 64, length: 32 }));
    const before = await loadModel(file);
    expect(Array.from(before.weights[0]!)).toEqual(data);
    writeFileSync(
      path.join(folder, 'sub', 'w.bin'),
      Buffer.concat([Buffer.alloc(64), rawBytes(data.map((v) => v + 1))]),
    );
    expect((await readModel(file)).sha256).not.toBe(before.sha256);
  });

  it.each([
    ['an absolute path', path.join(folder, 'a.bin'), /only files inside/],
    ['a path upwards', '../a.bin', /only files inside/],
    ['a path upwards, Windows style', 'sub\\..\\..\\a.bin', /only files inside/],
    ['a missing file', 'missing.bin', /cannot be read/],
    ['a folder', 'sub', /not a regular file/],
  ])('%s is refused', async (_, location, why) => {
    mkdirSync(path.join(folder, 'sub'), { recursive: true });
    await expect(loadModel(write('bad.onnx', external(location)))).rejects.toThrow(why);
  });

  it('a link out of the folder is refused, a file too short as well, and bytes have no folder', async () => {
    const outside = mkdtempSync(path.join(tmpdir(), 'px-out-'));
    writeFileSync(path.join(outside, 'w.bin'), rawBytes(data));
    symlinkSync(path.join(outside, 'w.bin'), path.join(folder, 'link.bin'));
    await expect(loadModel(write('link.onnx', external('link.bin')))).rejects.toThrow(
      /link out of the model's folder/,
    );
    writeFileSync(path.join(folder, 'short.bin'), rawBytes(data.slice(1)));
    await expect(loadModel(write('short.onnx', external('short.bin')))).rejects.toThrow(/it has 28 bytes/);
    await expect(loadModel(write('length.onnx', external('short.bin', { length: 28 })))).rejects.toThrow(
      /needs 32/,
    );
    await expect(loadModel(onnxFile(spec({ w: external('short.bin') }, { nodes })))).rejects.toMatchObject({
      code: 'ERR_OPTION',
    });
    rmSync(outside, { recursive: true });
  });
});

describe('files that are not what they should be', () => {
  const good = onnxFile(
    spec(
      { w: { dims: [4, 2], data }, s: ints(2, -1) },
      {
        nodes: [
          ['Constant', [], ['k'], { value: { t: { dims: [2, 4], data, storage: 'list' } } }],
          ['MatMul', ['x', 'w'], ['a']],
          ['MatMul', ['a', 'k'], ['y']],
        ],
      },
    ),
  );

  async function outcome(bytes: Uint8Array): Promise<'ok' | PxError> {
    try {
      await loadModel(bytes);
      return 'ok';
    } catch (error) {
      if (!(error instanceof PxError)) throw error;
      return error;
    }
  }

  it('cut off anywhere: an error that says so, or nothing but optional parts missing', async () => {
    expect(await outcome(good)).toBe('ok');
    for (let length = 0; length < good.length; length++)
      expect(await outcome(good.subarray(0, length))).toBeInstanceOf(PxError);
  });

  it('bytes changed at random: a model or a PxError, never anything else', async () => {
    const next = uniform(20_240_607);
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from(good);
      for (let k = 0; k <= round % 3; k++)
        bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      await outcome(bytes);
    }
  });

  it.each<[string, TestTensor, RegExp]>([
    ['fewer raw bytes than the shape needs', { dims: [4, 3], data }, /raw data has 32 bytes .* needs 48/],
    ['fewer listed elements', { dims: [4, 3], data, storage: 'list' }, /holds 8 elements .* needs 12/],
    ['a negative dimension', { dims: [-4, -2], data }, /negative dimension/],
    ['a shape that overflows', { dims: [2 ** 40, 2 ** 40], data }, /overflows/],
  ])('%s', (_, tensor, why) => {
    expect(() => decodeModel(onnxFile(spec({ t: tensor })))).toThrow(why);
    expect(() => decodeModel(onnxFile(spec({ t: tensor })))).toThrow(
      expect.objectContaining({ code: 'ERR_FILE' }),
    );
  });

  it('names the file', async () => {
    const file = path.join(folder, 'text.onnx');
    writeFileSync(file, 'this is not a model, it is text');
    await expect(loadModel(file)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(file),
    });
    writeFileSync(file, '');
    await expect(loadModel(file)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('empty'),
    });
    await expect(loadModel(path.join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(loadModel(folder)).rejects.toMatchObject({ message: expect.stringContaining(folder) });
  });
});
