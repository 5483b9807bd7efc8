/**
 * The safetensors header: 8 bytes of length, then JSON {name: {dtype, shape, data_offsets}} and "__metadata__".
 * Everything a hostile file could lie about is checked here, before any byte of data is read.
 */
import { PxError } from '../errors.js';
import type { Dtype } from './dtype.js';
import { elementSize, isDtype } from './dtype.js';

/** A header of this size describes more than a hundred thousand tensors; parsed, the worst of them takes fifty times the memory. */
export const MAX_HEADER_BYTES = 2 ** 24;

export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Byte range in the file. */
  readonly start: number;
  readonly end: number;
}

export interface Header {
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Length of the JSON from the file's first 8 bytes, checked against the file's size. ERR_FILE names `file`. */
export function headerLength(first8: Uint8Array, fileSize: number, file: string): number {
  if (fileSize < 8 || first8.length < 8)
    throw bad(file, `${fileSize} bytes are too few for a safetensors file`);
  const length = new DataView(first8.buffer, first8.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) || length + 8n > BigInt(fileSize)) {
    throw bad(
      file,
      `header of ${length} bytes does not fit the file's ${fileSize}; not a safetensors file, or truncated`,
    );
  }
  return Number(length);
}

/** Parses and validates the JSON header. `fileSize` is the size of the whole file. ERR_FILE names file and tensor. */
export function parseHeader(json: Uint8Array, fileSize: number, file: string): Header {
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw bad(file, 'header is not valid JSON; not a safetensors file, or damaged', error);
  }
  if (!isRecord(root)) throw bad(file, 'header is not a JSON object');

  const dataStart = 8 + json.length;
  let metadata: Record<string, string> = {};
  const entries: [string, TensorInfo][] = [];
  for (const [name, value] of Object.entries(root)) {
    if (name === '__metadata__') metadata = parseMetadata(value, file);
    else entries.push([name, parseTensor(name, value, dataStart, file)]);
  }
  entries.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);

  // Without holes or overlaps no byte of the file can hide, and no name can occur twice unnoticed.
  let position = dataStart;
  for (const [name, { start, end }] of entries) {
    if (start !== position)
      throw bad(
        file,
        `tensor "${name}" ${start < position ? 'overlaps' : 'leaves a hole after'} the one before it`,
      );
    position = end;
  }
  if (position !== fileSize)
    throw bad(file, `header describes ${position} bytes, the file has ${fileSize}; truncated or damaged`);
  return { tensors: new Map(entries), metadata };
}

/** Length prefix and JSON, padded with spaces so that the data starts at a multiple of 8. */
export function encodeHeader(
  tensors: readonly {
    readonly name: string;
    readonly dtype: Dtype;
    readonly shape: readonly number[];
    readonly bytes: number;
  }[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Written entry by entry: assigning names to an object would reorder "1", "2" and trip over "__proto__".
  const parts: string[] = [];
  if (Object.keys(metadata).length > 0) parts.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    const entry = { dtype, shape, data_offsets: [offset, offset + bytes] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offset += bytes;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + padded).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(json, 8);
  return out;
}

/** Number of elements of a shape; NaN where the product is no safe integer. */
export function elementCount(shape: readonly number[]): number {
  const count = shape.reduce((product, size) => product * size, 1);
  return Number.isSafeInteger(count) ? count : NaN;
}

function parseTensor(name: string, value: unknown, dataStart: number, file: string): TensorInfo {
  const fail = (what: string): PxError => bad(file, `tensor "${name}": ${what}`);
  if (!isRecord(value)) throw fail('entry is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) throw fail(`dtype ${JSON.stringify(dtype)} is not supported`);
  if (!isSizes(shape)) throw fail('shape is not a list of non-negative integers');
  if (!isSizes(offsets) || offsets.length !== 2)
    throw fail('data_offsets is not a pair of non-negative integers');
  const [from, to] = offsets as [number, number];
  const bytes = elementCount(shape) * elementSize(dtype);
  if (to - from !== bytes) {
    throw fail(`${to - from} bytes of data do not match ${dtype} [${shape.join(', ')}]`);
  }
  return { dtype, shape, start: dataStart + from, end: dataStart + to };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    throw bad(file, '__metadata__ is not an object of strings');
  }
  return value as Record<string, string>;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function bad(file: string, what: string, cause?: unknown): PxError {
  return new PxError('ERR_FILE', `${file}: ${what}`, { cause });
}
