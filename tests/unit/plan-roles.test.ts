import { describe, expect, it } from 'vitest';
import { scalar, type TestNode } from '../support/onnx-file.js';
import {
  filled,
  gateOnlyNames,
  loadVectorModel,
  refusal,
  stepKinds,
  stepOf,
} from '../support/vector-model.js';

describe('signals and gates', () => {
  it('drops activations of the tail, and only there', async () => {
    for (const op of ['Softmax', 'LogSoftmax', 'Sigmoid', 'HardSigmoid', 'Tanh', 'Exp']) {
      expect(
        stepKinds(
          await loadVectorModel([
            ['MatMul', ['x', 'w'], ['a']],
            [op, ['a'], ['y']],
          ]),
        ),
      ).toEqual(['linear dense']);
    }
    expect(
      stepKinds(
        await loadVectorModel([
          ['Tanh', ['x'], ['a']],
          ['MatMul', ['a', 'w'], ['y']],
        ]),
      ),
    ).toEqual(['gate activation', 'linear dense']);
  });

  it('keeps a gate in the tail where it meets another value in a Mul or Div', async () => {
    const model = await loadVectorModel([
      ['MatMul', ['x', 'w'], ['a']],
      ['MatMul', ['x', 'v'], ['b']],
      ['Sigmoid', ['a'], ['q']],
      ['Mul', ['q', 'b'], ['y']],
    ]);
    expect(stepKinds(model)).toEqual(['linear dense', 'linear dense', 'f-only unary', 'gate product']);
    expect(gateOnlyNames(model)).toEqual(['w']);
    const product = stepOf(model, 'product');
    expect(product.inputs.map((id) => model.plan.values[id]!.signal)).toEqual([true, false]);
  });

  it('adds two signals that multiply in the tail, and refuses them before a weight', async () => {
    const product: TestNode[] = [
      ['MatMul', ['x', 'w'], ['a']],
      ['Mul', ['a', 'x'], ['z']],
    ];
    expect(stepKinds(await loadVectorModel([...product, ['Relu', ['z'], ['y']]]))).toEqual([
      'linear dense',
      'sum tail-product',
      'gate activation',
    ]);
    const error = await refusal([...product, ['MatMul', ['z', 'v'], ['y']]]);
    expect(error.code).toBe('ERR_UNSUPPORTED');
    expect(error.message).toMatch(/Mul "n_z" \(opset 17\): it multiplies two signals/);
  });

  it('gives one number to fixed, more to affine, signs included', async () => {
    const c = { dims: [4], data: [1, 2, 3, 4] };
    const model = await loadVectorModel(
      [
        ['Mul', ['x', 'two'], ['a']],
        ['Div', ['a', 'c'], ['b']],
        ['Sub', ['c', 'b'], ['d']],
        ['Add', ['d', 'two'], ['e']],
        ['MatMul', ['e', 'w'], ['y']],
      ],
      { tensors: { two: scalar(2), c } },
    );
    const [mul, div, sub, add] = model.plan.steps;
    expect(mul).toMatchObject({ op: 'fixed', coefficient: 2, axes: [] });
    expect(div).toMatchObject({
      op: 'affine',
      scale: { shape: [4], data: Float32Array.of(1, 1 / 2, 1 / 3, 1 / 4) },
    });
    expect(sub).toMatchObject({
      op: 'affine',
      scale: { shape: [], data: Float32Array.of(-1) },
      shift: { shape: [4] },
    });
    expect(add).toMatchObject({ op: 'affine', shift: { shape: [], data: Float32Array.of(2) } });
    expect(add).not.toHaveProperty('scale');
  });

  it('marks what only gates use as f alone, and drops what nothing uses', async () => {
    const model = await loadVectorModel([
      ['MatMul', ['x', 'w'], ['a']],
      ['Relu', ['a'], ['unused']],
      ['Relu', ['a'], ['b']],
      ['Sigmoid', ['b'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
      ['MatMul', ['z', 'v'], ['y']],
    ]);
    expect(gateOnlyNames(model)).toEqual(['w']);
    expect(stepKinds(model)).toEqual([
      'linear dense',
      'gate activation',
      'f-only unary',
      'gate product',
      'linear dense',
    ]);
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
    const more = { outputs: ['c', 'd'], tensors: { u: filled([4, 4]) } };
    const both = await loadVectorModel(nodes, more);
    expect(both.plan.params.map((param) => param.name)).toEqual(['v', 'w', 'u']);
    expect(both.plan.outputs.map((output) => output.name)).toEqual(['c', 'd']);
    const one = await loadVectorModel(nodes, more, ['d']);
    expect(one.plan.params.map((param) => [param.name, param.gateOnly])).toEqual([
      ['v', false],
      ['w', true],
      ['u', false],
    ]);
    expect(one.plan.steps).toHaveLength(2);
    await expect(loadVectorModel(nodes, more, ['e'])).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining('"e"'),
    });
  });

  it.each<[string, TestNode[], RegExp]>([
    [
      'a gate added to a signal',
      [
        ['Sigmoid', ['x'], ['q']],
        ['Add', ['x', 'q'], ['z']],
      ],
      /adds a gate to a signal/,
    ],
    [
      'a gate beside a signal',
      [
        ['Sigmoid', ['x'], ['q']],
        ['Concat', ['x', 'q'], ['u'], { axis: { i: 1 } }],
        ['Split', ['u'], ['z', 'o'], { axis: { i: 1 } }],
      ],
      /joins a gate to a signal/,
    ],
    ['a constant divided by a signal', [['Div', ['one', 'x'], ['z']]], /divides a constant by a signal/],
    [
      'a gate divided by a signal',
      [
        ['Sigmoid', ['x'], ['q']],
        ['Div', ['q', 'x'], ['z']],
      ],
      /divides a gate by a signal/,
    ],
    ['an activation in the way', [['Sigmoid', ['x'], ['z']]], /at 0 is not 0/],
    ['a function that keeps 0 in the way', [['Abs', ['x'], ['z']]], /none of the activations/],
    ['a Clip that moves zero', [['Clip', ['x', 'one'], ['z']]], /moves zero/],
    [
      'a maximum of two signals',
      [
        ['Relu', ['x'], ['r']],
        ['Max', ['x', 'r'], ['z']],
      ],
      /maximum other than/,
    ],
  ])('refuses %s', async (_, nodes, why) => {
    const error = await refusal([...nodes, ['MatMul', ['z', 'w'], ['y']]], { tensors: { one: scalar(1) } });
    expect(error.code).toBe('ERR_UNSUPPORTED');
    expect(error.message).toMatch(why);
  });

  it('says which output no path reaches', async () => {
    const model = await loadVectorModel(
      [
        ['MatMul', ['x', 'w'], ['y']],
        ['Softplus', ['y'], ['g']],
      ],
      { outputs: ['y', 'g'] },
    );
    expect(model.warnings.join()).toContain('output "g" is reached by no path');
  });
});
