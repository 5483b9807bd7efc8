/** Values rounded to a narrower float type: how a weight looks after a conversion that an exporter or a checkpoint made. */
import { createHash } from 'node:crypto';

/** Significant precision of stored weights; float64 counts as F32, in which everything is computed. */
export type Precision = 'F32' | 'F16' | 'BF16';

/** The precisions in which two tensors can be equal when one was converted into the other. */
export function sharedPrecisions(a: Precision, b: Precision): readonly Precision[] {
  if (a === b || b === 'F32') return [a];
  return a === 'F32' ? [b] : [a, b];
}

/** The values rounded to nearest, ties to even; the same array for F32. */
export function roundTo(values: Float32Array, precision: Precision): Float32Array {
  if (precision === 'F32') return values;
  const out = values.slice();
  const bits = new Uint32Array(out.buffer);
  if (precision === 'BF16') {
    for (let i = 0; i < bits.length; i++) {
      const word = bits[i]!;
      bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
    }
    return out;
  }
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const sign = word & 0x80000000;
    const magnitude = word & 0x7fffffff;
    if (magnitude < SMALLEST_NORMAL_F16) {
      // Multiples of 2⁻²⁴: what float32 has room for between 0.5 and 1.
      const rounded = Math.fround(Math.abs(values[i]!) + 0.5) - 0.5;
      out[i] = sign === 0 ? rounded : -rounded;
    } else {
      const rounded = (magnitude + 0xfff + ((magnitude >>> 13) & 1)) & ~0x1fff;
      bits[i] = sign | (rounded < OVERFLOW_F16 ? rounded : INFINITY);
    }
  }
  return out;
}

/** SHA-256 of the values rounded to `precision`. */
export function contentDigest(values: Float32Array, precision: Precision): string {
  const rounded = roundTo(values, precision);
  const bytes = new Uint8Array(rounded.buffer, rounded.byteOffset, rounded.byteLength);
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += PIECE) hash.update(bytes.subarray(at, at + PIECE));
  return hash.digest('base64');
}

/** Bytes hashed at a time: one call takes less than 2 GiB. */
const PIECE = 2 ** 30;

/** float32 bit patterns of 2⁻¹⁴, 2¹⁶ and ∞. */
const SMALLEST_NORMAL_F16 = 0x38800000;
const OVERFLOW_F16 = 0x47800000;
const INFINITY = 0x7f800000;
