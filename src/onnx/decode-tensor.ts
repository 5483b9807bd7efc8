import { PxError } from '../errors.js';
import { MAX_FOLDED_SIZE, MAX_RANK } from '../graph/limits.js';
import { sizeOf } from '../graph/tensor.js';
import { dataType } from './data-types.js';
import type { ByteRange, InlinePayload, Payload, TensorRecord } from './proto.js';
import { type Message, stringPair, WireType } from './wire.js';

type ListKind = 'float' | 'double' | 'int32' | 'int64' | 'uint64';

const LISTS: Readonly<Record<number, ListKind>> = {
  4: 'float',
  5: 'int32',
  7: 'int64',
  10: 'double',
  11: 'uint64',
};
const ELEMENT_WIRE: Readonly<Record<ListKind, WireType>> = {
  float: WireType.Bit32,
  double: WireType.Bit64,
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint64: WireType.Varint,
};

/** Which typed list of a TensorProto holds the elements of a type; raw_data is the alternative for all but strings. */
function listOf(code: number): ListKind | 'strings' {
  if (code === 1 || code === 14) return 'float';
  if (code === 11 || code === 15) return 'double';
  if (code === 7) return 'int64';
  if (code === 12 || code === 13) return 'uint64';
  return code === 8 ? 'strings' : 'int32';
}

/**
 * Decodes a TensorProto down to byte ranges, and checks that the payload holds as many elements as `dims` say.
 *
 * @param bytes the whole file, for counting varints
 * @param fallbackName for tensors the file leaves unnamed (in Constant nodes)
 * @throws PxError ERR_FILE naming the tensor
 */
export function decodeTensor(message: Message, bytes: Uint8Array, fallbackName: string): TensorRecord {
  let name = '';
  let code = 0;
  let segment = false;
  let external = false;
  let raw: ByteRange | undefined;
  const dims: number[] = [];
  const lists = new Map<ListKind, ByteRange[]>();
  const place = new Map<string, string>();

  message.forEach((field, wire) => {
    const list = LISTS[field];
    if (list !== undefined && (wire === WireType.LengthDelimited || wire === ELEMENT_WIRE[list])) {
      const range = message.scalars(wire);
      const ranges = lists.get(list) ?? [];
      if (range.end > range.start) ranges.push(range);
      lists.set(list, ranges);
      return true;
    }
    if (field === 1 && (wire === WireType.Varint || wire === WireType.LengthDelimited))
      message.ints(wire, dims);
    else if (field === 2 && wire === WireType.Varint) code = message.int();
    else if (field === 3) segment = true;
    else if (field === 8 && wire === WireType.LengthDelimited) name = message.text();
    else if (field === 9 && wire === WireType.LengthDelimited) raw = message.range();
    else if (field === 13 && wire === WireType.LengthDelimited) place.set(...stringPair(message.message()));
    else if (field === 14 && wire === WireType.Varint) external = message.int() === 1;
    else return false;
    // Field 3 is only noted; its bytes still have to be skipped.
    return field !== 3;
  });

  name = fallbackName || name;
  const fail = (why: string) => new PxError('ERR_FILE', `tensor "${name}": ${why}`);
  if (segment)
    throw fail('it is stored in segments, which no exporter writes; save the model again with onnx.save');
  const size = elementCount(dims, fail);
  return { name, dims, size, dataType: code, payload: payload() };

  function payload(): Payload {
    const type = dataType(code);
    if (external) return externalPayload(place, size * type.bytes, type.name, fail);
    const kind = listOf(code);
    if (kind === 'strings') return { kind, ranges: [] };
    if (raw !== undefined && (raw.end > raw.start || size === 0)) {
      const expected = type.bytes > 0 ? size * type.bytes : Math.ceil(size / 2);
      if (raw.end - raw.start !== expected) {
        throw fail(
          `raw data has ${raw.end - raw.start} bytes where shape [${dims}] of ${type.name} needs ${expected}`,
        );
      }
      return { kind: 'raw', ranges: size === 0 ? [] : [raw] };
    }
    const ranges = lists.get(kind) ?? [];
    const found = countElements(kind, ranges, bytes);
    const perElement = code === 14 || code === 15 ? 2 : 1;
    // Two or more 4-bit elements share one entry; such tensors are never read, so their count is not checked.
    if (type.bytes > 0 && found !== size * perElement) {
      throw fail(`it holds ${found} elements where shape [${dims}] needs ${size}`);
    }
    return { kind, ranges };
  }
}

function elementCount(dims: readonly number[], fail: (why: string) => PxError): number {
  if (dims.length > MAX_RANK) throw fail(`it has ${dims.length} axes, more than ${MAX_RANK}`);
  let size = 1;
  for (const dim of dims) {
    if (!(dim >= 0)) throw fail(`shape [${dims}] has a negative dimension`);
    size *= dim;
  }
  // An empty tensor with a huge axis holds nothing and would still be walked along that axis.
  const empty = size === 0 && !(sizeOf(dims.map((dim) => Math.max(dim, 1))) <= MAX_FOLDED_SIZE);
  if (!Number.isSafeInteger(size) || empty) throw fail(`shape [${dims}] overflows`);
  return size;
}

function countElements(kind: InlinePayload['kind'], ranges: readonly ByteRange[], bytes: Uint8Array): number {
  let count = 0;
  for (const { start, end } of ranges) {
    if (kind === 'float') count += (end - start) / 4;
    else if (kind === 'double') count += (end - start) / 8;
    else for (let i = start; i < end; i++) if ((bytes[i] as number) < 0x80) count++;
  }
  return count;
}

function externalPayload(
  place: ReadonlyMap<string, string>,
  expected: number,
  type: string,
  fail: (why: string) => PxError,
): Payload {
  const location = place.get('location');
  if (!location) throw fail('its data is external, but no location is given');
  const offset = wholeNumber(place.get('offset') ?? '0');
  const length = wholeNumber(place.get('length') ?? String(expected));
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw fail(`bad offset "${place.get('offset')}" of external data`);
  if (length !== expected)
    throw fail(`external data has ${place.get('length')} bytes where its shape of ${type} needs ${expected}`);
  return { kind: 'external', location, offset, length };
}

/** Decimal digits alone: Number() would also take "", "0x10" and "1e9". */
function wholeNumber(text: string): number {
  return /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
}
