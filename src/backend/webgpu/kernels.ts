import { simplify, sizeOf, stridesOf } from './places.js';
import { f32, type Param, type Recorder, type Scaled, type Tensor } from './recorder.js';

/** The operations of elementwise.wgsl, under the numbers they have there. */
export const ELEMENTWISE = {
  scaled: 0,
  weighted: 1,
  mul: 2,
  div: 3,
  min: 4,
  max: 5,
  affine: 6,
  normalise: 7,
  centred: 8,
  sigmoid: 16,
  'hard-sigmoid': 17,
  erf: 18,
  softplus: 19,
  exp: 20,
  log: 21,
  sqrt: 22,
  reciprocal: 23,
  neg: 24,
  abs: 25,
  pow: 26,
} as const;

/** The factors of scale.wgsl, under the numbers they have there. */
export const FACTOR = {
  one: 0,
  value: 1,
  square: 2,
  'reciprocal-square': 3,
  bits: 4,
  'square-alone': 5,
  constant: 6,
  aligned: 7,
  ratio: 8,
} as const;

const MAX_RANK = 8;

/** How tensors lie against the axes that are walked: strides per axis, and where a and out begin. */
export interface Places {
  readonly dims: readonly number[];
  readonly a: readonly number[];
  readonly b?: readonly number[];
  readonly c?: readonly number[];
  readonly out?: readonly number[];
  readonly aOffset?: number;
  readonly outOffset?: number;
}

/** All tensors dense and alike. */
export const dense = (count: number): Places => ({ dims: [count], a: [1], b: [1], c: [1], out: [1] });

function walk(places: Places): { count: number; rank: number; tail: Param[] } {
  const none = places.dims.map(() => 0);
  const { dims, strides } = simplify(places.dims, [
    places.a,
    places.b ?? none,
    places.c ?? none,
    places.out ?? stridesOf(places.dims),
  ]);
  const tail: Param[] = [];
  for (let d = 0; d < MAX_RANK; d++) tail.push(dims[d] ?? 1);
  for (let d = 0; d < MAX_RANK; d++) for (const s of strides) tail.push(s[d] ?? 0);
  return { count: sizeOf(dims), rank: dims.length, tail };
}

export interface ElementwiseArgs {
  readonly a: Tensor;
  readonly b?: Tensor;
  readonly c?: Tensor;
  readonly out: Tensor;
  readonly alpha?: number;
  readonly beta?: number;
  /** What the status slot says if the result is not finite; 0: nothing. */
  readonly step: number;
}

export function elementwise(
  recorder: Recorder,
  op: keyof typeof ELEMENTWISE,
  { a, b, c, out, alpha = 1, beta = 1, step }: ElementwiseArgs,
  places: Places,
): void {
  const { count, rank, tail } = walk(places);
  recorder.strided(
    { shader: 'elementwise', overrides: { OP: ELEMENTWISE[op] } },
    [a, b, c, out],
    [count, rank, step, places.aOffset ?? 0, places.outOffset ?? 0, f32(alpha), f32(beta), 0, ...tail],
    count,
  );
}

export interface ScaleArgs {
  readonly a?: Scaled;
  readonly b?: Tensor;
  readonly c?: Tensor;
  readonly bSlot?: number;
  readonly out: Scaled;
  readonly exponent?: number;
  readonly alpha?: number;
  readonly parts?: number;
  readonly slopes?: readonly [segment: number, period: number];
}

export function scale(
  recorder: Recorder,
  op: keyof typeof FACTOR,
  { a, b, c, bSlot = 0, out, exponent = 0, alpha = 1, parts = 0, slopes = [1, 1] }: ScaleArgs,
  places: Places,
): Scaled {
  const { count, rank, tail } = walk(places);
  recorder.strided(
    { shader: 'scale', overrides: { OP: FACTOR[op] } },
    [a?.tensor, b, c, out.tensor],
    [
      ...[count, rank, places.aOffset ?? 0, places.outOffset ?? 0, a?.slot ?? 0, bSlot, out.slot, exponent],
      ...[f32(alpha), parts, ...slopes, ...tail],
    ],
    count,
  );
  return out;
}

/** a + b, into `out`. */
export function sum(recorder: Recorder, a: Scaled, b: Scaled, out: Scaled, places: Places): Scaled {
  const { count, rank, tail } = walk(places);
  recorder.strided(
    { shader: 'sum', overrides: {} },
    [a.tensor, b.tensor, out.tensor],
    [count, rank, a.slot, b.slot, out.slot, 0, 0, 0, ...tail],
    count,
  );
  return out;
}

/** The largest |x| (or |1/x|) into a slot. */
export function largest(recorder: Recorder, x: Tensor, slot: number, reciprocal = false): void {
  recorder.strided(
    { shader: 'largest', overrides: { RECIPROCAL: Number(reciprocal) } },
    [x],
    [x.elements, slot, 0, 0],
    x.elements,
  );
}

/** Workgroups among which a total is divided; each leaves its part. */
const TOTAL_PARTS = 64;
/** Words a total takes: its exponent, then the parts. */
export const TOTAL_WORDS = 1 + TOTAL_PARTS;

/** Σ a·b, or Σ a, into `out` from `offset` on. */
export function total(recorder: Recorder, out: Tensor, offset: number, a: Scaled, b?: Scaled): void {
  const count = a.tensor.elements;
  recorder.operations.push({
    kernel: { shader: 'total', overrides: { PRODUCT: Number(b !== undefined) } },
    tensors: [a.tensor, b?.tensor, out],
    params: [count, a.slot, b?.slot ?? 0, offset],
    workgroups: [TOTAL_PARTS, 1],
    cost: count,
  });
}
