import type { TestNode, TestTensor } from '../onnx-file.js';
import { uniform } from '../random.js';

/** One form of an operator, to be computed by the Plan and by a runtime. */
export interface OpCase {
  readonly name: string;
  readonly opset?: number;
  /** Shape of one sample. */
  readonly x: readonly number[];
  /** From x to z, which a MatMul with `last` rows follows, so that nothing here is in the tail. */
  readonly nodes: readonly TestNode[];
  readonly tensors?: Readonly<Record<string, TestTensor>>;
  readonly last: number;
  /** Written into the file instead of a symbolic batch. */
  readonly batch?: number;
  readonly domains?: Readonly<Record<string, number>>;
  /** Makes x positive, for functions that need it. */
  readonly positive?: boolean;
}

let seed = 1;
/** Uniform values, other ones at every call. */
export function random(dims: readonly number[], low = -1, high = 1): TestTensor {
  const next = uniform(seed++);
  return {
    dims,
    data: Float32Array.from(
      { length: dims.reduce((size, dim) => size * dim, 1) },
      () => low + (high - low) * next(),
    ),
  };
}

export const i = (value: number) => ({ i: value });
export const f = (value: number) => ({ f: value });
export const s = (value: string) => ({ s: value });
export const is = (...values: number[]) => ({ ints: values });

/** One operator from x to z. */
export function one(
  op: string,
  attributes: TestNode[3] = {},
  more: readonly string[] = [],
): readonly TestNode[] {
  return [[op, ['x', ...more], ['z'], attributes]];
}

export const image = [4, 7, 6];
