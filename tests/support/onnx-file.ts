import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Builds ONNX files of any form for tests, also forms that no exporter of today writes, and broken ones. */
export interface FileSpec {
  readonly opset?: number;
  /** Further domains and their versions. */
  readonly domains?: Readonly<Record<string, number>>;
  readonly producer?: string;
  /** Element type of inputs and outputs; default float32. */
  readonly valueType?: Type;
  /** Shapes by name; strings are symbolic. */
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: readonly string[];
  readonly tensors?: Readonly<Record<string, TestTensor>>;
  readonly nodes: readonly TestNode[];
}

/** [op or "domain:op", inputs, outputs, attributes] */
export type TestNode = readonly [
  string,
  readonly string[],
  readonly string[],
  Readonly<Record<string, TestAttribute>>?,
];

export interface TestTensor {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
  /** ONNX element type; default float32. */
  readonly type?: 'float32' | 'float16' | 'bfloat16' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8';
  /** Default raw_data. 'unpacked' writes one field per element. */
  readonly storage?:
    | 'raw'
    | 'list'
    | 'unpacked'
    | { readonly location: string; readonly offset?: number; readonly length?: number };
}

export type TestAttribute =
  | { readonly i: number }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly t: TestTensor }
  | { readonly graph: true };

const TYPES = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
} as const;

export const ints = (...data: number[]): TestTensor => ({ dims: [data.length], data, type: 'int64' });
export const scalar = (value: number): TestTensor => ({ dims: [], data: [value] });

export function onnxFile(spec: FileSpec): Uint8Array {
  const writer = new BinaryWriter();
  varint(writer, 1, 8);
  text(writer, 2, spec.producer ?? 'test');
  nested(writer, 7, (graph) => {
    for (const node of spec.nodes) nested(graph, 1, (to) => writeNode(to, node));
    text(graph, 2, 'g');
    for (const [name, tensor] of Object.entries(spec.tensors ?? {}))
      nested(graph, 5, (to) => writeTensor(to, name, tensor));
    for (const [name, dims] of Object.entries(spec.inputs))
      nested(graph, 11, (to) => writeValue(to, name, spec.valueType, dims));
    for (const name of spec.outputs) nested(graph, 12, (to) => writeValue(to, name, spec.valueType));
  });
  nested(writer, 8, (opset) => varint(opset, 2, spec.opset ?? 17));
  for (const [domain, version] of Object.entries(spec.domains ?? {})) {
    nested(writer, 8, (opset) => {
      text(opset, 1, domain);
      varint(opset, 2, version);
    });
  }
  return writer.finish();
}

function writeNode(to: BinaryWriter, [kind, inputs, outputs, attributes = {}]: TestNode): void {
  const [op, domain] = kind.includes(':') ? [kind.split(':')[1]!, kind.split(':')[0]!] : [kind, ''];
  for (const name of inputs) text(to, 1, name);
  for (const name of outputs) text(to, 2, name);
  text(to, 3, `n_${outputs[0]}`);
  text(to, 4, op);
  for (const [name, value] of Object.entries(attributes))
    nested(to, 5, (attribute) => writeAttribute(attribute, name, value));
  if (domain !== '') text(to, 7, domain);
}

function writeAttribute(to: BinaryWriter, name: string, value: TestAttribute): void {
  text(to, 1, name);
  if ('f' in value) to.tag(2, WireType.Bit32).float(value.f);
  else if ('i' in value) varint(to, 3, value.i);
  else if ('s' in value) text(to, 4, value.s);
  else if ('t' in value) nested(to, 5, (tensor) => writeTensor(tensor, '', value.t));
  else if ('graph' in value) nested(to, 6, (graph) => text(graph, 2, 'inner'));
  else if ('floats' in value) for (const f of value.floats) to.tag(7, WireType.Bit32).float(f);
  else for (const i of value.ints) varint(to, 8, i);
  varint(
    to,
    20,
    'f' in value
      ? 1
      : 'i' in value
        ? 2
        : 's' in value
          ? 3
          : 't' in value
            ? 4
            : 'graph' in value
              ? 5
              : 'floats' in value
                ? 6
                : 7,
  );
}

function writeTensor(
  to: BinaryWriter,
  name: string,
  { dims, data, type = 'float32', storage = 'raw' }: TestTensor,
): void {
  for (const dim of dims) varint(to, 1, dim);
  varint(to, 2, TYPES[type]);
  text(to, 8, name);
  const values = Array.from(data);
  if (typeof storage === 'object') {
    for (const [key, value] of Object.entries({ ...storage })) {
      nested(to, 13, (entry) => {
        text(entry, 1, key);
        text(entry, 2, String(value));
      });
    }
    varint(to, 14, 1);
  } else if (storage === 'raw') to.tag(9, WireType.LengthDelimited).bytes(rawBytes(values, type));
  else {
    const [field, write] = listField(type);
    if (storage === 'unpacked')
      for (const value of values)
        write(
          to.tag(field, field === 4 ? WireType.Bit32 : field === 10 ? WireType.Bit64 : WireType.Varint),
          value,
        );
    else {
      to.tag(field, WireType.LengthDelimited).fork();
      for (const value of values) write(to, value);
      to.join();
    }
  }
}

type Type = NonNullable<TestTensor['type']>;

function listField(type: Type): [field: number, write: (to: BinaryWriter, value: number) => unknown] {
  if (type === 'float32') return [4, (to, value) => to.float(value)];
  if (type === 'float64') return [10, (to, value) => to.double(value)];
  if (type === 'int64') return [7, (to, value) => to.int64(value)];
  if (type === 'float16') return [5, (to, value) => to.int32(float16Bits(value))];
  if (type === 'bfloat16') return [5, (to, value) => to.int32(bfloat16Bits(value))];
  return [5, (to, value) => to.int32(value)];
}

/** Little-endian elements as raw_data and external files hold them. */
export function rawBytes(values: readonly number[], type: Type = 'float32'): Uint8Array {
  const array = {
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
    int64: () => BigInt64Array.from(values.map((value) => BigInt(value))),
    int32: () => Int32Array.from(values),
    bool: () => Uint8Array.from(values),
    uint8: () => Uint8Array.from(values),
    float16: () => Uint16Array.from(values, float16Bits),
    bfloat16: () => Uint16Array.from(values, bfloat16Bits),
  }[type]();
  return new Uint8Array(array.buffer);
}

/** Bits of a value that float16 holds exactly (normal numbers and 0). */
function float16Bits(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

function bfloat16Bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}

function writeValue(
  to: BinaryWriter,
  name: string,
  elements: Type = 'float32',
  dims?: readonly (number | string)[],
): void {
  text(to, 1, name);
  nested(to, 2, (type) =>
    nested(type, 1, (tensor) => {
      varint(tensor, 1, TYPES[elements]);
      if (dims === undefined) return;
      nested(tensor, 2, (shape) => {
        for (const dim of dims)
          nested(shape, 1, (to) => (typeof dim === 'number' ? varint(to, 1, dim) : text(to, 2, dim)));
      });
    }),
  );
}

function varint(to: BinaryWriter, field: number, value: number): void {
  to.tag(field, WireType.Varint).int64(value);
}

function text(to: BinaryWriter, field: number, value: string): void {
  to.tag(field, WireType.LengthDelimited).string(value);
}

function nested(to: BinaryWriter, field: number, write: (to: BinaryWriter) => void): void {
  to.tag(field, WireType.LengthDelimited).fork();
  write(to);
  to.join();
}
