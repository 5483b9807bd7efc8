/** safetensors in memory: from bytes to tensors and back. */
import { PxError } from '../errors.js';
import type { Dtype, TypedArray } from './dtype.js';
import { elementSize, holds, viewBytes } from './dtype.js';
import { elementCount, encodeHeader, headerLength, parseHeader } from './safetensors-header.js';

/** A tensor in memory; `data` is flat and row-major, F16 and BF16 as bit patterns in a Uint16Array. */
export interface SafeTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Decodes a whole file held in memory; arrays are views of `bytes` where alignment allows. `file` is for messages. */
export function decodeSafetensors(
  bytes: Uint8Array,
  file = 'safetensors bytes',
): { tensors: Map<string, SafeTensor>; metadata: Readonly<Record<string, string>> } {
  const length = headerLength(bytes, bytes.length, file);
  const header = parseHeader(bytes.subarray(8, 8 + length), bytes.length, file);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, start, end }] of header.tensors) {
    tensors.set(name, { dtype, shape, data: viewBytes(dtype, bytes.subarray(start, end)) });
  }
  return { tensors, metadata: header.metadata };
}

/** Encodes tensors and metadata into one buffer. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { header, parts } = layOut(tensors, metadata);
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, header.length));
  out.set(header);
  let offset = header.length;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Header and data in the order of the file. Wide elements first, so that with the padded header every tensor starts at a multiple of its element size. */
export function layOut(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; parts: Uint8Array[] } {
  const sorted = [...tensors].sort(([, a], [, b]) => elementSize(b.dtype) - elementSize(a.dtype));
  const entries = sorted.map(([name, { dtype, shape, data }]) => {
    if (name === '__metadata__')
      throw new PxError('ERR_OPTION', 'a tensor cannot be named "__metadata__"; rename it');
    if (!holds(dtype, data) || elementCount(shape) !== data.length) {
      throw new PxError(
        'ERR_OPTION',
        `tensor "${name}": ${data.constructor.name} of ${data.length} does not hold ${dtype} [${shape.join(', ')}]`,
      );
    }
    return { name, dtype, shape, bytes: data.byteLength };
  });
  const parts = sorted.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return { header: encodeHeader(entries, metadata), parts };
}
