import { describe, expect, it } from 'vitest';
import { batchNormReport } from '../../src/onnx/folded-norm.js';
import { readModel } from '../../src/onnx/read.js';
import { onnxFile, type TestNode } from '../support/onnx-file.js';

const LAYERS = [0, 1, 2, 3, 4];

/** Five convolutions with biases named by `bias`, and what is reported of them. */
async function report(
  bias: (layer: number) => string,
  producer = 'pytorch',
  output = (i: number) => `c${i}`,
) {
  const nodes: TestNode[] = LAYERS.map((i) => [
    'Conv',
    [i === 0 ? 'x' : output(i - 1), `features.${i}.weight`, bias(i)],
    [output(i)],
  ]);
  const tensors = Object.fromEntries(
    LAYERS.flatMap((i) => [
      [`features.${i}.weight`, { dims: [2, 2, 1, 1], data: [1, 2, 3, 4] }],
      [bias(i), { dims: [2], data: [1, 2] }],
    ]),
  );
  const bytes = onnxFile({
    producer,
    inputs: { x: ['n', 2, 4, 4] },
    outputs: [output(4)],
    nodes: [...nodes],
    tensors,
  });
  return batchNormReport((await readModel(bytes)).model);
}

describe('BatchNorm that is not there', () => {
  it("says either, or, when PyTorch's files keep the modules' own names", async () => {
    const { verdict, explanation } = await report((i) => `features.${i}.bias`);
    expect(verdict).toBe('possibly folded');
    expect(explanation).toContain(
      'either the network has no BatchNorm, and nothing is lost, or it was folded before the export',
    );
    expect(explanation).not.toContain('torch.onnx.export');
  });

  it("blames the exporter when the names are nobody's", async () => {
    const { verdict, explanation } = await report((i) => `b${i}`, 'somebody');
    expect(verdict).toBe('possibly folded');
    expect(explanation).toContain('on the way into this file');
  });

  it.each([
    ['the older exporter', (i: number) => `onnx::Conv_${20 + i}`, undefined],
    ['the newer exporter', (i: number) => `features.${i}.weight_bias`, undefined],
    ['the newer exporter, with biases', (i: number) => `features.${i}.bias`, (i: number) => `getitem_${i}`],
  ])('knows what %s folded', async (_, bias, output) => {
    expect(await report(bias, 'pytorch', output)).toMatchObject({ verdict: 'folded', folded: 5 });
  });
});
