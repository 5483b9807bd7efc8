/** Damage to ONNX files that keeps them protobuf: fields dropped, doubled, moved, exchanged, given other numbers and names. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { hostileInt, hostileName } from './hostile-values.js';

interface Field {
  number: number;
  wire: WireType;
  /** A varint, raw bytes, or the fields of a message. */
  value: bigint | Uint8Array | Field[];
}

type Schema = { readonly [field: number]: () => Schema };
const EMPTY: Schema = {};
const TENSOR: Schema = { 13: () => EMPTY };
const DIM: Schema = {};
const TYPE: Schema = { 1: () => ({ 2: () => ({ 1: () => DIM }) }) };
const VALUE: Schema = { 2: () => TYPE };
const ATTRIBUTE: Schema = { 5: () => TENSOR, 6: () => GRAPH };
const NODE: Schema = { 5: () => ATTRIBUTE };
const GRAPH: Schema = { 1: () => NODE, 5: () => TENSOR, 11: () => VALUE, 12: () => VALUE };
const MODEL: Schema = { 7: () => GRAPH, 8: () => EMPTY, 14: () => EMPTY };

interface Edit {
  readonly kind: 'drop' | 'double' | 'swap' | 'number' | 'name' | 'cut' | 'retag' | 'graft' | 'nest' | 'many';
  readonly at: number;
  readonly other: number;
  readonly int: number | bigint;
  readonly name: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(
    'drop',
    'double',
    'swap',
    'number',
    'number',
    'number',
    'name',
    'name',
    'cut',
    'retag',
    'graft',
    'nest',
    'many',
  ),
  at: fc.nat(1 << 20),
  other: fc.nat(1 << 20),
  int: hostileInt,
  name: hostileName,
});

/** One of the valid models with one to five fields changed. */
export function damagedFields(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(valid.length - 1), fc.array(edit, { minLength: 1, maxLength: 5 }))
    .map(([which, edits]) => {
      const model = parse(valid[which]!, MODEL);
      for (const one of edits) apply(model, one);
      return encode(model);
    });
}

function parse(bytes: Uint8Array, schema: Schema): Field[] {
  const reader = new BinaryReader(bytes);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (wire === WireType.Varint) fields.push({ number, wire, value: BigInt(reader.uint64()) });
    else if (wire === WireType.LengthDelimited) {
      const payload = reader.bytes();
      const nested = schema[number];
      fields.push({ number, wire, value: nested === undefined ? payload.slice() : parse(payload, nested()) });
    } else {
      const start = reader.pos;
      reader.skip(wire);
      fields.push({ number, wire, value: bytes.slice(start, reader.pos) });
    }
  }
  return fields;
}

function encode(fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const { number, wire, value } of fields) {
    if (typeof value === 'bigint') writer.tag(number, WireType.Varint).uint64(BigInt.asUintN(64, value));
    else if (wire === WireType.LengthDelimited || Array.isArray(value)) {
      writer.tag(number, WireType.LengthDelimited).bytes(Array.isArray(value) ? encode(value) : value);
    } else {
      writer.tag(number, wire);
      writer.raw(value);
    }
  }
  return writer.finish();
}

function apply(model: Field[], { kind, at, other, int, name }: Edit): void {
  const places: { list: Field[]; index: number }[] = [];
  const visit = (list: Field[]) => {
    list.forEach((field, index) => {
      places.push({ list, index });
      if (Array.isArray(field.value)) visit(field.value);
    });
  };
  visit(model);
  const place = places[at % Math.max(places.length, 1)];
  const field = place?.list[place.index];
  if (place === undefined || field === undefined) return;
  const { list, index } = place;
  switch (kind) {
    case 'drop':
      list.splice(index, 1);
      return;
    case 'double':
      list.splice(index, 0, structuredClone(field));
      return;
    case 'swap': {
      const to = other % list.length;
      [list[index], list[to]] = [list[to]!, field];
      return;
    }
    case 'number':
      field.value = BigInt(int);
      return;
    case 'name':
      if (field.wire === WireType.LengthDelimited) field.value = new TextEncoder().encode(name);
      return;
    case 'cut':
      if (field.value instanceof Uint8Array)
        field.value = field.value.slice(0, other % (field.value.length + 1));
      return;
    case 'retag':
      field.number = 1 + (other % 30);
      return;
    case 'graft': {
      const from = places[other % places.length]!;
      list[index] = { ...structuredClone(from.list[from.index]!), number: field.number };
      return;
    }
    case 'nest':
      // The model's graph inside an attribute of one of its own nodes, several times over.
      if (Array.isArray(field.value))
        field.value.push({ number: 6, wire: WireType.LengthDelimited, value: deep(other % 60) });
      return;
    case 'many':
      for (let i = 0; i < other % 200; i++) list.splice(index, 0, field);
      return;
  }
}

function deep(levels: number): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < levels; i++)
    bytes = encode([{ number: i % 2 === 0 ? 1 : 5, wire: WireType.LengthDelimited, value: bytes }]);
  return bytes;
}
