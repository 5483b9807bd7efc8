import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { float16ToNumber } from '../../src/io/dtype.js';
import { type SafeTensor, writeSafetensors } from '../../src/io/safetensors.js';
import { mapMasks } from '../../src/prune/state-dict/map.js';
import { nameAgreement, naturalOrder } from '../../src/prune/state-dict/names.js';
import { roundTo } from '../../src/prune/state-dict/precision.js';
import { ints, onnxFile, type TestNode, type TestTensor } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-map-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const next = uniform(3);
const random = (...dims: number[]): TestTensor & { data: Float32Array } => ({
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => Math.fround(next() * 2 - 1)),
});

/** Conv 3×3, Conv 1×1, MatMul [in, out], Gemm with transB: one tensor each, named as an exporter without names does. */
const weights = {
  '11': random(4, 3, 3, 3),
  '12': random(6, 4, 1, 1),
  '13': random(6, 5),
  '14': random(5, 5),
};
const nodes: TestNode[] = [
  ['Conv', ['x', '11'], ['a'], { pads: { ints: [1, 1, 1, 1] } }],
  ['Relu', ['a'], ['b']],
  ['Conv', ['b', '12'], ['c']],
  ['GlobalAveragePool', ['c'], ['d']],
  ['Flatten', ['d'], ['e']],
  ['MatMul', ['e', '13'], ['f']],
  ['Relu', ['f'], ['g']],
  ['Gemm', ['g', '14'], ['y'], { transB: { i: 1 } }],
];

function model(
  tensors: Record<string, TestTensor>,
  graph = nodes,
  dims: (number | string)[] = ['n', 3, 4, 4],
) {
  return loadModel(onnxFile({ inputs: { x: dims }, outputs: ['y'], tensors, nodes: graph }));
}

/** A random mask for each weight. */
function masksOf(tensors: Record<string, TestTensor>): Map<string, Uint8Array> {
  return new Map(
    Object.entries(tensors).map(([name, { data }]) => [
      name,
      Uint8Array.from(data, () => (next() < 0.4 ? 1 : 0)),
    ]),
  );
}

const f32 = (data: ArrayLike<number>, ...shape: number[]): SafeTensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(data),
});

async function stateDict(tensors: Record<string, SafeTensor>): Promise<string> {
  const path = join(folder, `${Math.floor(next() * 1e9)}.safetensors`);
  await writeSafetensors(path, new Map(Object.entries(tensors)));
  return path;
}

function turned<T extends Uint8Array | Float32Array>(data: T, rows: number, columns: number): T {
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!) as T;
}

/** Weights as PyTorch's layers hold them: the 1×1 convolution as Linear, the MatMul's weight transposed. */
const asTorch = (): Record<string, SafeTensor> => ({
  'head.2.weight': f32(weights['14'].data, 5, 5),
  'head.0.weight': f32(turned(weights['13'].data, 6, 5), 5, 6),
  'mix.weight': f32(weights['12'].data, 6, 4),
  'stem.weight': f32(weights['11'].data, 4, 3, 3, 3),
  'stem.bias': f32([1, 2, 3, 4], 4),
});

describe('mapMasks', () => {
  it('finds weights by their values, in other names, shapes and layouts', async () => {
    const masks = masksOf(weights);
    const { mapped, unmatched, unmasked } = await mapMasks(
      await model(weights),
      masks,
      await stateDict(asTorch()),
    );
    expect(unmatched).toEqual([]);
    expect(unmasked).toEqual([]);
    expect(
      mapped.map(({ onnx, stateDict, layout, by, shape }) => [onnx, stateDict, layout, by, shape]),
    ).toEqual([
      ['11', 'stem.weight', 'same', 'content', [4, 3, 3, 3]],
      ['12', 'mix.weight', 'same', 'content', [6, 4]],
      ['13', 'head.0.weight', 'transposed', 'content', [5, 6]],
      ['14', 'head.2.weight', 'same', 'content', [5, 5]],
    ]);
    expect(mapped[0]!.mask).toEqual(masks.get('11'));
    expect(mapped[2]!.mask).toEqual(turned(masks.get('13')!, 6, 5));
    expect(mapped[2]!.kept).toBe(masks.get('13')!.reduce((a, b) => a + b));
  });

  it.each(['F16', 'BF16'] as const)('finds weights of which the checkpoint holds %s', async (dtype) => {
    const narrow = Object.fromEntries(
      Object.entries(asTorch()).map(([name, { shape, data }]) => {
        const words = new Uint32Array(roundTo(data as Float32Array, dtype).buffer);
        const bits = (word: number) => (dtype === 'BF16' ? word >>> 16 : halfBits(word));
        return [name, { dtype, shape, data: Uint16Array.from(words, bits) }];
      }),
    );
    const { mapped } = await mapMasks(await model(weights), masksOf(weights), await stateDict(narrow));
    expect(mapped.map((tensor) => tensor.stateDict)).toEqual([
      'stem.weight',
      'mix.weight',
      'head.0.weight',
      'head.2.weight',
    ]);
  });

  it('finds float64 weights, and float16 weights of a float32 checkpoint', async () => {
    const wide = Object.fromEntries(
      Object.entries(asTorch()).map(([name, { shape, data }]) => [
        name,
        {
          dtype: 'F64' as const,
          shape,
          data: Float64Array.from(data as Float32Array, (value) => value * (1 + 2 ** -40)),
        },
      ]),
    );
    const half = Object.fromEntries(
      Object.entries(weights).map(([name, { dims, data }]) => [
        name,
        { dims, data: roundTo(data, 'F16'), type: 'float16' as const },
      ]),
    );
    for (const [tensors, dict] of [
      [weights, wide],
      [half, asTorch()],
    ] as const) {
      const { mapped } = await mapMasks(await model(tensors), masksOf(weights), await stateDict(dict));
      expect(mapped).toHaveLength(4);
    }
  });

  it('finds weights into which BatchNorm was folded', async () => {
    const dict = asTorch();
    const original = weights['11'].data.map((value, i) => value / Math.fround(0.3 + Math.floor(i / 27)));
    dict['stem.weight'] = f32(original, 4, 3, 3, 3);
    const { mapped } = await mapMasks(await model(weights), masksOf(weights), await stateDict(dict));
    expect(mapped[0]).toMatchObject({ stateDict: 'stem.weight', scaled: true, layout: 'same' });
    dict['stem.weight'] = f32(
      original.map((value, i) => (i === 80 ? value * 1.001 : value)),
      4,
      3,
      3,
      3,
    );
    await expect(mapMasks(await model(weights), masksOf(weights), await stateDict(dict))).rejects.toThrow(
      /'11'/,
    );
  });

  it('lists every weight it does not find, or leaves it out if told to', async () => {
    const dict = asTorch();
    dict['head.2.weight'] = f32(random(5, 5).data, 5, 5);
    delete dict['stem.weight'];
    const path = await stateDict(dict);
    const loaded = await model(weights);
    const failure = await mapMasks(loaded, masksOf(weights), path).catch((error) => error);
    expect(failure.code).toBe('ERR_MISMATCH');
    expect(failure.message).toMatch(/2 of the masked weights/);
    expect(failure.message).toMatch(/'11': no floating-point tensor has 108 elements/);
    expect(failure.message).toMatch(/'14': no tensor has its values; of its size is 'head.2.weight'/);
    const partial = await mapMasks(loaded, masksOf(weights), path, { partial: true });
    expect(partial.mapped.map(({ onnx }) => onnx)).toEqual(['12', '13']);
    expect(partial.unmatched.map(({ onnx }) => onnx)).toEqual(['11', '14']);
    expect(partial.unmasked).toEqual(['head.2.weight']);
  });
});

describe('mapMasks, where contents are equal', () => {
  /** Three convolutions in a row, all of them the same constant. */
  const constant = (): TestTensor => ({ dims: [2, 2, 1, 1], data: [0.5, 0.5, 0.5, 0.5] });
  const chain = (...names: string[]) =>
    model(
      Object.fromEntries(names.map((name) => [name, constant()])),
      names.map(
        (name, i): TestNode => [
          'Conv',
          [i === 0 ? 'x' : `v${i}`, name],
          [i === names.length - 1 ? 'y' : `v${i + 1}`],
        ],
      ),
      ['n', 2, 3, 3],
    );
  const dict = (...names: string[]) =>
    stateDict(Object.fromEntries(names.map((name) => [name, f32([0.5, 0.5, 0.5, 0.5], 2, 2, 1, 1)])));
  const pairs = async (onnx: string[], state: string[]) => {
    const masks = new Map(
      onnx.map((name, i) => [name, Uint8Array.from({ length: 4 }, (_, j) => (i === j ? 1 : 0))]),
    );
    const { mapped } = await mapMasks(await chain(...onnx), masks, await dict(...state));
    for (const { onnx: name, mask } of mapped) expect(mask).toEqual(masks.get(name));
    return mapped.map(({ onnx: a, stateDict: b, by }) => [a, b, by]);
  };

  it('goes by names', async () => {
    const onnx = ['b.conv.weight', 'a.conv.weight', 'c.weight'];
    expect(await pairs(onnx, ['module.a.conv.weight', 'module.b.conv.weight', 'module.c.weight'])).toEqual([
      ['b.conv.weight', 'module.b.conv.weight', 'name'],
      ['a.conv.weight', 'module.a.conv.weight', 'name'],
      ['c.weight', 'module.c.weight', 'name'],
    ]);
  });

  it('goes by order where names say nothing and the numbers agree', async () => {
    expect(await pairs(['1', '2', '3'], ['layer10.weight', 'layer2.weight', 'layer3.weight'])).toEqual([
      ['1', 'layer2.weight', 'order'],
      ['2', 'layer3.weight', 'order'],
      ['3', 'layer10.weight', 'order'],
    ]);
  });

  it('refuses where neither decides, naming the candidates', async () => {
    await expect(pairs(['1', '2'], ['a.weight', 'b.weight', 'c.weight'])).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringMatching(/'1'.*'a\.weight', 'b\.weight', 'c\.weight'.*\n.*'2'/),
    });
    await expect(pairs(['1', '2'], ['a.weight'])).rejects.toThrow(/2 of the masked weights/);
  });

  it('gives a shared weight’s mask to every tensor that shares it', async () => {
    const graph: TestNode[] = [
      ['Conv', ['x', 'w'], ['a']],
      ['Conv', ['a', 'w'], ['y']],
    ];
    const loaded = await model({ w: constant() }, graph, ['n', 2, 3, 3]);
    const masks = new Map([['w', Uint8Array.of(1, 0, 0, 1)]]);
    const { mapped } = await mapMasks(loaded, masks, await dict('one.weight', 'two.weight'));
    expect(mapped.map(({ stateDict: name, by, mask }) => [name, by, [...mask]])).toEqual([
      ['one.weight', 'shared', [1, 0, 0, 1]],
      ['two.weight', 'shared', [1, 0, 0, 1]],
    ]);
  });

  it.each([
    ['MatMul', {}, [1, 3, 2, 4]],
    ['Gemm', { transB: { i: 1 } }, [1, 2, 3, 4]],
  ] as const)(
    'takes a symmetric matrix of %s as PyTorch’s Linear holds it',
    async (op, attributes, places) => {
      const w = { dims: [2, 2], data: [0, 1, 1, 0] };
      const loaded = await model({ w }, [[op, ['x', 'w'], ['y'], attributes]], ['n', 2]);
      const mask = Uint8Array.of(1, 1, 0, 0);
      const { mapped } = await mapMasks(
        loaded,
        new Map([['w', mask]]),
        await stateDict({ lin: f32(w.data, 2, 2) }),
      );
      expect([...mapped[0]!.mask]).toEqual(places.map((place) => mask[place - 1]));
    },
  );

  it('tells the layout of constants from their sizes', async () => {
    const w = { dims: [2, 3], data: new Array(6).fill(1) };
    const loaded = await model({ w }, [['MatMul', ['x', 'w'], ['y']]], ['n', 2]);
    const mask = Uint8Array.of(1, 1, 1, 0, 0, 0);
    const path = await stateDict({ lin: f32(w.data, 3, 2), other: f32(w.data, 6) });
    const { mapped } = await mapMasks(loaded, new Map([['w', mask]]), path);
    expect(mapped).toMatchObject([
      { stateDict: 'lin', layout: 'transposed', mask: Uint8Array.of(1, 0, 1, 0, 1, 0) },
    ]);
  });
});

it('transposes a weight that is stored with more axes than the layer has', async () => {
  const w = random(2, 3, 4);
  const tensors = { w, shape: ints(6, 4) };
  const graph: TestNode[] = [
    ['Reshape', ['w', 'shape'], ['m']],
    ['MatMul', ['x', 'm'], ['y']],
  ];
  const mask = masksOf({ w }).get('w')!;
  const path = await stateDict({ 'fc.weight': f32(turned(w.data, 6, 4), 4, 6) });
  const { mapped } = await mapMasks(await model(tensors, graph, ['n', 6]), new Map([['w', mask]]), path);
  expect(mapped).toMatchObject([{ layout: 'transposed', shape: [4, 6], mask: turned(mask, 6, 4) }]);
});

describe('names', () => {
  it.each([
    ['conv1.weight', 'module.conv1.weight', 1],
    ['layer1.0.conv1.weight', 'backbone.layer1.0.conv1.weight', 3],
    ['layer1.0.conv1.weight', 'layer2.0.conv1.weight', 0],
    ['7', 'features.7.weight', 0],
    ['onnx::Conv_7', 'features.7.weight', 0],
  ])('%s and %s agree in %i parts', (a, b, parts) => {
    expect(nameAgreement(a, b)).toBe(parts);
    expect(nameAgreement(b, a)).toBe(parts);
  });

  it('sorts numbers as numbers', () => {
    expect(naturalOrder(['l10.w', 'l9.w', 'a'])).toEqual(['a', 'l9.w', 'l10.w']);
  });
});

describe('roundTo', () => {
  it('rounds to the nearest float16, ties to even, for all of them', () => {
    const half = (bits: number) => float16ToNumber(bits);
    const cases: [number, number][] = [];
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [half(bits), half(bits + 1)];
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? low : high;
      const step = middle * 2 ** -23 || 2 ** -149;
      cases.push([low, low], [middle, even], [middle - step, low], [middle + step, high], [-middle, -even]);
    }
    cases.push([65504, 65504], [65519, 65504], [65520, Infinity], [-1e30, -Infinity], [-0, -0]);
    const rounded = roundTo(
      Float32Array.from(cases, ([value]) => value),
      'F16',
    );
    const wrong = cases.filter(([, expected], i) => !Object.is(rounded[i], Math.fround(expected)));
    expect(wrong).toEqual([]);
  });

  it('rounds to bfloat16', () => {
    const values = Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -3.140625, -0);
    expect([...roundTo(values, 'BF16')]).toEqual([1, 1, 1 + 2 ** -6, 1 + 2 ** -7, -3.140625, -0]);
  });
});

/** The float16 of a float32 bit pattern that float16 holds as a normal number. */
function halfBits(word: number): number {
  if ((word & 0x7fffffff) === 0) return word >>> 16;
  return ((word >>> 16) & 0x8000) | (((word & 0x7fffffff) - 0x38000000) >>> 13);
}
