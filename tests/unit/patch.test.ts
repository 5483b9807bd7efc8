import { createHash } from 'node:crypto';
import { link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newModel } from '../../src/models/new-model.js';
import { encodeMetadataEntries } from '../../src/onnx/metadata-props.js';
import { DENSITY_KEY, writePruned } from '../../src/onnx/patch.js';
import { readModel } from '../../src/onnx/read.js';
import { zeroPiece } from '../../src/onnx/zero-elements.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-patch-'));
});
afterEach(() => rm(folder, { recursive: true }));

type Write = (writer: BinaryWriter) => void;
const message =
  (field: number, write: Write): Write =>
  (w) => {
    w.tag(field, WireType.LengthDelimited).fork();
    write(w);
    w.join();
  };
const text =
  (field: number, value: string): Write =>
  (w) =>
    void w.tag(field, WireType.LengthDelimited).string(value);
const int =
  (field: number, value: number): Write =>
  (w) =>
    void w.tag(field, WireType.Varint).int64(value);
const all =
  (...writes: Write[]): Write =>
  (w) => {
    for (const write of writes) write(w);
  };

const FLOAT = 1;
const FLOAT16 = 10;
const DOUBLE = 11;
const BFLOAT16 = 16;

/** A TensorProto body of five elements; `payload` writes the data fields. */
const tensor = (name: string, type: number, payload: Write): Write =>
  all(int(1, 5), int(2, type), payload, text(8, name), (w) => void w.tag(99, WireType.Varint).int64(7));

const VALUES = [1.5, -2, 3, -4.25, 5];
const HALVES = [0x3e00, 0xc000, 0x4200, 0xc440, 0x4500]; // the same values as float16

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const raw =
  (array: ArrayBufferView): Write =>
  (w) =>
    void w.tag(9, WireType.LengthDelimited).bytes(bytesOf(array));
const packed = (field: number, each: Write[]): Write => message(field, all(...each));
const float =
  (value: number): Write =>
  (w) =>
    void w.float(value);

/** Every way in which a file can hold float weights. */
const STORED: Record<string, Write> = {
  raw: tensor('w', FLOAT, raw(new Float32Array(VALUES))),
  'raw float16': tensor('w', FLOAT16, raw(new Uint16Array(HALVES))),
  'raw bfloat16': tensor('w', BFLOAT16, raw(new Uint16Array([1, 2, 3, 4, 5]))),
  'raw float64': tensor('w', DOUBLE, raw(new Float64Array(VALUES))),
  'packed float_data': tensor('w', FLOAT, packed(4, VALUES.map(float))),
  'unpacked float_data': tensor(
    'w',
    FLOAT,
    all(
      ...VALUES.map(
        (v): Write =>
          (w) =>
            void w.tag(4, WireType.Bit32).float(v),
      ),
    ),
  ),
  'packed double_data': tensor(
    'w',
    DOUBLE,
    packed(
      10,
      VALUES.map(
        (v): Write =>
          (w) =>
            void w.double(v),
      ),
    ),
  ),
  'unpacked double_data': tensor(
    'w',
    DOUBLE,
    all(
      ...VALUES.map(
        (v): Write =>
          (w) =>
            void w.tag(10, WireType.Bit64).double(v),
      ),
    ),
  ),
  'packed int32_data': tensor(
    'w',
    FLOAT16,
    packed(
      5,
      HALVES.map(
        (v): Write =>
          (w) =>
            void w.int32(v),
      ),
    ),
  ),
  'unpacked int32_data': tensor('w', FLOAT16, all(...HALVES.map((v) => int(5, v)))),
};

/** A model "x + w" around an initializer or a Constant node, with fields no parser here knows. */
function modelWith(body: Write, constant = false): Uint8Array {
  const writer = new BinaryWriter();
  const value = (field: number): Write =>
    message(
      field,
      all(
        text(1, field === 11 ? 'x' : 'y'),
        message(2, message(1, all(int(1, FLOAT), message(2, message(1, int(1, 5)))))),
      ),
    );
  const node = (op: string, inputs: string[], output: string, attribute: Write = () => {}): Write =>
    message(
      1,
      all(...inputs.map((name) => text(1, name)), text(2, output), text(3, op), text(4, op), attribute),
    );
  const weight = constant
    ? node('Constant', [], 'w', message(5, all(text(1, 'value'), message(5, body), int(20, 4))))
    : message(5, body);
  const graph = all(
    weight,
    node('Add', ['x', 'w'], 'y'),
    text(2, 'g'),
    value(11),
    value(12),
    text(1234, 'unknown in graph'),
  );
  all(
    int(1, 8),
    message(7, graph),
    message(8, int(2, 17)),
    text(777, 'unknown at the top'),
    message(14, all(text(1, 'author'), text(2, 'me'))),
  )(writer);
  return writer.finish();
}

const KEEP_ALL = new Uint8Array([0b11111]);
const KEEP_0_AND_3 = new Uint8Array([0b01001]);

async function prune(
  input: Uint8Array,
  mask: Uint8Array,
  name = 'w',
): Promise<{ input: Uint8Array; output: Uint8Array }> {
  const from = join(folder, 'in.onnx');
  const to = join(folder, 'out.onnx');
  await writeFile(from, input);
  const { model } = await readModel(from);
  expect(await writePruned(model, new Map([[name, mask]]), to)).toEqual([to]);
  expect(new Uint8Array(await readFile(from))).toEqual(input);
  return { input, output: new Uint8Array(await readFile(to)) };
}

/** Byte positions of the part both files have in which they differ. */
function differences(a: Uint8Array, b: Uint8Array): number[] {
  return [...a.keys()].filter((i) => a[i] !== b[i]);
}

describe.each(Object.keys(STORED))('weights in %s', (kind) => {
  const input = modelWith(STORED[kind]!);

  it('with nothing masked are the input and metadata', async () => {
    const { output } = await prune(input, KEEP_ALL);
    const appendix = encodeMetadataEntries(new Map([[`${DENSITY_KEY}w`, '1']]));
    expect(output).toEqual(new Uint8Array(Buffer.concat([input, appendix])));
  });

  it('are zero exactly where masked', async () => {
    const { output } = await prune(input, KEEP_0_AND_3);
    const changed = differences(input, output);
    const { model } = await readModel(output);
    const { payload } = model.tensors.get('w')!;
    if (payload.kind === 'external') throw new Error('unexpected');
    // Rebuild the element stream and compare element by element with the input's.
    const elements = (bytes: Uint8Array) => {
      const stream = Buffer.concat(payload.ranges.map(({ start, end }) => bytes.subarray(start, end)));
      if (payload.kind !== 'int32') {
        const width = stream.length / 5;
        return [0, 1, 2, 3, 4].map((j) => [...stream.subarray(j * width, (j + 1) * width)]);
      }
      const list: number[][] = [[]];
      for (const byte of stream) {
        list.at(-1)!.push(byte);
        if (byte < 0x80) list.push([]);
      }
      return list.slice(0, -1);
    };
    const [before, after] = [elements(input), elements(output)];
    expect(after).toHaveLength(5);
    for (const j of [0, 3]) expect(after[j]).toEqual(before[j]);
    for (const j of [1, 2, 4]) {
      expect(after[j]).toHaveLength(before[j]!.length);
      expect(after[j]!.every((byte) => (byte & 0x7f) === 0)).toBe(true);
    }
    const within = (i: number) => payload.ranges.some(({ start, end }) => i >= start && i < end);
    expect(changed.every(within)).toBe(true);
    expect(changed.length).toBeGreaterThan(0);
    expect(model.metadata.get(`${DENSITY_KEY}w`)).toBe('0.4');
    expect(model.metadata.get('author')).toBe('me');
  });
});

it('weights in a Constant node are masked under its output name', async () => {
  const { output } = await prune(modelWith(STORED.raw!, true), KEEP_0_AND_3);
  const session = await InferenceSession.create(output, { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new Tensor('float32', new Float32Array(5), [5]) });
  expect([...(y!.data as Float32Array)]).toEqual([1.5, 0, 0, -4.25, 0]);
});

it.each(['unpacked float_data', 'packed float_data'])('onnxruntime reads patched %s', async (kind) => {
  const { output } = await prune(modelWith(STORED[kind]!), KEEP_0_AND_3);
  const session = await InferenceSession.create(output, { logSeverityLevel: 4 });
  const { y } = await session.run({ x: new Tensor('float32', new Float32Array(5), [5]) });
  expect([...(y!.data as Float32Array)]).toEqual([1.5, 0, 0, -4.25, 0]);
});

it.each(['packed int32_data', 'unpacked int32_data'])(
  'onnxruntime reads long zero varints of %s',
  async (kind) => {
    const patched = (await prune(modelWith(STORED[kind]!), KEEP_0_AND_3)).output;
    // The graph adds float16 to float32; only the type of the graph's values has to change for a valid model.
    const output = Uint8Array.from(patched);
    const valueType = Buffer.from([0x0a, 0x08, 0x08, FLOAT, 0x12, 0x04]); // tensor_type { elem_type, shape of one dim }
    for (
      let at = Buffer.from(output).indexOf(valueType);
      at >= 0;
      at = Buffer.from(output).indexOf(valueType)
    )
      output[at + 3] = FLOAT16;
    const session = await InferenceSession.create(output, { logSeverityLevel: 4 });
    const { y } = await session.run({ x: new Tensor('float16', new Uint16Array(5), [5]) });
    const { data } = y as Tensor;
    expect(Array.from(data as ArrayLike<number>)).toEqual(
      data instanceof Uint16Array ? [HALVES[0], 0, 0, HALVES[3], 0] : [1.5, 0, 0, -4.25, 0],
    );
  },
);

it('pruning again replaces the metadata, so that no key occurs twice', async () => {
  const first = await prune(modelWith(STORED.raw!), KEEP_0_AND_3);
  const second = await prune(first.output, new Uint8Array([0b00001]));
  expect(second.output.length).toBe(first.output.length);
  const { model } = await readModel(second.output);
  expect(model.metadata.get(`${DENSITY_KEY}w`)).toBe('0.2');
  expect(Buffer.from(second.output).toString('latin1').split(DENSITY_KEY)).toHaveLength(2);
});

it("adds the caller's metadata", async () => {
  const { model } = await readModel(modelWith(STORED.raw!));
  const to = join(folder, 'out.onnx');
  await writePruned(model, new Map([['w', KEEP_ALL]]), to, { tool: 'px', author: 'you' });
  const written = await readModel(to);
  expect([...written.model.metadata]).toEqual([
    ['tool', 'px'],
    ['author', 'you'],
    [`${DENSITY_KEY}w`, '1'],
  ]);
});

it('a network pruned to random masks computes as with its weights set to zero', async () => {
  const bytes = newModel('resnet20', { seed: 2 });
  const { model } = await readModel(bytes);
  const masks = new Map<string, Uint8Array>();
  const direct = Uint8Array.from(bytes);
  for (const { name, dims, size, payload } of model.tensors.values()) {
    if (dims.length < 2) continue;
    const mask = new Uint8Array(Math.ceil(size / 8)).map((_, i) => (i * 37 + 11) & 0xff);
    masks.set(name, mask);
    if (payload.kind !== 'raw') throw new Error('unexpected');
    for (let j = 0; j < size; j++) {
      if (!((mask[j >> 3]! >> (j & 7)) & 1))
        direct.fill(0, payload.ranges[0]!.start + 4 * j, payload.ranges[0]!.start + 4 * j + 4);
    }
  }
  const to = join(folder, 'out.onnx');
  await writePruned(model, masks, to);
  const output = await readFile(to);
  expect(createHash('sha256').update(output.subarray(0, direct.length)).digest('hex')).toBe(
    createHash('sha256').update(direct).digest('hex'),
  );
  const x = {
    input: new Tensor(
      'float32',
      Float32Array.from({ length: 3072 }, (_, i) => Math.sin(i)),
      [1, 3, 32, 32],
    ),
  };
  const run = async (file: Uint8Array) =>
    (await (await InferenceSession.create(file, { logSeverityLevel: 3 })).run(x)).logits!.data;
  expect(await run(output)).toEqual(await run(direct));
  expect(await run(output)).not.toEqual(await run(bytes));
});

describe('external data', () => {
  const external = (location: string, offset: number, name: string): Write =>
    tensor(
      name,
      FLOAT,
      all(
        message(13, all(text(1, 'location'), text(2, location))),
        message(13, all(text(1, 'offset'), text(2, String(offset)))),
        message(13, all(text(1, 'length'), text(2, '20'))),
        int(14, 1),
      ),
    );

  /** Two tensors in one data file, with other bytes around them. */
  async function save(at: string, location = 'data/w.bin', offsets = [8, 40]): Promise<Float32Array> {
    const data = Float32Array.from({ length: 20 }, (_, i) => i + 1);
    await mkdir(join(at, 'data'), { recursive: true });
    await writeFile(join(at, location), bytesOf(data));
    const bytes = modelWith(all(external(location, offsets[0]!, 'w')));
    const second = new BinaryWriter();
    message(5, external(location, offsets[1]!, 'v'))(second);
    await writeFile(join(at, 'in.onnx'), insertIntoGraph(bytes, second.finish()));
    return data;
  }

  /** Protobuf joins two occurrences of a message, but this reader wants one graph: rebuild its length. */
  function insertIntoGraph(model: Uint8Array, field: Uint8Array): Uint8Array {
    const start = Buffer.from(model).indexOf(0x3a); // field 7, length-delimited
    const varint = model[start + 1]! < 0x80 ? 1 : 2;
    const length = varint === 1 ? model[start + 1]! : (model[start + 1]! & 0x7f) | (model[start + 2]! << 7);
    const body = model.subarray(start + 1 + varint, start + 1 + varint + length);
    const writer = new BinaryWriter();
    writer
      .raw(model.subarray(0, start))
      .tag(7, WireType.LengthDelimited)
      .bytes(Buffer.concat([body, field]));
    return writer.raw(model.subarray(start + 1 + varint + length)).finish();
  }

  it('is copied with masked elements zeroed, the input untouched', async () => {
    const data = await save(folder);
    const { model } = await readModel(join(folder, 'in.onnx'));
    const to = join(folder, 'new', 'out.onnx');
    await mkdir(join(folder, 'new'));
    const masks = new Map([
      ['w', KEEP_0_AND_3],
      ['v', new Uint8Array([0b11110])],
    ]);
    expect(await writePruned(model, masks, to)).toEqual([to, join(folder, 'new', 'data', 'w.bin')]);
    const want = data.slice();
    for (const j of [2 + 1, 2 + 2, 2 + 4, 10 + 0]) want[j] = 0;
    expect(new Uint8Array(await readFile(join(folder, 'new', 'data', 'w.bin')))).toEqual(bytesOf(want));
    expect(new Uint8Array(await readFile(join(folder, 'data', 'w.bin')))).toEqual(bytesOf(data));
    expect(await readdir(join(folder, 'new'))).toEqual(['data', 'out.onnx']);
  });

  it('is never overwritten', async () => {
    const data = await save(folder);
    const { model } = await readModel(join(folder, 'in.onnx'));
    const refused = writePruned(model, new Map([['w', KEEP_0_AND_3]]), join(folder, 'out.onnx'));
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(/w\.bin.*another folder/),
    });
    expect(new Uint8Array(await readFile(join(folder, 'data', 'w.bin')))).toEqual(bytesOf(data));
    expect((await readdir(folder)).sort()).toEqual(['data', 'in.onnx']);
  });

  it('under the name of the new model is refused', async () => {
    await save(folder, 'out.onnx');
    const { model } = await readModel(join(folder, 'in.onnx'));
    await mkdir(join(folder, 'new'));
    await expect(writePruned(model, new Map(), join(folder, 'new', 'out.onnx'))).rejects.toThrow(
      /another name/,
    );
  });

  it('shared by two tensors cannot be masked for one of them', async () => {
    await save(folder, 'data/w.bin', [8, 12]);
    const { model } = await readModel(join(folder, 'in.onnx'));
    await mkdir(join(folder, 'new'));
    const write = (mask: Uint8Array) =>
      writePruned(model, new Map([['w', mask]]), join(folder, 'new', 'out.onnx'));
    await expect(write(KEEP_0_AND_3)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(/"w" and "v"/),
    });
    await expect(write(KEEP_ALL)).resolves.toHaveLength(2);
  });

  it('is zeroed alike however it is cut into pieces', () => {
    const record = {
      name: 'w',
      dims: [5],
      size: 5,
      dataType: FLOAT,
      payload: { kind: 'external', location: '', offset: 0, length: 20 },
    } as const;
    for (let cut = 0; cut <= 30; cut++) {
      const whole = new Uint8Array(30).fill(0xff);
      const origin = 5; // the tensor's first byte in `whole`
      for (const [from, to] of [
        [0, cut],
        [cut, 30],
      ] as const)
        zeroPiece(whole.subarray(from, to), from - origin, record, KEEP_0_AND_3);
      const want = new Uint8Array(30).fill(0xff);
      for (const j of [1, 2, 4]) want.fill(0, origin + 4 * j, origin + 4 * j + 4);
      expect(whole).toEqual(want);
    }
  });
});

describe('refuses', () => {
  it('to overwrite the input, also through a hard link', async () => {
    const from = join(folder, 'in.onnx');
    const bytes = modelWith(STORED.raw!);
    await writeFile(from, bytes);
    await link(from, join(folder, 'same.onnx'));
    const { model } = await readModel(from);
    for (const to of [from, join(folder, 'same.onnx'), join(folder, '.', 'in.onnx')]) {
      await expect(writePruned(model, new Map(), to)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
    expect(new Uint8Array(await readFile(from))).toEqual(bytes);
  });

  it('masks that do not fit, and leaves nothing behind', async () => {
    const { model } = await readModel(modelWith(STORED.raw!));
    const write = (name: string, mask: Uint8Array) =>
      writePruned(model, new Map([[name, mask]]), join(folder, 'out.onnx'));
    await expect(write('nope', KEEP_ALL)).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringContaining('"nope"'),
    });
    await expect(write('w', new Uint8Array(2))).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringContaining('[5]'),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('integer tensors', async () => {
    const { model } = await readModel(modelWith(tensor('w', 6, raw(new Int32Array(5)))));
    await expect(
      writePruned(model, new Map([['w', KEEP_ALL]]), join(folder, 'out.onnx')),
    ).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(/"w".*int32/),
    });
  });
});
