import { PxError } from '../errors.js';
import { functionName, opsetId, valueInfo } from './decode-info.js';
import { decodeTensor } from './decode-tensor.js';
import type { Attribute, ByteRange, OnnxModel, OnnxNode, TensorRecord, ValueInfo } from './proto.js';
import { Message, stringPair, WireType } from './wire.js';

/** Nodes, their inputs, outputs and attributes, tensors and graph inputs and outputs, together. */
const MAX_PARTS = 2 ** 22;

/**
 * Decodes an ONNX ModelProto. Unknown fields are passed over (they survive in the bytes).
 *
 * @param bytes the whole file; kept, not copied
 * @param file its path, for messages and for finding external data
 * @throws PxError ERR_FILE when the bytes are not an ONNX model, are cut off, or contradict themselves
 */
export function decodeModel(bytes: Uint8Array, file?: string): OnnxModel {
  const where = file ?? 'the model given as bytes';
  try {
    return new ModelDecoder(bytes).decode(file);
  } catch (error) {
    if (error instanceof PxError)
      throw new PxError(error.code, `${where}: ${error.message}`, { cause: error });
    const why = error instanceof Error ? error.message : String(error);
    throw new PxError('ERR_FILE', `${where} is not a readable ONNX file (${why}); is it complete?`, {
      cause: error,
    });
  }
}

class ModelDecoder {
  private readonly tensors = new Map<string, TensorRecord>();
  private readonly nodes: OnnxNode[] = [];
  private readonly inputs: ValueInfo[] = [];
  private readonly outputs: ValueInfo[] = [];
  private graphName = '';
  private parts = 0;

  constructor(private readonly bytes: Uint8Array) {}

  decode(file: string | undefined): OnnxModel {
    const opsets = new Map<string, number>();
    const metadata = new Map<string, string>();
    const functions: string[] = [];
    let irVersion = 0;
    let name = '';
    let version = '';
    let graphs = 0;
    const model = new Message(this.bytes);
    model.forEach((field, wire) => {
      if (field === 1 && wire === WireType.Varint) irVersion = model.int();
      else if (wire !== WireType.LengthDelimited) return false;
      else if (field === 2) name = model.text();
      else if (field === 3) version = model.text();
      else if (field === 7) {
        graphs++;
        this.graph(model.message());
      } else if (field === 8) {
        const [domain, since] = opsetId(model.message());
        opsets.set(domain === 'ai.onnx' ? '' : domain, since);
      } else if (field === 14) metadata.set(...stringPair(model.message()));
      else if (field === 25) functions.push(functionName(model.message()));
      else return false;
      return true;
    });
    if (graphs !== 1)
      throw new PxError(
        'ERR_FILE',
        `it holds ${graphs} graphs where an ONNX model has one; is it an ONNX file?`,
      );
    // Constants come after initializers, whatever the order of the fields in the file.
    for (const node of this.nodes) this.constant(node);
    return {
      ...(file === undefined ? {} : { file }),
      bytes: this.bytes,
      irVersion,
      producer: `${name} ${version}`.trim(),
      opsets,
      metadata,
      functions,
      graph: { name: this.graphName, nodes: this.nodes, inputs: this.inputs, outputs: this.outputs },
      tensors: this.tensors,
    };
  }

  private graph(graph: Message): void {
    graph.forEach((field, wire) => {
      if (wire !== WireType.LengthDelimited) return false;
      this.count();
      if (field === 1) this.nodes.push(this.node(graph.message()));
      else if (field === 2) this.graphName = graph.text();
      else if (field === 5) this.add(decodeTensor(graph.message(), this.bytes, ''));
      else if (field === 11) this.inputs.push(valueInfo(graph.message()));
      else if (field === 12) this.outputs.push(valueInfo(graph.message()));
      else if (field === 15) {
        throw new PxError('ERR_UNSUPPORTED', 'it holds sparse initializers; export the weights dense');
      } else return false;
      return true;
    });
  }

  /** Two bytes are enough for an empty node, which takes a hundred times that in memory. */
  private count(): void {
    this.parts++;
    if (this.parts > MAX_PARTS) {
      throw new PxError(
        'ERR_UNSUPPORTED',
        `it has more than ${MAX_PARTS} nodes, names, attributes and tensors`,
      );
    }
  }

  private add(tensor: TensorRecord): void {
    if (this.tensors.has(tensor.name))
      throw new PxError('ERR_FILE', `two tensors are named "${tensor.name}"`);
    this.tensors.set(tensor.name, tensor);
  }

  /** Constant nodes that hold floats are tensors like initializers: they may be weights, and then get masked. */
  private constant(node: OnnxNode): void {
    const output = node.outputs[0];
    if (node.opType !== 'Constant' || node.domain !== '' || output === undefined) return;
    const value = node.attributes.get('value');
    const floats = node.attributes.get('value_floats') ?? node.attributes.get('value_float');
    if (value?.tensor !== undefined) this.add({ ...value.tensor, name: output });
    else if (floats !== undefined) {
      const scalar = floats.name === 'value_float';
      const size = scalar ? 1 : floats.floats.length;
      const payload = { kind: 'float' as const, ranges: floats.floatRanges };
      this.add({ name: output, dims: scalar ? [] : [size], size, dataType: 1, payload });
    }
  }

  private node(node: Message): OnnxNode {
    const inputs: string[] = [];
    const outputs: string[] = [];
    const attributes = new Map<string, Attribute>();
    let name = '';
    let opType = '';
    let domain = '';
    node.forEach((field, wire) => {
      if (wire !== WireType.LengthDelimited) return false;
      this.count();
      if (field === 1) inputs.push(node.text());
      else if (field === 2) outputs.push(node.text());
      else if (field === 3) name = node.text();
      else if (field === 4) opType = node.text();
      else if (field === 5) {
        const attribute = this.attribute(node.message());
        attributes.set(attribute.name, attribute);
      } else if (field === 7) domain = node.text();
      else return false;
      return true;
    });
    return {
      name: name || outputs[0] || opType,
      opType,
      domain: domain === 'ai.onnx' ? '' : domain,
      inputs,
      outputs,
      attributes,
    };
  }

  private attribute(attribute: Message): Attribute {
    const found: { -readonly [K in keyof Attribute]?: Attribute[K] } = {};
    const ints: number[] = [];
    const floats: number[] = [];
    const strings: string[] = [];
    const floatRanges: ByteRange[] = [];
    let name = '';
    let hasGraph = false;
    const floatAt = (wire: WireType): number[] => {
      const range = attribute.scalars(wire);
      if (range.end > range.start) floatRanges.push(range);
      return readFloats(this.bytes, range);
    };
    attribute.forEach((field, wire) => {
      if (field === 1 && wire === WireType.LengthDelimited) name = attribute.text();
      else if (field === 2 && wire === WireType.Bit32) found.float = floatAt(wire)[0] as number;
      else if (field === 3 && wire === WireType.Varint) found.int = attribute.int();
      else if (field === 4 && wire === WireType.LengthDelimited) found.string = attribute.text();
      else if (field === 5 && wire === WireType.LengthDelimited)
        found.tensor = decodeTensor(attribute.message(), this.bytes, '');
      else if (field === 7 && (wire === WireType.LengthDelimited || wire === WireType.Bit32)) {
        for (const value of floatAt(wire)) floats.push(value);
      } else if (field === 8 && (wire === WireType.LengthDelimited || wire === WireType.Varint))
        attribute.ints(wire, ints);
      else if (field === 9 && wire === WireType.LengthDelimited) {
        this.count();
        strings.push(attribute.text());
      } else {
        hasGraph ||= field === 6 || field === 11;
        return false;
      }
      return true;
    });
    return { ...found, name, ints, floats, strings, floatRanges, hasGraph };
  }
}

function readFloats(bytes: Uint8Array, range: ByteRange): number[] {
  if ((range.end - range.start) % 4 !== 0) throw new RangeError('a list of floats is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: number[] = [];
  for (let at = range.start; at < range.end; at += 4) out.push(view.getFloat32(at, true));
  return out;
}
