import { describe, expect, it } from 'vitest';
import { PxError } from '../../src/errors.js';
import { type LoadedModel, loadModel } from '../../src/plan/load.js';
import { type FileSpec, ints, onnxFile, scalar, type TestNode, type TestTensor } from '../support/onnx-file.js';

const eye = (dims: readonly number[]): TestTensor => ({ dims, data: Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i % 3) - 1) });
const w = { w: eye([4, 4]), v: eye([4, 4]) };

/** A model over vectors of 4. */
function load(nodes: readonly TestNode[], more: Partial<FileSpec> = {}, outputs?: readonly string[]): Promise<LoadedModel> {
  const file = { inputs: { x: ['n', 4] }, outputs: ['y'], nodes, ...more, tensors: { ...w, ...more.tensors } };
  return loadModel(onnxFile(file), outputs && { outputs });
}

async function refusal(nodes: readonly TestNode[], more: Partial<FileSpec> = {}): Promise<PxError> {
  const error = await load(nodes, more).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PxError);
  return error as PxError;
}

const kinds = ({ plan }: LoadedModel) => plan.steps.map(({ kind, op }) => `${kind} ${op}`);
const gateOnly = ({ plan }: LoadedModel) => plan.params.filter((param) => param.gateOnly).map((param) => param.name);
const step = (model: LoadedModel, op: string) => model.plan.steps.find((one) => one.op === op)!;

describe('signals and gates', () => {
  it('drops activations of the tail, and only there', async () => {
    for (const op of ['Softmax', 'LogSoftmax', 'Sigmoid', 'HardSigmoid', 'Tanh', 'Exp']) {
      expect(kinds(await load([['MatMul', ['x', 'w'], ['a']], [op, ['a'], ['y']]]))).toEqual(['linear dense']);
    }
    expect(kinds(await load([['Tanh', ['x'], ['a']], ['MatMul', ['a', 'w'], ['y']]]))).toEqual(['gate activation', 'linear dense']);
  });

  it('keeps a gate in the tail where it meets another value in a Mul or Div', async () => {
    const model = await load([['MatMul', ['x', 'w'], ['a']], ['MatMul', ['x', 'v'], ['b']], ['Sigmoid', ['a'], ['q']], ['Mul', ['q', 'b'], ['y']]]);
    expect(kinds(model)).toEqual(['linear dense', 'linear dense', 'f-only unary', 'gate product']);
    expect(gateOnly(model)).toEqual(['w']);
    const product = step(model, 'product');
    expect(product.inputs.map((id) => model.plan.values[id]!.signal)).toEqual([true, false]);
  });

  it('adds two signals that multiply in the tail, and refuses them before a weight', async () => {
    const product: TestNode[] = [['MatMul', ['x', 'w'], ['a']], ['Mul', ['a', 'x'], ['z']]];
    expect(kinds(await load([...product, ['Relu', ['z'], ['y']]]))).toEqual(['linear dense', 'sum tail-product', 'gate activation']);
    const error = await refusal([...product, ['MatMul', ['z', 'v'], ['y']]]);
    expect(error.code).toBe('ERR_UNSUPPORTED');
    expect(error.message).toMatch(/Mul "n_z" \(opset 17\): it multiplies two signals/);
  });

  it('gives one number to fixed, more to affine, signs included', async () => {
    const c = { dims: [4], data: [1, 2, 3, 4] };
    const model = await load(
      [['Mul', ['x', 'two'], ['a']], ['Div', ['a', 'c'], ['b']], ['Sub', ['c', 'b'], ['d']], ['Add', ['d', 'two'], ['e']], ['MatMul', ['e', 'w'], ['y']]],
      { tensors: { two: scalar(2), c } },
    );
    const [mul, div, sub, add] = model.plan.steps;
    expect(mul).toMatchObject({ op: 'fixed', coefficient: 2, axes: [] });
    expect(div).toMatchObject({ op: 'affine', scale: { shape: [4], data: Float32Array.of(1, 1 / 2, 1 / 3, 1 / 4) } });
    expect(sub).toMatchObject({ op: 'affine', scale: { shape: [], data: Float32Array.of(-1) }, shift: { shape: [4] } });
    expect(add).toMatchObject({ op: 'affine', shift: { shape: [], data: Float32Array.of(2) } });
    expect(add).not.toHaveProperty('scale');
  });

  it('marks what only gates use as f alone, and drops what nothing uses', async () => {
    const model = await load([
      ['MatMul', ['x', 'w'], ['a']],
      ['Relu', ['a'], ['unused']],
      ['Relu', ['a'], ['b']],
      ['Sigmoid', ['b'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
      ['MatMul', ['z', 'v'], ['y']],
    ]);
    expect(gateOnly(model)).toEqual(['w']);
    expect(kinds(model)).toEqual(['linear dense', 'gate activation', 'f-only unary', 'gate product', 'linear dense']);
    const signals = model.plan.steps.map((one) => model.plan.values[one.output]!.signal);
    expect(signals).toEqual([false, false, false, true, true]);
  });

  it('orders parameters by first use, counts a shared one once, and honours the outputs that count', async () => {
    const nodes: TestNode[] = [
      ['MatMul', ['x', 'v'], ['a']],
      ['MatMul', ['a', 'w'], ['b']],
      ['MatMul', ['b', 'v'], ['c']],
      ['MatMul', ['a', 'u'], ['d']],
    ];
    const more = { outputs: ['c', 'd'], tensors: { u: eye([4, 4]) } };
    const both = await load(nodes, more);
    expect(both.plan.params.map((param) => param.name)).toEqual(['v', 'w', 'u']);
    expect(both.plan.outputs.map((output) => output.name)).toEqual(['c', 'd']);
    const one = await load(nodes, more, ['d']);
    expect(one.plan.params.map((param) => [param.name, param.gateOnly])).toEqual([
      ['v', false],
      ['w', true],
      ['u', false],
    ]);
    expect(one.plan.steps).toHaveLength(2);
    await expect(load(nodes, more, ['e'])).rejects.toMatchObject({ code: 'ERR_OPTION', message: expect.stringContaining('"e"') });
  });

  it.each<[string, TestNode[], RegExp]>([
    ['a gate added to a signal', [['Sigmoid', ['x'], ['q']], ['Add', ['x', 'q'], ['z']]], /adds a gate to a signal/],
    ['a gate beside a signal', [['Sigmoid', ['x'], ['q']], ['Concat', ['x', 'q'], ['u'], { axis: { i: 1 } }], ['Split', ['u'], ['z', 'o'], { axis: { i: 1 } }]], /joins a gate to a signal/],
    ['a constant divided by a signal', [['Div', ['one', 'x'], ['z']]], /divides a constant by a signal/],
    ['a gate divided by a signal', [['Sigmoid', ['x'], ['q']], ['Div', ['q', 'x'], ['z']]], /divides a gate by a signal/],
    ['an activation in the way', [['Sigmoid', ['x'], ['z']]], /at 0 is not 0/],
    ['a Clip that moves zero', [['Clip', ['x', 'one'], ['z']]], /moves zero/],
    ['a maximum of two signals', [['Relu', ['x'], ['r']], ['Max', ['x', 'r'], ['z']]], /maximum other than/],
  ])('refuses %s', async (_, nodes, why) => {
    const error = await refusal([...nodes, ['MatMul', ['z', 'w'], ['y']]], { tensors: { one: scalar(1) } });
    expect(error.code).toBe('ERR_UNSUPPORTED');
    expect(error.message).toMatch(why);
  });

  it('says which output no path reaches', async () => {
    const model = await load([['MatMul', ['x', 'w'], ['y']], ['Softplus', ['y'], ['g']]], { outputs: ['y', 'g'] });
    expect(model.warnings.join()).toContain('output "g" is reached by no path');
  });
});

describe('written-out activations are one', () => {
  const half = scalar(0.5);
  const one = scalar(1);
  const root = scalar(Math.SQRT2);
  const cases: [string, string, TestNode[]][] = [
    ['gelu', 'x·(1+erf)·0.5', [['Div', ['x', 'root'], ['a']], ['Erf', ['a'], ['e']], ['Add', ['e', 'one'], ['p']], ['Mul', ['x', 'p'], ['m']], ['Mul', ['m', 'half'], ['z']]]],
    ['gelu', '(0.5·x)·(1+erf)', [['Mul', ['x', 'inv'], ['a']], ['Erf', ['a'], ['e']], ['Add', ['one', 'e'], ['p']], ['Mul', ['half', 'x'], ['m']], ['Mul', ['m', 'p'], ['z']]]],
    ['gelu', 'x·(0.5·(1+erf))', [['Mul', ['x', 'inv'], ['a']], ['Erf', ['a'], ['e']], ['Add', ['e', 'one'], ['p']], ['Mul', ['p', 'half'], ['m']], ['Mul', ['x', 'm'], ['z']]]],
    ['gelu-tanh', 'pow', [['Pow', ['x', 'three'], ['c']], ['Mul', ['c', 'k'], ['d']], ['Add', ['x', 'd'], ['s']], ['Mul', ['s', 'rt'], ['i']], ['Tanh', ['i'], ['t']], ['Add', ['t', 'one'], ['p']], ['Mul', ['x', 'half'], ['m']], ['Mul', ['m', 'p'], ['z']]]],
    ['gelu-tanh', 'products', [['Mul', ['x', 'x'], ['x2']], ['Mul', ['x2', 'x'], ['c']], ['Mul', ['k', 'c'], ['d']], ['Add', ['x', 'd'], ['s']], ['Mul', ['rt', 's'], ['i']], ['Tanh', ['i'], ['t']], ['Add', ['one', 't'], ['p']], ['Mul', ['x', 'p'], ['m']], ['Mul', ['m', 'half'], ['z']]]],
    ['silu', 'plain', [['Sigmoid', ['x'], ['q']], ['Mul', ['q', 'x'], ['z']]]],
    ['silu', '1/(1+exp(-x))', [['Neg', ['x'], ['n']], ['Exp', ['n'], ['e']], ['Add', ['e', 'one'], ['p']], ['Div', ['one', 'p'], ['q']], ['Mul', ['x', 'q'], ['z']]]],
    ['mish', 'softplus', [['Softplus', ['x'], ['s']], ['Tanh', ['s'], ['t']], ['Mul', ['x', 't'], ['z']]]],
    ['mish', 'log', [['Exp', ['x'], ['e']], ['Add', ['one', 'e'], ['p']], ['Log', ['p'], ['s']], ['Tanh', ['s'], ['t']], ['Mul', ['x', 't'], ['z']]]],
    ['hard-swish', 'divided last', [['Add', ['x', 'three'], ['a']], ['Clip', ['a', 'zero', 'six'], ['c']], ['Mul', ['x', 'c'], ['m']], ['Div', ['m', 'six'], ['z']]]],
    ['hard-swish', 'divided first', [['Add', ['x', 'three'], ['a']], ['Clip', ['a', 'zero', 'six'], ['c']], ['Div', ['c', 'six'], ['d']], ['Mul', ['x', 'd'], ['z']]]],
    ['hard-swish', 'HardSigmoid', [['HardSigmoid', ['x'], ['q'], { alpha: { f: 1 / 6 } }], ['Mul', ['x', 'q'], ['z']]]],
    ['leaky-relu', 'max', [['Mul', ['x', 'tenth'], ['s']], ['Max', ['s', 'x'], ['z']]]],
  ];
  const tensors = { half, one, root, inv: scalar(Math.SQRT1_2), three: scalar(3), six: scalar(6), zero: scalar(0), tenth: scalar(0.1), k: scalar(0.044715), rt: scalar(Math.sqrt(2 / Math.PI)) };

  it.each(cases)('%s: %s', async (fn, _, nodes) => {
    const model = await load([...nodes, ['MatMul', ['z', 'w'], ['y']]], { tensors });
    expect(kinds(model)).toEqual(['gate activation', 'linear dense']);
    expect(model.plan.steps[0]).toMatchObject({ fn });
  });

  it('a written-out HardSigmoid that gates another value is a gate', async () => {
    const nodes: TestNode[] = [['MatMul', ['x', 'v'], ['s']], ['Add', ['s', 'three'], ['a']], ['Clip', ['a', 'zero', 'six'], ['c']], ['Div', ['c', 'six'], ['q']], ['Mul', ['x', 'q'], ['z']], ['MatMul', ['z', 'w'], ['y']]];
    const model = await load(nodes, { tensors });
    expect(kinds(model)).toEqual(['linear dense', 'f-only unary', 'gate product', 'linear dense']);
    expect(step(model, 'unary')).toMatchObject({ fn: 'hard-sigmoid', beta: 0.5 });
    expect(gateOnly(model)).toEqual(['v']);
  });

  it('does not take an almost-GELU for one', async () => {
    const nodes: TestNode[] = [['Div', ['x', 'three'], ['a']], ['Erf', ['a'], ['e']], ['Add', ['e', 'one'], ['p']], ['Mul', ['x', 'p'], ['m']], ['Mul', ['m', 'half'], ['z']], ['MatMul', ['z', 'w'], ['y']]];
    expect(kinds(await load(nodes, { tensors }))).toContain('gate product');
  });
});

describe('what the importer refuses', () => {
  it('lists every node at once, with opset and remedy', async () => {
    const error = await refusal([
      ['LSTM', ['x'], ['a']],
      ['Relu', ['a'], ['b']],
      ['Whatever', ['b'], ['c']],
      ['com.acme:Thing', ['c'], ['d']],
      ['MatMul', ['d', 'd'], ['y']],
    ]);
    expect(error.code).toBe('ERR_UNSUPPORTED');
    for (const part of ['4 nodes', 'LSTM "n_a" (opset 17)', 'Whatever "n_c"', 'com.acme.Thing "n_d" (opset 1)', 'attention']) expect(error.message).toContain(part);
  });

  it('ignores, but names, nodes that the chosen outputs do not need', async () => {
    const nodes: TestNode[] = [['MatMul', ['x', 'w'], ['y']], ['ArgMax', ['y'], ['k']]];
    const more = { outputs: ['y', 'k'] };
    await expect(load(nodes, more)).rejects.toThrow(/ArgMax/);
    const model = await load(nodes, more, ['y']);
    expect(model.warnings.join()).toContain('ArgMax "n_k"');
  });

  it.each<[string, TestNode[], Partial<FileSpec>, string, RegExp]>([
    ['a computed weight', [['Tanh', ['w'], ['t']], ['MatMul', ['x', 't'], ['y']]], {}, 'ERR_UNSUPPORTED', /weight is computed by Tanh "n_t"/],
    ['a quantised weight', [['DequantizeLinear', ['q', 's'], ['t']], ['MatMul', ['x', 't'], ['y']]], { tensors: { q: { dims: [4, 4], data: new Array(16).fill(1), type: 'uint8' }, s: scalar(0.1) } }, 'ERR_UNSUPPORTED', /DequantizeLinear/],
    ['a merged batch', [['Reshape', ['x', 'to'], ['r']], ['MatMul', ['r', 'w'], ['y']]], { tensors: { to: ints(2, -1) } }, 'ERR_UNSUPPORTED', /mixes the samples of a batch/],
    ['a moved batch', [['Transpose', ['x'], ['y']]], {}, 'ERR_UNSUPPORTED', /moves the batch/],
    ['a reduction over the batch', [['ReduceMean', ['x'], ['y'], { axes: { ints: [0] } }]], {}, 'ERR_UNSUPPORTED', /along the batch/],
    ['training-mode BatchNorm', [['BatchNormalization', ['x', 'b', 'b', 'b', 'b'], ['y'], { training_mode: { i: 1 } }]], { tensors: { b: { dims: [4], data: [1, 1, 1, 1] } } }, 'ERR_UNSUPPORTED', /training mode/],
    ['statistics as outputs', [['BatchNormalization', ['x', 'b', 'b', 'b', 'b'], ['z', 'm']], ['Add', ['z', 'm'], ['y']]], { tensors: { b: { dims: [4], data: [1, 1, 1, 1] } } }, 'ERR_UNSUPPORTED', /output 1 \("m"\) is used/],
    ['control flow', [['If', ['c'], ['y'], { then_branch: { graph: true } }]], { tensors: { c: { dims: [], data: [1], type: 'bool' } } }, 'ERR_UNSUPPORTED', /control flow/],
    ['a cycle', [['Add', ['x', 'b'], ['a']], ['Add', ['a', 'a'], ['b']], ['Relu', ['b'], ['y']]], {}, 'ERR_FILE', /"b" is not defined before it/],
    ['a name defined twice', [['Relu', ['x'], ['y']], ['Relu', ['x'], ['y']]], {}, 'ERR_FILE', /"y" is defined twice/],
    ['an output nobody makes', [['Relu', ['x'], ['z']]], {}, 'ERR_FILE', /"y" is not produced/],
    ['an old opset', [['Relu', ['x'], ['y']]], { opset: 6 }, 'ERR_UNSUPPORTED', /opset 6/],
    ['two inputs', [['Add', ['x', 'x2'], ['y']]], { inputs: { x: ['n', 4], x2: ['n', 4] } }, 'ERR_UNSUPPORTED', /2 inputs \("x", "x2"\)/],
    ['an open size', [['Relu', ['x'], ['y']]], { inputs: { x: ['n', 'c'] } }, 'ERR_OPTION', /--size/],
    ['a shape bomb', [['ConstantOfShape', ['s'], ['c']], ['Add', ['x', 'c'], ['y']]], { tensors: { s: ints(2 ** 30, 2 ** 30) } }, 'ERR_UNSUPPORTED', /not a size that is computed/],
    ['nearest by a broken factor', [['Resize', ['x', '', 's'], ['y']]], { inputs: { x: ['n', 1, 4, 4] }, tensors: { s: { dims: [4], data: [1, 1, 1.5, 1.5] } } }, 'ERR_UNSUPPORTED', /nearest/],
    ['cubic resizing', [['Resize', ['x', '', 's'], ['y'], { mode: { s: 'cubic' } }]], { inputs: { x: ['n', 1, 4, 4] }, tensors: { s: { dims: [4], data: [1, 1, 2, 2] } } }, 'ERR_UNSUPPORTED', /mode cubic/],
  ])('%s', async (_, nodes, more, code, why) => {
    const error = await refusal(nodes, more);
    expect(error.message).toMatch(why);
    expect(error.code).toBe(code);
  });

  it('a weight that is a constant elsewhere', async () => {
    await expect(load([['MatMul', ['x', 'w'], ['a']], ['Gather', ['w', 'k'], ['r']], ['Add', ['a', 'r'], ['y']]], { tensors: { k: ints(0) } })).rejects.toThrow(/"w" is a weight, but Gather/);
  });

  it('a weight that is not a number', async () => {
    await expect(load([['MatMul', ['x', 'bad'], ['y']]], { tensors: { bad: { dims: [4, 1], data: [1, NaN, 0, 0] } } })).rejects.toMatchObject({ code: 'ERR_NUMERIC', message: expect.stringContaining('index 1') });
  });
});

describe('the input', () => {
  it('takes sizes for symbolic dimensions', async () => {
    const file = onnxFile({ inputs: { x: ['n', 3, 'h', 'w'] }, outputs: ['y'], nodes: [['Relu', ['x'], ['y']]] });
    expect((await loadModel(file, { inputSize: [5] })).inputShape).toEqual([3, 5, 5]);
    expect((await loadModel(file, { inputSize: [5, 6] })).inputShape).toEqual([3, 5, 6]);
    expect((await loadModel(file, { inputShape: [3, 7, 6] })).inputShape).toEqual([3, 7, 6]);
    await expect(loadModel(file, { inputShape: [4, 7, 6] })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  it('knows initializers that are listed as inputs', async () => {
    const model = await load([['MatMul', ['x', 'w'], ['y']]], { inputs: { w: [4, 4], x: [2, 4] } });
    expect(model.inputName).toBe('x');
    expect(model.bakedBatch).toBe(2);
  });
});
