import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { ByteRange } from './proto.js';

export { WireType };

/** Numbers in one list of an attribute or a shape; long lists of numbers are tensors. */
const MAX_NUMBERS = 2 ** 20;

/** A protobuf message inside the model file: a reader, and where in the file its first byte lies. */
export class Message {
  private readonly reader: BinaryReader;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly base = 0,
  ) {
    this.reader = new BinaryReader(bytes);
  }

  /** Calls `field` for every field in order; what it does not consume is skipped. */
  forEach(field: (number: number, wire: WireType) => boolean): void {
    const reader = this.reader;
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      if (!field(number, wire)) reader.skip(wire, number);
      if (reader.pos > reader.len) throw new RangeError('a field runs past the end of its message');
    }
  }

  /** A signed 64-bit varint as a number; beyond 2^53 it is rounded, which only "to the end" markers reach. */
  int(): number {
    return Number(this.reader.int64());
  }

  float(): number {
    return this.reader.float();
  }

  text(): string {
    return this.reader.string();
  }

  /** A nested message. */
  message(): Message {
    const range = this.range();
    return new Message(this.bytes.subarray(range.start - this.base, range.end - this.base), range.start);
  }

  /** The payload of a length-delimited field, as offsets in the file. */
  range(): ByteRange {
    const data = this.reader.bytes();
    const end = this.base + this.reader.pos;
    return { start: end - data.length, end };
  }

  /** One element of a repeated scalar, or a whole packed run of them: where its bytes lie in the file. */
  scalars(wire: WireType): ByteRange {
    if (wire === WireType.LengthDelimited) return this.range();
    const start = this.base + this.reader.pos;
    this.reader.skip(wire);
    return { start, end: this.base + this.reader.pos };
  }

  /** Appends one int64, or a packed run of them. */
  ints(wire: WireType, into: number[]): void {
    if (wire !== WireType.LengthDelimited) {
      this.append(into);
      return;
    }
    const end = this.reader.uint32() + this.reader.pos;
    while (this.reader.pos < end) this.append(into);
    if (this.reader.pos !== end) throw new RangeError('a packed list runs past its end');
  }

  private append(into: number[]): void {
    if (into.length >= MAX_NUMBERS) throw new RangeError(`a list of more than ${MAX_NUMBERS} numbers`);
    into.push(this.int());
  }
}

/** StringStringEntryProto: metadata, and where external data lies. */
export function stringPair(message: Message): [key: string, value: string] {
  let key = '';
  let value = '';
  message.forEach((field, wire) => {
    if (wire !== WireType.LengthDelimited) return false;
    if (field === 1) key = message.text();
    else if (field === 2) value = message.text();
    else return false;
    return true;
  });
  return [key, value];
}
