/**
 * Bit-packed masks: one bit a weight, 1 = kept. Weight j of a tensor is bit (j & 7) of byte (j >> 3), least significant bit
 * first; the unused high bits of the last byte are 0. Index j is flat and row-major in the stored layout.
 */

/** Bytes a packed mask of `size` weights takes. */
export function maskBytes(size: number): number {
  return Math.ceil(size / 8);
}

/** A packed mask of `size` weights that keeps all of them. */
export function fullMask(size: number): Uint8Array {
  const mask = new Uint8Array(maskBytes(size)).fill(0xff);
  clearPadding(mask, size);
  return mask;
}

/** Packs one byte a weight (0 = pruned, anything else = kept) into one bit a weight. */
export function packMask(dense: Uint8Array): Uint8Array {
  const mask = new Uint8Array(maskBytes(dense.length));
  for (let j = 0; j < dense.length; j++) {
    if (dense[j] !== 0) mask[j >> 3]! |= 1 << (j & 7);
  }
  return mask;
}

/** The inverse of `packMask`: `size` bytes of 0 or 1. */
export function unpackMask(mask: Uint8Array, size: number): Uint8Array {
  const dense = new Uint8Array(size);
  // A byte that keeps nothing, as most do in the end, costs one look.
  for (let i = 0; i < mask.length; i++) {
    const byte = mask[i]!;
    if (byte === 0) continue;
    const end = Math.min(i * 8 + 8, size);
    for (let j = i * 8; j < end; j++) dense[j] = (byte >> (j & 7)) & 1;
  }
  return dense;
}

/** Whether weight `j` is kept. */
export function isKept(mask: Uint8Array, j: number): boolean {
  return ((mask[j >> 3]! >> (j & 7)) & 1) === 1;
}

/** Number of kept weights. */
export function countKept(mask: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < mask.length; i++) count += BITS[mask[i]!]!;
  return count;
}

/** Calls `visit` with the flat index of every kept weight, ascending. */
export function forEachKept(mask: Uint8Array, visit: (index: number) => void): void {
  for (let i = 0; i < mask.length; i++) {
    for (let bits = mask[i]!; bits !== 0; bits &= bits - 1) visit(i * 8 + LOWEST_BIT[bits]!);
  }
}

/** Whether two packed masks are the same. */
export function masksEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Clears the bits of the last byte that stand for no weight, so that counts and comparisons need not know the size. */
export function clearPadding(mask: Uint8Array, size: number): void {
  const used = size & 7;
  if (used !== 0) mask[mask.length - 1]! &= (1 << used) - 1;
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
  return count;
});

const LOWEST_BIT = Uint8Array.from({ length: 256 }, (_, byte) => 31 - Math.clz32(byte & -byte));
