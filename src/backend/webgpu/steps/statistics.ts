import { f32, type Recorder, type Tensor } from '../recorder.js';

/** norm.wgsl's operations, under the numbers they have there. */
const OPS = { coefficients: 0, scales: 1, pool: 2, inverse: 3, mean: 4, absolute: 5 } as const;

/** Numbers a workgroup of moments.wgsl takes in one go, and how many workgroups there may be for one set. */
const MOMENTS_GRAIN = 1024;
const MOMENTS_PARTS = 32;
/** Workgroups that keep a large device busy. */
const ENOUGH_WORKGROUPS = 512;

/** Set s holds x[s·inner + j·stride + i], j < outer, i < inner. */
export interface Sets {
  readonly sets: number;
  readonly inner: number;
  readonly outer: number;
  readonly stride: number;
}

/** Of each set: [mean − pivot | variance | pivot], the pivot being its first number. */
export function moments(recorder: Recorder, x: Tensor, { sets, inner, outer, stride }: Sets): Tensor {
  const members = inner * outer;
  const wanted = Math.ceil(ENOUGH_WORKGROUPS / sets);
  const parts = Math.max(1, Math.min(MOMENTS_PARTS, wanted, Math.ceil(members / MOMENTS_GRAIN)));
  const partial = recorder.tensor(5 * sets * parts);
  const out = recorder.tensor(3 * sets);
  const params = [sets, parts, inner, outer, stride, 0, 0, 0];
  const kernel = (part: boolean) => ({ shader: 'moments', overrides: { PART: Number(part) } }) as const;
  recorder.strided(kernel(true), [x, undefined, partial], params, sets * parts, 1, 4 * sets * members);
  recorder.strided(kernel(false), [x, partial, out], params, sets, 64, sets * parts);
  return out;
}

export interface NormArgs {
  readonly statistics: Tensor;
  readonly gamma?: Tensor;
  readonly beta?: Tensor;
  readonly out: Tensor;
  readonly squares?: Tensor;
  readonly count: number;
  readonly samples?: number;
  readonly slot?: number;
  /** Statistics are sums over micro-batches. */
  readonly pooled?: boolean;
  readonly epsilon?: number;
}

/** Records norm.wgsl. */
export function normKernel(recorder: Recorder, op: keyof typeof OPS, args: NormArgs): void {
  const { statistics, gamma, beta, out, squares, count } = args;
  const { samples = 0, slot = 0, pooled = false, epsilon = 0 } = args;
  recorder.strided(
    { shader: 'norm', overrides: { OP: OPS[op] } },
    [statistics, gamma, beta, out, squares],
    [count, samples, slot, Number(pooled), f32(epsilon), 0, 0, 0],
    count,
    64,
  );
}
