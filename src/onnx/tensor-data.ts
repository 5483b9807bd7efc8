import { PxError } from '../errors.js';
import type { Tensor } from '../graph/tensor.js';
import { dataType, isFloatType } from './data-types.js';
import { noExternalData } from './external-data.js';
import type { InlinePayload, OnnxModel, TensorRecord } from './proto.js';

/** Elements of a constant in another file, which may be larger than anything the model file could hold; weights may have more. */
const MAX_CONSTANT = 2 ** 26;

/**
 * The values of a tensor: float32, float16 and bfloat16 as float32, float64 as float64, whole numbers and booleans as float64
 * (exact up to 2^53).
 *
 * @throws PxError ERR_UNSUPPORTED for types without such values (strings, complex, 4- and 8-bit floats), ERR_FILE or ERR_IO for
 *   external data that cannot be read
 */
export function readTensor(model: OnnxModel, record: TensorRecord): Tensor {
  const { payload } = record;
  if (payload.kind === 'external' && record.size > MAX_CONSTANT) {
    throw new PxError(
      'ERR_UNSUPPORTED',
      `tensor "${record.name}" has ${record.size} elements, too many for a constant (${MAX_CONSTANT})`,
    );
  }
  const source =
    payload.kind === 'external'
      ? { kind: 'raw' as const, ...whole(external(model).readNow(record.name, payload)) }
      : { kind: payload.kind, ...inline(model.bytes, payload) };
  return decodeValues(record, source);
}

/**
 * As `readTensor`, for tensors of any size.
 *
 * @throws PxError as readTensor
 */
export async function readLargeTensor(model: OnnxModel, record: TensorRecord): Promise<Tensor> {
  const { payload } = record;
  if (payload.kind !== 'external') return readTensor(model, record);
  return decodeValues(record, { kind: 'raw', ...whole(await external(model).read(record.name, payload)) });
}

/**
 * A weight's values as float32 in stored layout, zero-copy where the file holds aligned little-endian float32.
 *
 * @throws PxError as readTensor; ERR_UNSUPPORTED when a value is outside float32's range
 */
export async function readWeight(model: OnnxModel, record: TensorRecord): Promise<Float32Array> {
  const { data } = await readLargeTensor(model, record);
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

function external({ external }: OnnxModel) {
  return external ?? noExternalData;
}

interface Source {
  readonly kind: InlinePayload['kind'];
  readonly view: DataView;
  /** Byte offsets in `view` of each contiguous run. */
  readonly runs: readonly { readonly start: number; readonly end: number }[];
}

function whole(bytes: Uint8Array): Omit<Source, 'kind'> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { view, runs: [{ start: 0, end: bytes.length }] };
}

function inline(bytes: Uint8Array, payload: InlinePayload): Omit<Source, 'kind'> {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), runs: payload.ranges };
}

function decodeValues(record: TensorRecord, source: Source): Tensor {
  const { dims, size, dataType: code } = record;
  const type = dataType(code);
  const element = source.kind === 'raw' ? RAW[code] : LISTED[code];
  if (element === undefined) {
    throw new PxError(
      'ERR_UNSUPPORTED',
      `tensor "${record.name}" holds ${type.name}, which is not understood`,
    );
  }
  const dtype = code === 11 ? 'float64' : isFloatType(code) ? 'float32' : code === 9 ? 'bool' : 'int64';
  if (source.kind === 'raw' && code === 1) return { dims, dtype: 'float32', data: float32View(source, size) };
  const data = dtype === 'float32' ? new Float32Array(size) : new Float64Array(size);
  let at = 0;
  for (const { start, end } of source.runs) {
    if (source.kind === 'int32' || source.kind === 'int64' || source.kind === 'uint64') {
      const limit = { at: start };
      while (limit.at < end) data[at++] = element(varint(source.view, limit), 0);
    } else {
      const step = source.kind === 'raw' ? type.bytes : source.kind === 'float' ? 4 : 8;
      for (let i = start; i < end; i += step) data[at++] = element(source.view, i);
    }
  }
  return { dims, dtype, data };
}

function float32View(source: Source, size: number): Float32Array {
  const run = source.runs[0];
  if (run === undefined) return new Float32Array(0);
  const { buffer, byteOffset } = source.view;
  const start = byteOffset + run.start;
  // A typed array needs its elements aligned; protobuf gives no such promise.
  return start % 4 === 0
    ? new Float32Array(buffer as ArrayBuffer, start, size)
    : new Float32Array(buffer.slice(start, start + size * 4) as ArrayBuffer);
}

/** The 64 bits of a varint in a scratch view, which the readers below interpret. */
const scratch = new DataView(new ArrayBuffer(8));

function varint(view: DataView, cursor: { at: number }): DataView {
  let bits = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = view.getUint8(cursor.at++);
    bits |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  scratch.setBigUint64(0, BigInt.asUintN(64, bits), true);
  return scratch;
}

type ReadElement = (view: DataView, at: number) => number;

const float16: ReadElement = (view, at) => float16ToNumber(view.getUint16(at, true));
const bfloat16: ReadElement = (view, at) => {
  const bits = view.getUint16(at, true);
  widen.setUint32(0, bits << 16);
  return widen.getFloat32(0);
};
const widen = new DataView(new ArrayBuffer(4));
const int64: ReadElement = (view, at) => Number(view.getBigInt64(at, true));
const uint64: ReadElement = (view, at) => Number(view.getBigUint64(at, true));

const RAW: Readonly<Record<number, ReadElement>> = {
  1: (view, at) => view.getFloat32(at, true),
  2: (view, at) => view.getUint8(at),
  3: (view, at) => view.getInt8(at),
  4: (view, at) => view.getUint16(at, true),
  5: (view, at) => view.getInt16(at, true),
  6: (view, at) => view.getInt32(at, true),
  7: int64,
  9: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  10: float16,
  11: (view, at) => view.getFloat64(at, true),
  12: (view, at) => view.getUint32(at, true),
  13: uint64,
  16: bfloat16,
};

/** Elements of the typed lists; varints arrive as 64 little-endian bits. */
const LISTED: Readonly<Record<number, ReadElement>> = {
  ...RAW,
  2: (view, at) => view.getInt32(at, true),
  3: (view, at) => view.getInt32(at, true),
  4: (view, at) => view.getInt32(at, true),
  5: (view, at) => view.getInt32(at, true),
  12: uint64,
};

function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
