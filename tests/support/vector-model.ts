import { expect } from 'vitest';
import { PxError } from '../../src/errors.js';
import { type LoadedModel, loadModel } from '../../src/plan/load.js';
import { type FileSpec, onnxFile, type TestNode, type TestTensor } from './onnx-file.js';

export const filled = (dims: readonly number[]): TestTensor => ({
  dims,
  data: Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i % 3) - 1),
});

/** Loads a model over vectors of 4 from x to y, with 4 × 4 weights w and v at hand. */
export function loadVectorModel(
  nodes: readonly TestNode[],
  more: Partial<FileSpec> = {},
  outputs?: readonly string[],
): Promise<LoadedModel> {
  const tensors = { w: filled([4, 4]), v: filled([4, 4]), ...more.tensors };
  const file = onnxFile({ inputs: { x: ['n', 4] }, outputs: ['y'], nodes, ...more, tensors });
  return loadModel(file, outputs && { outputs });
}

/** The PxError that loading ends in. */
export async function refusal(nodes: readonly TestNode[], more: Partial<FileSpec> = {}): Promise<PxError> {
  const error = await loadVectorModel(nodes, more).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PxError);
  return error as PxError;
}

export const stepKinds = ({ plan }: LoadedModel) => plan.steps.map(({ kind, op }) => `${kind} ${op}`);

export const gateOnlyNames = ({ plan }: LoadedModel) =>
  plan.params.filter((param) => param.gateOnly).map((param) => param.name);

export const stepOf = (model: LoadedModel, op: string) => model.plan.steps.find((one) => one.op === op)!;
