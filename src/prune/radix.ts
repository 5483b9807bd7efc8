import { PxError } from '../errors.js';
import { PIECE } from '../pieces.js';

/**
 * Radix select on the bits of non-negative float32 scores: as unsigned integers, those bits have the order of the floats they
 * stand for. One histogram of the high 16 bits over everything, then one of the low 16 bits within the bucket that holds the
 * threshold: exact, two passes, no sorting and nothing allocated per weight.
 */

/** Bits of +infinity: whatever is not below is infinite, NaN or negative. */
const INFINITY_BITS = 0x7f800000;
const NEGATIVE_ZERO_BITS = 0x80000000;
const BUCKETS = 1 << 16;

/** A tensor's scores as bits, and which of them take part. */
export interface Candidate {
  readonly name: string;
  readonly bits: Uint32Array;
  /** Packed mask (masks.ts). */
  readonly alive: Uint8Array;
}

/** What is kept: every score whose bits are above `bits`, and the first `ties` in order of those equal to it. */
export interface Threshold {
  readonly bits: number;
  readonly ties: number;
}

/** The same memory as float32 bits. */
export function floatBits(scores: Float32Array): Uint32Array {
  return new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
}

/**
 * The threshold that keeps exactly `k` of the alive scores, 0 ≤ k ≤ number alive. Looks at every alive score.
 *
 * @throws PxError ERR_NUMERIC where an alive score is NaN, infinite or negative
 */
export function* findThreshold(tensors: readonly Candidate[], k: number): Generator<undefined, Threshold> {
  const high = new Uint32Array(BUCKETS);
  for (const tensor of tensors) {
    for (const [from, to] of pieces(tensor)) yield countHigh(tensor, from, to, high);
  }
  const bucket = descend(high, k);
  const low = new Uint32Array(BUCKETS);
  for (const tensor of tensors) {
    for (const [from, to] of pieces(tensor)) yield countLow(tensor, from, to, bucket.index, low);
  }
  const value = descend(low, k - bucket.above);
  return { bits: bucket.index * BUCKETS + value.index, ties: k - bucket.above - value.above };
}

/**
 * Sets in `kept` (packed) what the threshold keeps of one tensor.
 *
 * @returns how many ties are left for the tensors that follow
 */
export function* keepAbove(
  tensor: Candidate,
  threshold: Threshold,
  ties: number,
  kept: Uint8Array,
): Generator<undefined, number> {
  let left = ties;
  for (const [from, to] of pieces(tensor)) {
    left = keepPiece(tensor, from, to, threshold.bits, left, kept);
    yield;
  }
  return left;
}

/** Where a tensor's weights are cut, so that no piece holds the event loop. */
function* pieces({ bits }: Candidate): Generator<readonly [from: number, to: number]> {
  for (let from = 0; from < bits.length; from += PIECE) yield [from, Math.min(from + PIECE, bits.length)];
}

function keepPiece(
  { bits, alive }: Candidate,
  from: number,
  to: number,
  limit: number,
  ties: number,
  kept: Uint8Array,
): number {
  let left = ties;
  for (let j = from; j < to; j++) {
    if (((alive[j >> 3]! >> (j & 7)) & 1) === 0) continue;
    const x = magnitude(bits[j]!);
    if (x < limit || (x === limit && left-- <= 0)) continue;
    kept[j >> 3]! |= 1 << (j & 7);
  }
  return Math.max(left, 0);
}

function countHigh(tensor: Candidate, from: number, to: number, histogram: Uint32Array): undefined {
  const { bits, alive } = tensor;
  for (let j = from; j < to; j++) {
    if (((alive[j >> 3]! >> (j & 7)) & 1) === 0) continue;
    const x = magnitude(bits[j]!);
    if (x >= INFINITY_BITS) refuse(tensor, j);
    histogram[x >>> 16]!++;
  }
}

function countLow(
  { bits, alive }: Candidate,
  from: number,
  to: number,
  highBits: number,
  histogram: Uint32Array,
): undefined {
  for (let j = from; j < to; j++) {
    if (((alive[j >> 3]! >> (j & 7)) & 1) === 0) continue;
    const x = magnitude(bits[j]!);
    if (x >>> 16 === highBits) histogram[x & 0xffff]!++;
  }
}

/** −0 is 0: it ranks with it. Other negatives keep their sign bit and are refused above. */
function magnitude(bits: number): number {
  return bits === NEGATIVE_ZERO_BITS ? 0 : bits;
}

/** From the largest bucket down: the one that holds the k-th largest, and how many lie above it. */
function descend(histogram: Uint32Array, k: number): { index: number; above: number } {
  let above = 0;
  for (let index = histogram.length - 1; index > 0; index--) {
    const count = histogram[index]!;
    if (above + count >= k) return { index, above };
    above += count;
  }
  return { index: 0, above };
}

function refuse(tensor: Candidate, index: number): never {
  const value = new Float32Array(tensor.bits.buffer, tensor.bits.byteOffset, tensor.bits.length)[index];
  throw new PxError(
    'ERR_NUMERIC',
    `score ${index} of tensor '${tensor.name}' is ${value}; scores are finite and not negative, ` +
      'so the model or the data led to a number that is not one: check both for NaN and infinities',
  );
}
