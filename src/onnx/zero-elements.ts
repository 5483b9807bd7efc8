/** Zeroing of masked elements in place: no byte moves, so every length prefix in the file stays true. */
import { dataType } from './data-types.js';
import type { ByteRange, InlinePayload, TensorRecord } from './proto.js';

/** Bit j & 7 of byte j >> 3 tells whether element j is kept. */
export type MaskBits = Uint8Array;

export function isKept(mask: MaskBits, j: number): boolean {
  return ((mask[j >>> 3]! >> (j & 7)) & 1) === 1;
}

/** Share of the first `size` elements that are kept; 1 for a tensor without elements. */
export function maskDensity(mask: MaskBits, size: number): number {
  const whole = Math.floor(size / 8);
  let kept = 0;
  for (let i = 0; i < whole; i++) kept += ONES[mask[i]!]!;
  for (let j = whole * 8; j < size; j++) if (isKept(mask, j)) kept++;
  return size === 0 ? 1 : kept / size;
}

/** How many bits of a byte are 1. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
  return count;
});

/** Bytes of the model file from a tensor's first element to its last; undefined for an empty tensor. */
export function payloadHull({ ranges }: InlinePayload): ByteRange | undefined {
  const [first] = ranges;
  return first && { start: first.start, end: ranges[ranges.length - 1]!.end };
}

/**
 * Zeroes a tensor's masked elements. `bytes` is a copy of a part of the file that begins at offset `base` and covers the payload.
 */
export function zeroInline(bytes: Uint8Array, base: number, tensor: TensorRecord, mask: MaskBits): void {
  const payload = tensor.payload as InlinePayload;
  const width = elementWidth(payload.kind, tensor.dataType);
  let j = 0;
  for (const { start, end } of payload.ranges) {
    if (width === undefined) {
      j = zeroVarints(bytes, start - base, end - base, mask, j);
    } else {
      const count = (end - start) / width;
      zeroFixed(bytes, start - base, width, mask, j, j + count);
      j += count;
    }
  }
}

/**
 * Zeroes masked elements of raw data of which `bytes` is a piece: it begins `offset` bytes after the tensor's first element (before
 * it where negative) and may begin and end within an element.
 */
export function zeroPiece(bytes: Uint8Array, offset: number, tensor: TensorRecord, mask: MaskBits): void {
  const width = dataType(tensor.dataType).bytes;
  const first = Math.max(0, Math.floor(offset / width));
  const last = Math.min(tensor.size, Math.ceil((offset + bytes.length) / width));
  zeroFixed(bytes, first * width - offset, width, mask, first, last);
}

/** Elements `first` to `last` − 1, the first lying at `at`; what lies outside `bytes` is left out. */
function zeroFixed(
  bytes: Uint8Array,
  at: number,
  width: number,
  mask: MaskBits,
  first: number,
  last: number,
): void {
  for (let j = first; j < last; j++, at += width) {
    if (isKept(mask, j)) continue;
    const end = Math.min(at + width, bytes.length);
    for (let i = Math.max(0, at); i < end; i++) bytes[i] = 0; // a call of fill() would cost more than it writes
  }
}

/**
 * Elements from index `j` on, one varint each; returns the index after the last. A varint may be longer than it needs: a zero takes
 * the same number of bytes as the element it replaces, continuation bits kept.
 */
function zeroVarints(bytes: Uint8Array, start: number, end: number, mask: MaskBits, j: number): number {
  for (let at = start; at < end; at++) {
    const more = bytes[at]! & 0x80;
    if (!isKept(mask, j)) bytes[at] = more;
    if (!more) j++;
  }
  return j;
}

/** Bytes of an element in the payload; undefined for varints. */
function elementWidth(kind: InlinePayload['kind'], type: number): number | undefined {
  if (kind === 'raw') return dataType(type).bytes;
  if (kind === 'float') return 4;
  return kind === 'double' ? 8 : undefined;
}
