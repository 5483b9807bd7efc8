import { describe, expect, it } from 'vitest';
import { scalar, type TestNode } from '../support/onnx-file.js';
import { gateOnlyNames, loadVectorModel, stepKinds, stepOf } from '../support/vector-model.js';

describe('written-out activations are one', () => {
  const half = scalar(0.5);
  const one = scalar(1);
  const root = scalar(Math.SQRT2);
  const cases: [string, string, TestNode[]][] = [
    [
      'gelu',
      'x·(1+erf)·0.5',
      [
        ['Div', ['x', 'root'], ['a']],
        ['Erf', ['a'], ['e']],
        ['Add', ['e', 'one'], ['p']],
        ['Mul', ['x', 'p'], ['m']],
        ['Mul', ['m', 'half'], ['z']],
      ],
    ],
    [
      'gelu',
      '(0.5·x)·(1+erf)',
      [
        ['Mul', ['x', 'inv'], ['a']],
        ['Erf', ['a'], ['e']],
        ['Add', ['one', 'e'], ['p']],
        ['Mul', ['half', 'x'], ['m']],
        ['Mul', ['m', 'p'], ['z']],
      ],
    ],
    [
      'gelu',
      'x·(0.5·(1+erf))',
      [
        ['Mul', ['x', 'inv'], ['a']],
        ['Erf', ['a'], ['e']],
        ['Add', ['e', 'one'], ['p']],
        ['Mul', ['p', 'half'], ['m']],
        ['Mul', ['x', 'm'], ['z']],
      ],
    ],
    [
      'gelu-tanh',
      'pow',
      [
        ['Pow', ['x', 'three'], ['c']],
        ['Mul', ['c', 'k'], ['d']],
        ['Add', ['x', 'd'], ['s']],
        ['Mul', ['s', 'rt'], ['i']],
        ['Tanh', ['i'], ['t']],
        ['Add', ['t', 'one'], ['p']],
        ['Mul', ['x', 'half'], ['m']],
        ['Mul', ['m', 'p'], ['z']],
      ],
    ],
    [
      'gelu-tanh',
      'products',
      [
        ['Mul', ['x', 'x'], ['x2']],
        ['Mul', ['x2', 'x'], ['c']],
        ['Mul', ['k', 'c'], ['d']],
        ['Add', ['x', 'd'], ['s']],
        ['Mul', ['rt', 's'], ['i']],
        ['Tanh', ['i'], ['t']],
        ['Add', ['one', 't'], ['p']],
        ['Mul', ['x', 'p'], ['m']],
        ['Mul', ['m', 'half'], ['z']],
      ],
    ],
    [
      'silu',
      'plain',
      [
        ['Sigmoid', ['x'], ['q']],
        ['Mul', ['q', 'x'], ['z']],
      ],
    ],
    [
      'silu',
      '1/(1+exp(-x))',
      [
        ['Neg', ['x'], ['n']],
        ['Exp', ['n'], ['e']],
        ['Add', ['e', 'one'], ['p']],
        ['Div', ['one', 'p'], ['q']],
        ['Mul', ['x', 'q'], ['z']],
      ],
    ],
    [
      'mish',
      'softplus',
      [
        ['Softplus', ['x'], ['s']],
        ['Tanh', ['s'], ['t']],
        ['Mul', ['x', 't'], ['z']],
      ],
    ],
    [
      'mish',
      'log',
      [
        ['Exp', ['x'], ['e']],
        ['Add', ['one', 'e'], ['p']],
        ['Log', ['p'], ['s']],
        ['Tanh', ['s'], ['t']],
        ['Mul', ['x', 't'], ['z']],
      ],
    ],
    [
      'hard-swish',
      'divided last',
      [
        ['Add', ['x', 'three'], ['a']],
        ['Clip', ['a', 'zero', 'six'], ['c']],
        ['Mul', ['x', 'c'], ['m']],
        ['Div', ['m', 'six'], ['z']],
      ],
    ],
    [
      'hard-swish',
      'divided first',
      [
        ['Add', ['x', 'three'], ['a']],
        ['Clip', ['a', 'zero', 'six'], ['c']],
        ['Div', ['c', 'six'], ['d']],
        ['Mul', ['x', 'd'], ['z']],
      ],
    ],
    [
      'hard-swish',
      'HardSigmoid',
      [
        ['HardSigmoid', ['x'], ['q'], { alpha: { f: 1 / 6 } }],
        ['Mul', ['x', 'q'], ['z']],
      ],
    ],
    [
      'hard-swish',
      'Relu and Min',
      [
        ['Add', ['x', 'three'], ['a']],
        ['Relu', ['a'], ['r']],
        ['Min', ['r', 'six'], ['c']],
        ['Div', ['c', 'six'], ['d']],
        ['Mul', ['x', 'd'], ['z']],
      ],
    ],
    [
      'hard-swish',
      'Min and Max',
      [
        ['Add', ['x', 'three'], ['a']],
        ['Min', ['a', 'six'], ['m']],
        ['Max', ['zero', 'm'], ['c']],
        ['Mul', ['c', 'x'], ['p']],
        ['Div', ['p', 'six'], ['z']],
      ],
    ],
    [
      'leaky-relu',
      'max',
      [
        ['Mul', ['x', 'tenth'], ['s']],
        ['Max', ['s', 'x'], ['z']],
      ],
    ],
  ];
  const tensors = {
    half,
    one,
    root,
    inv: scalar(Math.SQRT1_2),
    three: scalar(3),
    six: scalar(6),
    zero: scalar(0),
    tenth: scalar(0.1),
    k: scalar(0.044715),
    rt: scalar(Math.sqrt(2 / Math.PI)),
  };

  it.each(cases)('%s: %s', async (fn, _, nodes) => {
    const model = await loadVectorModel([...nodes, ['MatMul', ['z', 'w'], ['y']]], { tensors });
    expect(stepKinds(model)).toEqual(['gate activation', 'linear dense']);
    expect(model.plan.steps[0]).toMatchObject({ fn });
  });

  it('a written-out HardSigmoid that gates another value is a gate', async () => {
    const nodes: TestNode[] = [
      ['MatMul', ['x', 'v'], ['s']],
      ['Add', ['s', 'three'], ['a']],
      ['Clip', ['a', 'zero', 'six'], ['c']],
      ['Div', ['c', 'six'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
      ['MatMul', ['z', 'w'], ['y']],
    ];
    const model = await loadVectorModel(nodes, { tensors });
    expect(stepKinds(model)).toEqual(['linear dense', 'f-only unary', 'gate product', 'linear dense']);
    expect(stepOf(model, 'unary')).toMatchObject({ fn: 'hard-sigmoid', beta: 0.5 });
    expect(gateOnlyNames(model)).toEqual(['v']);
  });

  it('does not take an almost-GELU for one', async () => {
    const nodes: TestNode[] = [
      ['Div', ['x', 'three'], ['a']],
      ['Erf', ['a'], ['e']],
      ['Add', ['e', 'one'], ['p']],
      ['Mul', ['x', 'p'], ['m']],
      ['Mul', ['m', 'half'], ['z']],
      ['MatMul', ['z', 'w'], ['y']],
    ];
    expect(stepKinds(await loadVectorModel(nodes, { tensors }))).toContain('gate product');
  });
});
