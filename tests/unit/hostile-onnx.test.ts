/** ONNX files that ask for more than they hold: refused at once, in few words, with a code that fits. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { PxError, type PxErrorCode } from '../../src/errors.js';
import { loadModel } from '../../src/plan/load.js';
import { type FileSpec, ints, onnxFile, scalar, type TestNode } from '../support/onnx-file.js';

const BOMB = 2 ** 40;
const x = ['N', 2, 8, 8] as const;

function file(nodes: readonly TestNode[], rest: Partial<FileSpec> = {}): Uint8Array {
  return onnxFile({ inputs: { x }, outputs: ['y'], nodes, ...rest });
}

async function refusal(bytes: Uint8Array): Promise<{ code: PxErrorCode; message: string }> {
  try {
    await loadModel(bytes, { inputSize: [8] });
  } catch (error) {
    expect(error).toBeInstanceOf(PxError);
    return error as PxError;
  }
  throw new Error('it was read');
}

describe('shape bombs', () => {
  const cases: readonly [string, Uint8Array][] = [
    [
      'Expand',
      file([['Expand', ['x', 's'], ['y']]], { inputs: { x: ['N', 1] }, tensors: { s: ints(1, BOMB) } }),
    ],
    [
      'Expand to a negative size',
      file([['Expand', ['x', 's'], ['y']]], { inputs: { x: ['N', 1] }, tensors: { s: ints(1, -5) } }),
    ],
    ['Tile', file([['Tile', ['x', 's'], ['y']]], { tensors: { s: ints(1, 1, 1, BOMB) } })],
    ['Pad', file([['Pad', ['x', 's'], ['y']]], { tensors: { s: ints(0, 0, 0, 0, 0, 0, 0, BOMB) } })],
    [
      'Pad within what a value may hold',
      file([['Pad', ['x', 's'], ['y']]], { tensors: { s: ints(0, 0, 0, 0, 0, 0, 0, 2 ** 26) } }),
    ],
    [
      'Resize',
      file([['Resize', ['x', '', '', 's'], ['y'], { mode: { s: 'linear' } }]], {
        tensors: { s: ints(1, 2, 8, BOMB) },
        inputs: { x: [1, 2, 8, 8] },
      }),
    ],
    [
      'Resize of an axis longer than any image',
      file([['Resize', ['x', '', '', 's'], ['y'], { mode: { s: 'linear' } }]], {
        tensors: { s: ints(1, 2, 8, 1_000_004) },
        inputs: { x: [1, 2, 8, 500_002] },
      }),
    ],
    [
      'ConstantOfShape',
      file(
        [
          ['ConstantOfShape', ['s'], ['c']],
          ['Add', ['x', 'c'], ['y']],
        ],
        { tensors: { s: ints(2 ** 20, 2 ** 20) } },
      ),
    ],
    [
      'an empty constant with a huge axis',
      file(
        [
          ['ConstantOfShape', ['s'], ['c']],
          ['Concat', ['c', 'c'], ['d'], { axis: { i: 1 } }],
          ['Add', ['x', 'd'], ['y']],
        ],
        { tensors: { s: ints(BOMB, 0) } },
      ),
    ],
    [
      'Range',
      file(
        [
          ['Range', ['a', 'b', 'd'], ['c']],
          ['Add', ['x', 'c'], ['y']],
        ],
        { tensors: { a: scalar(0), b: scalar(1e12), d: scalar(0) } },
      ),
    ],
    [
      'a pool',
      file([
        [
          'AveragePool',
          ['x'],
          ['y'],
          { kernel_shape: { ints: [1, 2 ** 25] }, pads: { ints: [0, 2 ** 25 - 1, 0, 2 ** 25 - 1] } },
        ],
      ]),
    ],
    [
      'a convolution',
      file([['Conv', ['x', 'w'], ['y'], { pads: { ints: [0, BOMB, 0, BOMB] } }]], {
        tensors: { w: { dims: [1, 2, 1, 1], data: [1, 1] } },
      }),
    ],
    [
      'a dilation that wraps at 32 bits',
      file([['Conv', ['x', 'w'], ['y'], { dilations: { ints: [1, 2 ** 32 + 1] } }]], {
        tensors: { w: { dims: [1, 2, 1, 1], data: [1, 1] } },
      }),
    ],
    [
      'a dilation beyond reach',
      file(
        [
          [
            'Conv',
            ['x', 'w'],
            ['y'],
            { dilations: { ints: [1, 2 ** 30] }, pads: { ints: [0, 2 ** 30, 0, 0] } },
          ],
        ],
        { tensors: { w: { dims: [1, 2, 1, 2], data: [1, 1, 1, 1] } } },
      ),
    ],
    [
      'a weight without elements',
      file([['ConvTranspose', ['x', 'w'], ['y']]], {
        tensors: { w: { dims: [2, 2 ** 30, 0, 0], data: [] } },
      }),
    ],
    ['Reshape', file([['Reshape', ['x', 's'], ['y']]], { tensors: { s: ints(-1, BOMB, BOMB) } })],
    [
      'the input',
      onnxFile({ inputs: { x: ['N', 2 ** 20, 2 ** 20] }, outputs: ['y'], nodes: [['Relu', ['x'], ['y']]] }),
    ],
    [
      'a tensor whose dims overflow',
      file([['Add', ['x', 'c'], ['y']]], { tensors: { c: { dims: [2 ** 40, 2 ** 40], data: [1] } } }),
    ],
    [
      'a rank of 100',
      file([['Add', ['x', 'c'], ['y']]], {
        tensors: { c: { dims: new Array<number>(100).fill(1), data: [1] } },
      }),
    ],
  ];
  it.each(cases)('%s is refused at once', async (_, bytes) => {
    const before = process.memoryUsage().arrayBuffers;
    const start = performance.now();
    const { code, message } = await refusal(bytes);
    expect(['ERR_FILE', 'ERR_UNSUPPORTED']).toContain(code);
    expect(message.length).toBeLessThan(2000);
    expect(performance.now() - start).toBeLessThan(15_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 28);
  });

  it('that are small each and large together are refused once the budget is spent', async () => {
    const nodes = Array.from({ length: 300 }, (_, i): TestNode => ['ConstantOfShape', ['s'], [`c${i}`]]);
    const all: TestNode = ['Sum', ['x', ...nodes.map(([, , [name]]) => name!)], ['y']];
    const start = performance.now();
    const { code, message } = await refusal(file([...nodes, all], { tensors: { s: ints(2 ** 24) } }));
    expect(code).toBe('ERR_UNSUPPORTED');
    expect(message).toContain('elements');
    expect(performance.now() - start).toBeLessThan(60_000);
  });
});

describe('attributes from strangers', () => {
  it.each(['constructor', '__proto__', 'toString', 'valueOf'])('Pad knows no mode %s', async (mode) => {
    const { code, message } = await refusal(
      file([['Pad', ['x', 's'], ['y'], { mode: { s: mode } }]], {
        tensors: { s: ints(0, 0, 0, 1, 0, 0, 0, 1) },
      }),
    );
    expect(code).toBe('ERR_FILE');
    expect(message).toContain(`mode "${mode}"`);
  });

  it('Resize knows no nearest_mode of an object', async () => {
    const attributes = { mode: { s: 'nearest' }, nearest_mode: { s: 'toString' } };
    const { code } = await refusal(
      file([['Resize', ['x', '', 's'], ['y'], attributes]], {
        tensors: { s: { dims: [4], data: [1, 1, 2, 2] } },
      }),
    );
    expect(code).toBe('ERR_FILE');
  });

  it('an operation without operands is malformed, not a crash', async () => {
    for (const op of [
      'Add',
      'Concat',
      'Where',
      'Sum',
      'Max',
      'Gather',
      'Range',
      'Reshape',
      'ReduceSum',
      'Tile',
    ]) {
      const { code } = await refusal(
        file([
          [op, [], ['c']],
          ['Add', ['x', 'c'], ['y']],
        ]),
      );
      expect(code, op).toMatch(/ERR_FILE|ERR_UNSUPPORTED/);
    }
  });

  it('a Mean of constants before the first value is refused', async () => {
    const bytes = file([['Mean', ['c', 'c', 'x'], ['y']]], { tensors: { c: scalar(1) } });
    expect((await refusal(bytes)).code).toBe('ERR_UNSUPPORTED');
  });

  it('an empty exponent is malformed', async () => {
    const bytes = file([['Pow', ['x', 'c'], ['y']]], { tensors: { c: { dims: [0], data: [] } } });
    expect((await refusal(bytes)).code).toBe('ERR_FILE');
  });

  it('a constant whose batch axis is empty is malformed', async () => {
    const bytes = file([['Mul', ['x', 'c'], ['y']]], {
      inputs: { x: ['N', 8] },
      tensors: { c: { dims: [0, 1], data: [] } },
    });
    expect((await refusal(bytes)).code).toBe('ERR_FILE');
  });

  it('an axis named twice is malformed', async () => {
    const tensors = { s: ints(1, 1, 1, 1), a: ints(2, 2), z: ints(0, 0), e: ints(4, 2) };
    expect((await refusal(file([['Pad', ['x', 's', '', 'a'], ['y']]], { tensors, opset: 18 }))).code).toBe(
      'ERR_FILE',
    );
    expect((await refusal(file([['Slice', ['x', 'z', 'e', 'a'], ['y']]], { tensors }))).code).toBe(
      'ERR_FILE',
    );
  });

  it('fractions are no shape', async () => {
    const { code } = await refusal(
      file([['Reshape', ['x', 's'], ['y']]], { tensors: { s: { dims: [2], data: [-1, 0.5] } } }),
    );
    expect(code).toBe('ERR_FILE');
  });

  it('lists of a million entries are refused', async () => {
    const { code, message } = await refusal(
      file([['Transpose', ['x'], ['y'], { perm: { ints: new Array<number>(100_000).fill(1) } }]]),
    );
    expect(code).toBe('ERR_FILE');
    expect(message.length).toBeLessThan(2000);
  });

  it('a Split into more parts than it has outputs is malformed', async () => {
    const { code } = await refusal(
      onnxFile({
        inputs: { x: ['N', 2 ** 24] },
        outputs: ['y'],
        opset: 18,
        nodes: [['Split', ['x'], ['y'], { axis: { i: 1 }, num_outputs: { i: 2 ** 24 } }]],
      }),
    );
    expect(code).toBe('ERR_FILE');
  });
});

describe('large graphs', () => {
  it('200 000 operands of one node neither overflow the stack nor take forever', async () => {
    const operands = new Array<string>(200_000).fill('x');
    const { code } = await refusal(file([['Sum', operands, ['y']]]));
    expect(code).toBe('ERR_UNSUPPORTED');
    await expect(loadModel(file([['Concat', operands, ['y'], { axis: { i: 1 } }]]))).resolves.toBeDefined();
  });

  it('millions of empty nodes in a few bytes each are refused', async () => {
    const empty = new Uint8Array(2 * (2 ** 22 + 10));
    for (let i = 0; i < empty.length; i += 2) empty[i] = 0x0a; // field 1 of the graph, no bytes
    const graph = new BinaryWriter().tag(7, WireType.LengthDelimited).bytes(empty).finish();
    const { code, message } = await refusal(graph);
    expect(code).toBe('ERR_UNSUPPORTED');
    expect(message).toContain('more than');
  });

  it('messages stay readable', async () => {
    const name = 'n'.repeat(1_000_000);
    const { message } = await refusal(file([['Nope', ['x'], [name]]], { outputs: [name] }));
    expect(message.length).toBeLessThan(70_000);
    const many = Array.from({ length: 5000 }, (_, i): TestNode => ['Nope', ['x'], [`y${i}`]]);
    const all = await refusal(file(many, { outputs: many.map(([, , [output]]) => output!) }));
    expect(all.message).toContain('5000 nodes');
    expect(all.message).toContain('and 4800 more');
  });

  it('a size the file itself gives wrongly is the file’s fault', async () => {
    expect(
      (
        await refusal(
          onnxFile({ inputs: { x: ['N', 0, 8] }, outputs: ['y'], nodes: [['Relu', ['x'], ['y']]] }),
        )
      ).code,
    ).toBe('ERR_FILE');
    expect(
      (await refusal(onnxFile({ inputs: { x: ['N', -3] }, outputs: ['y'], nodes: [['Relu', ['x'], ['y']]] })))
        .code,
    ).toBe('ERR_FILE');
  });
});

describe('external data', () => {
  it.each(['0x10', '', ' 4', '1e1', '-1', '4.0', 'Infinity', '9'.repeat(400)])(
    'an offset of "%s" is no number',
    async (offset) => {
      const storage = { location: 'w.bin', offset } as unknown as { location: string };
      const { code, message } = await refusal(
        file([['Add', ['x', 'c'], ['y']]], { tensors: { c: { dims: [1], data: [], storage } } }),
      );
      expect(code).toBe('ERR_FILE');
      expect(message).toContain('offset');
    },
  );
});
