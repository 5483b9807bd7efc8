/** safetensors files: opened lazily (any size), decoded from memory, and written atomically as a stream. */

import type { FileHandle } from 'node:fs/promises';
import { PxError } from '../errors.js';
import { type AtomicWriter, writeAtomic } from './atomic.js';
import type { Dtype, TypedArray } from './dtype.js';
import { elementSize, holds, toFloat32, viewBytes } from './dtype.js';
import { openRegularFile } from './open-file.js';
import { ioError } from './os-error.js';
import { readRange } from './read-range.js';
import type { Header, TensorInfo } from './safetensors-header.js';
import { elementCount, encodeHeader, headerLength, parseHeader } from './safetensors-header.js';

export type { TensorInfo } from './safetensors-header.js';

/** A tensor in memory; `data` is flat and row-major, F16 and BF16 as bit patterns in a Uint16Array. */
export interface SafeTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** An open safetensors file: only the header is in memory. */
export interface SafetensorsFile {
  readonly path: string;
  /** In the order of their bytes in the file. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** ERR_MISMATCH where there is no such tensor. */
  info(name: string): TensorInfo;
  /** Reads one tensor into a fresh array. */
  read(name: string): Promise<TypedArray>;
  /** Reads one tensor as float32 values, whatever its dtype. */
  readFloat32(name: string): Promise<Float32Array>;
  /** Reads `count` elements from flat index `first` on. */
  readSlice(name: string, first: number, count: number): Promise<TypedArray>;
  close(): Promise<void>;
}

/** Opens a file and validates its header. ERR_IO, ERR_FILE. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let handle: FileHandle | undefined;
  try {
    let size: number;
    ({ handle, size } = await openRegularFile(path));
    const first8 = await readRange(handle, path, 0, Math.min(8, size));
    const length = headerLength(first8, size, path);
    return new OpenFile(path, handle, parseHeader(await readRange(handle, path, 8, length), size, path));
  } catch (error) {
    await handle?.close();
    throw ioError(error, 'read', path);
  }
}

/** Reads all tensors of a file of moderate size. ERR_IO, ERR_FILE. */
export async function readSafetensors(
  path: string,
): Promise<{ tensors: Map<string, SafeTensor>; metadata: Readonly<Record<string, string>> }> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, SafeTensor>();
    for (const name of file.names) {
      const { dtype, shape } = file.info(name);
      tensors.set(name, { dtype, shape, data: await file.read(name) });
    }
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
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

/** Writes a file atomically, tensor by tensor: no second copy of the data is made. ERR_IO, ERR_OPTION. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<void> {
  const { header, parts } = layOut(tensors, metadata);
  const fill = async (writer: AtomicWriter) => {
    await writer.write(header);
    for (const part of parts) await writer.write(part);
  };
  await writeAtomic(path, fill, signal);
}

class OpenFile implements SafetensorsFile {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly header: Header,
  ) {
    this.names = [...header.tensors.keys()];
    this.metadata = header.metadata;
  }

  has(name: string): boolean {
    return this.header.tensors.has(name);
  }

  info(name: string): TensorInfo {
    const info = this.header.tensors.get(name);
    if (!info) {
      throw new PxError(
        'ERR_MISMATCH',
        `${this.path}: has no tensor "${name}"; it has ${listNames(this.names)}`,
      );
    }
    return info;
  }

  read(name: string): Promise<TypedArray> {
    const { dtype, start, end } = this.info(name);
    return this.readSlice(name, 0, (end - start) / elementSize(dtype));
  }

  async readFloat32(name: string): Promise<Float32Array> {
    return toFloat32(this.info(name).dtype, await this.read(name));
  }

  async readSlice(name: string, first: number, count: number): Promise<TypedArray> {
    const { dtype, start, end } = this.info(name);
    const size = elementSize(dtype);
    const from = start + first * size;
    if (!(first >= 0 && count >= 0 && from + count * size <= end)) {
      throw new PxError(
        'ERR_OPTION',
        `${this.path}: elements ${first} to ${first + count} lie outside tensor "${name}"`,
      );
    }
    return viewBytes(dtype, await readRange(this.handle, this.path, from, count * size));
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Wide elements first, so that with the padded header every tensor starts at a multiple of its element size. */
function layOut(
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

function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const shown = names
    .slice(0, 8)
    .map((name) => `"${name}"`)
    .join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
