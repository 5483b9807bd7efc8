/**
 * Writes ONNX models of our own making: the small part of onnx.proto that `px new` needs. Existing models are patched
 * (patch.ts), never re-encoded.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export interface ModelSpec {
  readonly irVersion: number;
  readonly opset: number;
  readonly producer: string;
  readonly graph: GraphSpec;
}

export interface GraphSpec {
  readonly name: string;
  readonly nodes: readonly NodeSpec[];
  readonly initializers: readonly InitializerSpec[];
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
}

export interface NodeSpec {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeSpec>>;
}

export type AttributeSpec =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number };

/** A float32 (or int64, for axes and shapes) tensor, flat and row-major. */
export interface InitializerSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A float32 graph input or output; a string is a symbolic size. */
export interface ValueSpec {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

/** TensorProto.DataType and AttributeProto.AttributeType. */
const FLOAT = 1;
const INT64 = 7;
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

/** Field numbers below are those of onnx.proto's messages. */
export function encodeModel(model: ModelSpec): Uint8Array {
  const out = new Message();
  out.int(1, model.irVersion);
  out.text(2, model.producer);
  out.nested(7, (graph) => encodeGraph(graph, model.graph));
  out.nested(8, (opset) => opset.int(2, model.opset));
  return out.finish();
}

function encodeGraph(out: Message, graph: GraphSpec): void {
  for (const node of graph.nodes) out.nested(1, (message) => encodeNode(message, node));
  out.text(2, graph.name);
  for (const tensor of graph.initializers) out.nested(5, (message) => encodeTensor(message, tensor));
  for (const value of graph.inputs) out.nested(11, (message) => encodeValue(message, value));
  for (const value of graph.outputs) out.nested(12, (message) => encodeValue(message, value));
}

function encodeNode(out: Message, node: NodeSpec): void {
  for (const input of node.inputs) out.text(1, input);
  for (const output of node.outputs) out.text(2, output);
  out.text(3, node.name);
  out.text(4, node.op);
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    out.nested(5, (message) => encodeAttribute(message, name, value));
  }
}

function encodeAttribute(out: Message, name: string, value: AttributeSpec): void {
  out.text(1, name);
  if ('float' in value) {
    out.float(2, value.float);
    out.int(20, ATTRIBUTE_FLOAT);
  } else if ('int' in value) {
    out.int(3, value.int);
    out.int(20, ATTRIBUTE_INT);
  } else {
    for (const int of value.ints) out.int(8, int);
    out.int(20, ATTRIBUTE_INTS);
  }
}

function encodeTensor(out: Message, { name, shape, data }: InitializerSpec): void {
  for (const size of shape) out.int(1, size);
  out.int(2, data instanceof Float32Array ? FLOAT : INT64);
  out.text(8, name);
  out.bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function encodeValue(out: Message, { name, shape }: ValueSpec): void {
  out.text(1, name);
  out.nested(2, (type) =>
    type.nested(1, (tensor) => {
      tensor.int(1, FLOAT);
      tensor.nested(2, (dims) => {
        for (const size of shape) {
          dims.nested(1, (dim) => (typeof size === 'number' ? dim.int(1, size) : dim.text(2, size)));
        }
      });
    }),
  );
}

/** Fields of one protobuf message, written in order. */
class Message {
  constructor(private readonly writer = new BinaryWriter()) {}

  int(field: number, value: number): void {
    this.writer.tag(field, WireType.Varint).int64(value);
  }

  float(field: number, value: number): void {
    this.writer.tag(field, WireType.Bit32).float(value);
  }

  text(field: number, value: string): void {
    this.writer.tag(field, WireType.LengthDelimited).string(value);
  }

  bytes(field: number, value: Uint8Array): void {
    this.writer.tag(field, WireType.LengthDelimited).bytes(value);
  }

  nested(field: number, write: (message: Message) => void): void {
    this.writer.tag(field, WireType.LengthDelimited).fork();
    write(this);
    this.writer.join();
  }

  finish(): Uint8Array {
    return this.writer.finish();
  }
}
