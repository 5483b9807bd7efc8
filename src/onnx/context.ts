import type { GraphBuilder, NodeBody } from '../graph/builder.js';
import type { Arg, Origin, ValueId, WeightRef } from '../graph/graph.js';
import { isValue } from '../graph/graph.js';
import { MAX_LIST, MAX_RANK, MAX_VALUE_SIZE } from '../graph/limits.js';
import { gatherStrided, sizeOf, stridesOf, type Tensor } from '../graph/tensor.js';
import { NodeProblem } from './problem.js';
import type { Attribute, OnnxNode, TensorRecord } from './proto.js';

/**
 * The batch during import. The leading axis of the input is set to `probe`, a prime no real dimension equals, so that shape
 * arithmetic tells where the batch went; `baked` is the size an exporter may have written into shapes instead.
 */
export interface Batch {
  readonly probe: number;
  readonly baked?: number;
}

/** A constant of the file or computed from such; values are read when first asked for. */
export interface Constant {
  readonly dims: readonly number[];
  readonly tensor: () => Tensor;
  /** Present while it is a strided view of a stored float tensor, and so may be a weight. */
  readonly weight?: WeightRef;
  /** The operation that computed it, for messages. */
  readonly madeBy?: string;
  /** No rule here computes it: an error as soon as its values are asked for, and `dims` mean nothing. */
  readonly uncomputable?: true;
}

export interface ValueEntry {
  readonly id: ValueId;
  /** Per sample. */
  readonly shape: readonly number[];
}

export type Input =
  | { readonly kind: 'value'; readonly value: ValueEntry }
  | { readonly kind: 'constant'; readonly constant: Constant };

/** Everything a converter may ask about the ONNX node at hand. Axes are ONNX's in the file and per sample in the graph. */
export class NodeContext {
  constructor(
    readonly node: OnnxNode,
    readonly opset: number,
    readonly batch: Batch,
    readonly inputs: readonly (Input | undefined)[],
    private readonly builder: GraphBuilder,
    private readonly noteUse: (tensor: string) => void,
    private readonly readRecord: (record: TensorRecord) => Tensor,
  ) {}

  get origin(): Origin {
    return { name: this.node.name, op: this.node.opType, opset: this.opset };
  }

  /** ERR_UNSUPPORTED: the model is valid, but this cannot be treated exactly. */
  refuse(reason: string, remedy = ''): never {
    throw new NodeProblem('ERR_UNSUPPORTED', reason, remedy);
  }

  /** ERR_FILE: the model contradicts itself. */
  malformed(reason: string): never {
    throw new NodeProblem('ERR_FILE', reason, 'check the file with onnx.checker and export it again');
  }

  // ---- inputs ---------------------------------------------------------------------------------------------------

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  isConstant(i: number): boolean {
    return this.inputs[i]?.kind === 'constant';
  }

  value(i: number): ValueEntry {
    const input = this.inputs[i];
    if (input === undefined) return this.malformed(`input ${i} is missing`);
    if (input.kind !== 'value')
      return this.refuse(`input ${i} is a constant where data that depends on the model's input is expected`);
    return this.separate(input.value);
  }

  private separate(value: ValueEntry): ValueEntry {
    if (!this.builder.flattened.has(value.id)) return value;
    return this.refuse(
      'its input has the samples of a batch in one row',
      'export with a symbolic batch size',
    );
  }

  /** As `value`, where the samples may lie in one row; the shape is then the row of one sample. */
  valueOrRow(i: number): ValueEntry & { readonly row: boolean } {
    const input = this.inputs[i];
    const row = input?.kind === 'value' && this.builder.flattened.has(input.value.id);
    return row ? { ...input.value, row } : { ...this.value(i), row };
  }

  /** All samples of a value in one row, batch and all. */
  flatten(input: ValueId): ValueId {
    const row = this.emit({ kind: 'reshape', input }, [sizeOf(this.shapeOf(input))]);
    this.builder.flattened.add(row);
    return row;
  }

  constant(i: number, what: string): Constant {
    const input = this.inputs[i];
    if (input === undefined) return this.malformed(`${what} (input ${i}) is missing`);
    if (input.kind !== 'constant')
      return this.refuse(`${what} is computed from the model's input; only constants work`);
    return input.constant;
  }

  /** The values of a constant input, now used as a constant (and so not free to be pruned as a weight). */
  tensor(i: number, what: string): Tensor {
    const constant = this.constant(i, what);
    if (constant.weight !== undefined) this.noteUse(constant.weight.tensor);
    const tensor = constant.tensor();
    this.builder.budget.look(tensor.data.length);
    return tensor;
  }

  /** Counts elements that are about to be computed. @throws PxError ERR_UNSUPPORTED when the model has used up what it may */
  derive(elements: number): void {
    this.builder.budget.derive(elements);
  }

  /** A constant input as a prunable weight. */
  weight(i: number): WeightRef {
    const constant = this.constant(i, 'its weight');
    if (constant.weight !== undefined) {
      if (sizeOf(constant.dims) === 0)
        return this.malformed(`its weight has shape [${constant.dims}], no elements`);
      return constant.weight;
    }
    throw computedWeight(constant);
  }

  optionalTensor(i: number, what: string): Tensor | undefined {
    return this.has(i) ? this.tensor(i, what) : undefined;
  }

  /** A list of whole numbers from a constant input; undefined when left out. */
  intsInput(i: number, what: string): number[] | undefined {
    if (!this.has(i)) return undefined;
    const { data } = this.tensor(i, what);
    if (data.length > MAX_LIST) return this.malformed(`${what}: a list of ${data.length} numbers`);
    const list = Array.from(data);
    if (!list.every(Number.isInteger)) return this.malformed(`${what} [${list}] are no whole numbers`);
    return list;
  }

  /** One float per channel (broadcasting one element), as norms want it. */
  channels(i: number, what: string, count: number): Float32Array {
    const { data } = this.tensor(i, what);
    this.derive(count);
    if (data.length === 1 && count !== 1) return new Float32Array(count).fill(data[0] as number);
    if (data.length !== count)
      return this.malformed(`${what} has ${data.length} elements for ${count} channels`);
    return Float32Array.from(data);
  }

  /** A value, or a constant made per sample (see `perSample`); `rank` is the full rank of the data it meets. */
  arg(i: number, rank: number): Arg {
    const input = this.inputs[i];
    if (input === undefined) return this.malformed(`input ${i} is missing`);
    if (input.kind === 'constant') return this.perSample(this.tensor(i, `input ${i}`), rank);
    if (input.value.shape.length + 1 !== rank) {
      this.refuse(
        'operands of different rank, which moves the batch from the leading axis',
        'reshape them to the same rank before exporting',
      );
    }
    return this.separate(input.value).id;
  }

  /** The full rank of the data inputs, batch included: that of the widest value. */
  dataRank(): number {
    const rank = (input: Input | undefined) => (input?.kind === 'value' ? input.value.shape.length + 1 : 0);
    return this.inputs.reduce((most, input) => Math.max(most, rank(input)), 0);
  }

  /** Drops a constant's batch axis: it must be 1 there, or repeat itself over a baked batch. */
  perSample(tensor: Tensor, rank: number): Tensor {
    if (tensor.dims.length < rank) return tensor;
    if (tensor.dims.length > rank) {
      return this.refuse(`a constant of shape [${tensor.dims}] moves the batch from the leading axis`);
    }
    const [lead, ...dims] = tensor.dims as [number, ...number[]];
    if (lead === 0)
      return this.malformed(`a constant of shape [${tensor.dims}] meets data, without an element for it`);
    const size = sizeOf(dims);
    const data = tensor.data.subarray(0, size);
    for (let i = size; i < tensor.data.length; i++) {
      if (tensor.data[i] !== data[i % size] || lead !== this.batch.baked) {
        return this.refuse(
          `a constant of shape [${tensor.dims}] differs from sample to sample`,
          'export with a symbolic batch size',
        );
      }
    }
    return { ...tensor, dims, data };
  }

  /** The values of a tensor held by an attribute. */
  attributeTensor(record: TensorRecord): Tensor {
    return this.readRecord(record);
  }

  // ---- attributes -----------------------------------------------------------------------------------------------

  attribute(name: string): Attribute | undefined {
    return this.node.attributes.get(name);
  }

  int(name: string, otherwise: number): number {
    return this.attribute(name)?.int ?? otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.attribute(name)?.float ?? otherwise;
  }

  string(name: string, otherwise: string): string {
    return this.attribute(name)?.string ?? otherwise;
  }

  ints(name: string): readonly number[] | undefined {
    const list = this.attribute(name)?.ints;
    if (list !== undefined && list.length > MAX_LIST)
      return this.malformed(`${name}: a list of ${list.length} numbers`);
    return list;
  }

  /** `count` whole numbers of an attribute, or `otherwise` for each. */
  spatial(name: string, count: number, otherwise: number): readonly number[] {
    const found = this.ints(name);
    if (found === undefined) return new Array<number>(count).fill(otherwise);
    if (found.length !== count)
      return this.malformed(`${name} has ${found.length} entries for ${count} axes`);
    return found;
  }

  /**
   * A per-sample axis from one of the file.
   *
   * @param rank full rank, batch included
   */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(positive) || positive < 0 || positive >= rank)
      return this.malformed(`axis ${axis} of an array with ${rank} axes`);
    if (positive === 0)
      return this.refuse(
        'it works along the batch, which samples of one model must not share',
        'keep the batch as the leading axis throughout',
      );
    return positive - 1;
  }

  /** Is a number in a shape the batch? */
  isBatch(dim: number | undefined): boolean {
    return dim === this.batch.probe || (dim !== undefined && dim === this.batch.baked);
  }

  // ---- results --------------------------------------------------------------------------------------------------

  /** Adds a graph node; the value is named after the ONNX output `output`, with a suffix for helper steps. */
  emit(body: NodeBody, shape: readonly number[], suffix = '', output = 0): ValueId {
    const size = sizeOf(shape);
    if (!(size <= MAX_VALUE_SIZE) || size === 0 || shape.length > MAX_RANK)
      this.refuse(`its result of shape [${shape}] per sample is not a size that can be computed`);
    if (body.kind === 'map' || body.kind === 'max') {
      const axes = new Set(body.axes.map((map) => map.axis));
      if (axes.size !== body.axes.length) this.malformed('it names an axis twice');
    }
    const name = (this.node.outputs[output] || this.node.name) + suffix;
    return this.builder.node(this.origin, body, name, shape);
  }

  shapeOf(arg: Arg): readonly number[] {
    return isValue(arg) ? this.builder.shape(arg) : arg.dims;
  }

  /** The value in another shape of the same size; itself when the shape is the same. */
  reshape(input: ValueId, shape: readonly number[], suffix = '/reshape', output = 0): ValueId {
    const from = this.shapeOf(input);
    if (from.length === shape.length && from.every((dim, i) => dim === shape[i])) return input;
    return this.emit({ kind: 'reshape', input }, shape, suffix, output);
  }

  /** The value with its axes permuted; itself when they stay. */
  transpose(input: ValueId, perm: readonly number[], suffix = '/transpose'): ValueId {
    if (perm.every((axis, i) => axis === i)) return input;
    const from = this.shapeOf(input);
    return this.emit(
      { kind: 'transpose', input, perm },
      perm.map((axis) => from[axis] as number),
      suffix,
    );
  }
}

/** A constant that is a strided view of a stored tensor; read through the view when its values are asked for. */
export function viewConstant(
  source: Constant,
  weight: WeightRef,
  madeBy: string,
  stored: () => Tensor,
): Constant {
  let memo: Tensor | undefined;
  const tensor = (): Tensor => {
    if (memo === undefined) {
      const { dtype, data } = stored();
      const plain = stridesOf(weight.dims).every(
        (stride, i) => stride === weight.strides[i] || weight.dims[i] === 1,
      );
      const out = plain
        ? data
        : dtype === 'float32'
          ? new Float32Array(data.length)
          : new Float64Array(data.length);
      if (!plain) gatherStrided(data, weight.dims, weight.strides, out);
      memo = { dims: weight.dims, dtype, data: out };
    }
    return memo;
  };
  return { dims: weight.dims, tensor, weight, madeBy: source.madeBy ?? madeBy };
}

/** Why a constant cannot be pruned as a weight. */
export function computedWeight({ madeBy }: Constant): NodeProblem {
  if (madeBy === undefined)
    return new NodeProblem(
      'ERR_UNSUPPORTED',
      'its weight is not stored in floats',
      'export the model in float32 or float16',
    );
  const remedy =
    'export a float model with plain weights (no quantisation, no weight normalisation, no parametrisation)';
  return new NodeProblem('ERR_UNSUPPORTED', `its weight is computed by ${madeBy}`, remedy);
}
