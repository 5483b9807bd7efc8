import type { AxisMap } from './axis-map.js';
import type { Tensor } from './tensor.js';

/**
 * The Graph: typed nodes with static shapes, one output each, in execution order. Constants are folded into the nodes that use
 * them; values are only what depends on the input. Shapes are per sample: the batch is the implied leading axis and no node
 * touches it. It knows what an operation computes (f), not what becomes of it in h, g and j; that is the Plan's business.
 */
export interface Graph {
  readonly input: ValueId;
  /** In the order of the file's outputs. */
  readonly outputs: readonly { readonly name: string; readonly value: ValueId }[];
  readonly values: readonly GraphValue[];
  /** A node reads only the input and outputs of earlier nodes. */
  readonly nodes: readonly GraphNode[];
}

/** Index into `Graph.values`. */
export type ValueId = number;

export interface GraphValue {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A value, or a constant whose shape broadcasts against the per-sample shapes beside it, aligned at the last axis. */
export type Arg = ValueId | Tensor;

export function isValue(arg: Arg): arg is ValueId {
  return typeof arg === 'number';
}

/** The ONNX node something came from, for messages. */
export interface Origin {
  readonly name: string;
  readonly op: string;
  readonly opset: number;
}

/** A prunable tensor as a node reads it: a strided view of what the file stores. */
export interface WeightRef {
  /** Name of the stored tensor, and its stored shape. */
  readonly tensor: string;
  readonly stored: readonly number[];
  /** The view: shape, and elements of the stored array between neighbours along each axis. */
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

export type GraphNode =
  | ConvNode
  | DenseNode
  | MapNode
  | MaxNode
  | ActivationNode
  | UnaryNode
  | SoftmaxNode
  | BinaryNode
  | BatchNormNode
  | LayerNormNode
  | GroupNormNode
  | ConcatNode
  | ReshapeNode
  | TransposeNode;

interface NodeBase {
  readonly origin: Origin;
  readonly output: ValueId;
}

/** Convolution or transposed convolution over [channels, ...spatial]. */
export interface ConvNode extends NodeBase {
  readonly kind: 'conv';
  readonly transposed: boolean;
  readonly input: ValueId;
  /** Viewed as [out channels, in channels / groups, ...taps]; transposed: [in channels, out channels / groups, ...taps]. */
  readonly weight: WeightRef;
  /** One per output channel. */
  readonly bias?: Float32Array;
  readonly groups: number;
  readonly spatial: readonly ConvAxis[];
}

export interface ConvAxis {
  readonly inSize: number;
  readonly outSize: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding before the first element. */
  readonly pad: number;
}

/** y = alpha · x · W + bias along one axis: [...positions, in] → [...positions, out], or channelsFirst [in, ...positions] → [out, ...positions]. */
export interface DenseNode extends NodeBase {
  readonly kind: 'dense';
  readonly input: ValueId;
  /** Viewed as [in, out]. */
  readonly weight: WeightRef;
  readonly bias?: Float32Array;
  readonly alpha: number;
  readonly channelsFirst: boolean;
}

/** coefficient · (A_1 ⊗ A_2 ⊗ …) x; `fill` where some axis has no entry. Input and output have the same rank. */
export interface MapNode extends NodeBase {
  readonly kind: 'map';
  readonly input: ValueId;
  readonly coefficient: number;
  readonly axes: readonly AxisMap[];
  readonly fill: number;
  /** Axes over which this is a plain mean, kept with one element each; what the fusion of written-out norms looks for. */
  readonly meanOver?: readonly number[];
}

/** Maximum over windows, the product of the axes' index sets. */
export interface MaxNode extends NodeBase {
  readonly kind: 'max';
  readonly input: ValueId;
  readonly axes: readonly AxisMap[];
}

/** Activations with φ(0) = 0; formulas and parameters as in the Plan. */
export type ActivationFn =
  | 'relu'
  | 'leaky-relu'
  | 'prelu'
  | 'clip'
  | 'elu'
  | 'selu'
  | 'celu'
  | 'gelu'
  | 'gelu-tanh'
  | 'hard-swish'
  | 'silu'
  | 'mish'
  | 'tanh';

export interface ActivationNode extends NodeBase {
  readonly kind: 'activation';
  readonly fn: ActivationFn;
  readonly input: ValueId;
  readonly alpha: number;
  readonly beta: number;
  readonly slope?: Tensor;
}

export type UnaryFn =
  | 'sigmoid'
  | 'hard-sigmoid'
  | 'erf'
  | 'softplus'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'reciprocal'
  | 'abs'
  | 'pow';

/** Elementwise functions that make a gate (or, in the tail, are dropped). */
export interface UnaryNode extends NodeBase {
  readonly kind: 'unary';
  readonly fn: UnaryFn;
  readonly input: ValueId;
  readonly alpha: number;
  readonly beta: number;
}

export interface SoftmaxNode extends NodeBase {
  readonly kind: 'softmax';
  readonly input: ValueId;
  readonly axis: number;
  readonly log: boolean;
}

/** Elementwise with broadcasting; at least one side is a value. */
export interface BinaryNode extends NodeBase {
  readonly kind: 'binary';
  readonly fn: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
  readonly left: Arg;
  readonly right: Arg;
}

/** Channels on axis 0. */
export interface BatchNormNode extends NodeBase {
  readonly kind: 'batch-norm';
  readonly input: ValueId;
  readonly epsilon: number;
  readonly scale: Float32Array;
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** Over the last `axes` axes; scale and bias broadcast against them. */
export interface LayerNormNode extends NodeBase {
  readonly kind: 'layer-norm';
  readonly input: ValueId;
  readonly epsilon: number;
  readonly axes: number;
  readonly scale: Tensor;
  readonly bias?: Tensor;
}

/** Channels on axis 0 in equal groups; scale and bias one per channel. */
export interface GroupNormNode extends NodeBase {
  readonly kind: 'group-norm';
  readonly input: ValueId;
  readonly epsilon: number;
  readonly groups: number;
  readonly scale: Float32Array;
  readonly bias: Float32Array;
}

export interface ConcatNode extends NodeBase {
  readonly kind: 'concat';
  readonly axis: number;
  /** Constants have the full per-sample rank. */
  readonly parts: readonly Arg[];
}

/** Same elements in the same row-major order. */
export interface ReshapeNode extends NodeBase {
  readonly kind: 'reshape';
  readonly input: ValueId;
}

/** Output axis i is input axis perm[i]. */
export interface TransposeNode extends NodeBase {
  readonly kind: 'transpose';
  readonly input: ValueId;
  readonly perm: readonly number[];
}

/** The values a node reads, in order. */
export function inputsOf(node: GraphNode): ValueId[] {
  if (node.kind === 'binary') return [node.left, node.right].filter(isValue);
  if (node.kind === 'concat') return node.parts.filter(isValue);
  return [node.input];
}

/** The prunable tensor a node multiplies with, if it is a node of that kind. */
export function weightOf(node: GraphNode): WeightRef | undefined {
  return node.kind === 'conv' || node.kind === 'dense' ? node.weight : undefined;
}
