/**
 * The Plan: what every backend executes. Plain data (numbers, strings, typed arrays), no functions, no ONNX.
 *
 * Shapes are per sample: the batch is the implied leading axis of every value and never appears here.
 * Constants are folded into the steps that use them; values are only what depends on the input.
 * docs/architecture.md tells what each step kind does in f, h, g and j.
 */

/** Index into `Plan.values`. */
export type ValueId = number;
/** Index into `Plan.params`. */
export type ParamId = number;

export interface Plan {
  readonly version: 1;
  readonly input: ValueId;
  readonly values: readonly PlanValue[];
  readonly params: readonly PlanParam[];
  /** In execution order: a step reads only the input and outputs of earlier steps; every value has one producer. */
  readonly steps: readonly Step[];
  /** Graph outputs in graph order; two may name the same value. */
  readonly outputs: readonly { readonly name: string; readonly value: ValueId }[];
}

export interface PlanValue {
  readonly name: string;
  /** Shape of one sample, batch left out; [] is one number per sample. */
  readonly shape: readonly number[];
  /** True on a path from the input to an output; false for gates and what only gates use, which exist in f only. */
  readonly signal: boolean;
}

/** A prunable tensor, in the order of its first consuming node. */
export interface PlanParam {
  /** Initializer name (or the Constant node's output). */
  readonly name: string;
  /** Shape as stored in the model; scores and masks use this layout, flat and row-major. */
  readonly shape: readonly number[];
  readonly size: number;
  /** No input-output path crosses it, whatever the masks: it stays dense and is not counted. */
  readonly gateOnly: boolean;
}

export type Step = LinearStep | FixedStep | GateStep | NormStep | SumStep | ViewStep | FOnlyStep;
export type StepKind = Step['kind'];

interface StepBase {
  /** Name of the ONNX node it came from, for messages. */
  readonly name: string;
  readonly inputs: readonly ValueId[];
  readonly output: ValueId;
}

/** An array that broadcasts against a value's per-sample shape, aligned at the last axis. */
export interface Operand {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

// ---- linear: convolution, transposed convolution, dense ---------------------------------------------------------

/**
 * y[g·Mg+m, o] = alpha · Σ_{c, t} w[g, m, c, t] · x[g·Cg+c, i] + bias[g·Mg+m]
 *   convolution:  i = o·stride + t·dilation − pad        (per spatial axis, where 0 ≤ i < input size)
 *   transposed:   o = i·stride + t·dilation − pad
 * A dense layer is a convolution with one tap and its positions (if any) as the only spatial axis.
 */
export interface LinearStep extends StepBase {
  readonly kind: 'linear';
  readonly op: 'conv' | 'conv-transpose' | 'dense';
  readonly weight: WeightView;
  /** Length groups·Mg; added in f alone. */
  readonly bias?: Float32Array;
  readonly alpha: number;
  readonly groups: number;
  /** Channels per group, input and output. */
  readonly inChannels: number;
  readonly outChannels: number;
  readonly spatial: readonly SpatialAxis[];
  /** How channels and positions lie in the per-sample arrays of input and output, in elements. */
  readonly inLayout: ChannelLayout;
  readonly outLayout: ChannelLayout;
}

/** Where w[g, m, c, t] lies in the parameter's stored flat array: element offset = the dot product with these strides. */
export interface WeightView {
  readonly param: ParamId;
  readonly groupStride: number;
  readonly outStride: number;
  readonly inStride: number;
  /** One per spatial axis. */
  readonly tapStrides: readonly number[];
}

export interface SpatialAxis {
  readonly inSize: number;
  readonly outSize: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding before the first element; the end needs none, out-of-range taps are skipped. */
  readonly pad: number;
}

export interface ChannelLayout {
  /** Elements between neighbouring channels (groups follow one another). */
  readonly channelStride: number;
  /** Elements between neighbours along each spatial axis. */
  readonly spatialStrides: readonly number[];
}

// ---- fixed: linear maps whose coefficients are not trained ------------------------------------------------------

/**
 * y = coefficient · (A_1 ⊗ A_2 ⊗ …) x: average pools, means and sums, resizes, pads, slices, gathers, expands, scalars.
 * f uses c, h and g |c|, j c² (matrix entries are never negative, `coefficient` may be).
 */
export interface FixedStep extends StepBase {
  readonly kind: 'fixed';
  readonly op: 'fixed';
  readonly coefficient: number;
  /** One per axis that changes, ascending by axis; input and output have the same rank. */
  readonly axes: readonly AxisMap[];
  /** f's value where some axis has no entry (a constant Pad); 0 elsewhere and in h, g and j. */
  readonly fill: number;
}

/** A sparse outSize × inSize matrix by rows: row o has entries start[o] .. start[o+1]−1; one entry per (row, index). */
export interface AxisMap {
  readonly axis: number;
  readonly inSize: number;
  readonly outSize: number;
  readonly start: Uint32Array;
  readonly index: Uint32Array;
  /** Coefficients ≥ 0. For max windows all are 1. */
  readonly value: Float32Array;
}

// ---- gate: activations, the choice of a maximum, products with gates ---------------------------------------------

export type GateStep = ActivationStep | MaxStep | ProductStep;

export type ActivationFn =
  | 'relu' // max(z, 0)
  | 'leaky-relu' // z < 0 ? alpha·z : z
  | 'prelu' // as above with `slope`, an operand
  | 'clip' // min(max(z, alpha), beta), alpha ≤ 0 ≤ beta
  | 'elu' // z < 0 ? alpha·(eᶻ − 1) : z
  | 'selu' // beta·(z < 0 ? alpha·(eᶻ − 1) : z)
  | 'celu' // z < 0 ? alpha·(e^(z/alpha) − 1) : z
  | 'gelu' // z·(1 + erf(z/√2))/2
  | 'gelu-tanh' // z·(1 + tanh(√(2/π)·(z + 0.044715·z³)))/2
  | 'hard-swish' // z·min(max(z/6 + 1/2, 0), 1)
  | 'silu' // z·sigmoid(alpha·z)
  | 'mish' // z·tanh(softplus(z))
  | 'tanh';

/** f: φ(z). h and j: times a², a = φ(z)/z, 0 at z = 0. g: identity. */
export interface ActivationStep extends StepBase {
  readonly kind: 'gate';
  readonly op: 'activation';
  readonly fn: ActivationFn;
  readonly alpha: number;
  readonly beta: number;
  readonly slope?: Operand;
}

/** f: maximum over windows (the product of the axes' index sets; first in row-major order on ties). h and j: f's choice. g: the window's sum. */
export interface MaxStep extends StepBase {
  readonly kind: 'gate';
  readonly op: 'max';
  readonly axes: readonly AxisMap[];
}

/** inputs [signal, gate]; f: signal · gate (or / gate); h and j: times gate² (1/gate²); g: identity. Both broadcast. Never both signals. */
export interface ProductStep extends StepBase {
  readonly kind: 'gate';
  readonly op: 'product';
  readonly divide: boolean;
}

// ---- norm ---------------------------------------------------------------------------------------------------------

export type NormStep = AffineStep | BatchNormStep | LayerNormStep | GroupNormStep;

/**
 * f: x·scale + shift. h: 1. g, j: scale². Learned scales, constant addends, running statistics folded by an exporter.
 * Input and output have the same shape: where an operand would enlarge the value, a `fixed` expand goes before.
 */
export interface AffineStep extends StepBase {
  readonly kind: 'norm';
  readonly op: 'affine';
  readonly scale?: Operand;
  readonly shift?: Operand;
}

/** Channels on per-sample axis 0. Statistics: the micro-batch's or the stored ones, as the run asks. */
export interface BatchNormStep extends StepBase {
  readonly kind: 'norm';
  readonly op: 'batch';
  readonly epsilon: number;
  readonly scale: Float32Array;
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

/** Normalises over the last `axes` axes of the sample; scale and bias broadcast against them. */
export interface LayerNormStep extends StepBase {
  readonly kind: 'norm';
  readonly op: 'layer';
  readonly epsilon: number;
  /** Number of trailing axes. */
  readonly axes: number;
  readonly scale: Operand;
  readonly bias?: Operand;
}

/** Channels on per-sample axis 0 in `groups` equal groups (InstanceNormalization: groups = channels). */
export interface GroupNormStep extends StepBase {
  readonly kind: 'norm';
  readonly op: 'group';
  readonly epsilon: number;
  readonly groups: number;
  /** One per channel. */
  readonly scale: Float32Array;
  readonly bias: Float32Array;
}

// ---- sum ----------------------------------------------------------------------------------------------------------

export type SumStep = AddStep | ConcatStep | TailProductStep;

/** f: Σ signs[i]·inputs[i]; h, g, j: Σ. Where the output is a signal, all inputs are. Broadcasts. */
export interface AddStep extends StepBase {
  readonly kind: 'sum';
  readonly op: 'add';
  readonly signs: readonly (1 | -1)[];
}

/** Parts in order; a constant part is itself in f and 0 in h, g and j. */
export interface ConcatStep extends StepBase {
  readonly kind: 'sum';
  readonly op: 'concat';
  readonly axis: number;
  /** Either the position in `inputs`, or a constant of the full per-sample rank. */
  readonly parts: readonly (number | Operand)[];
}

/** Two signals multiplied (or divided) in the tail: f multiplies, h, g and j add. */
export interface TailProductStep extends StepBase {
  readonly kind: 'sum';
  readonly op: 'tail-product';
  readonly divide: boolean;
}

// ---- view ---------------------------------------------------------------------------------------------------------

export type ViewStep = ReshapeStep | TransposeStep;

/** Same elements in the same row-major order. */
export interface ReshapeStep extends StepBase {
  readonly kind: 'view';
  readonly op: 'reshape';
}

/** Output axis i is input axis perm[i] (per-sample axes). */
export interface TransposeStep extends StepBase {
  readonly kind: 'view';
  readonly op: 'transpose';
  readonly perm: readonly number[];
}

// ---- f-only: what lies on no path (inside gates) or behind the last weight ------------------------------------------

export type FOnlyStep = UnaryStep | BinaryStep | SoftmaxStep;

export type UnaryFn =
  | 'sigmoid'
  | 'hard-sigmoid' // min(max(alpha·z + beta, 0), 1)
  | 'erf'
  | 'softplus'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'reciprocal'
  | 'neg'
  | 'abs'
  | 'pow'; // z^alpha

/** Output is a gate (signal: false) whatever the input is. */
export interface UnaryStep extends StepBase {
  readonly kind: 'f-only';
  readonly op: 'unary';
  readonly fn: UnaryFn;
  readonly alpha: number;
  readonly beta: number;
}

/** Two gates, or a gate and a constant. With a constant, `inputs` has one entry and `constantFirst` tells its side. Broadcasts. */
export interface BinaryStep extends StepBase {
  readonly kind: 'f-only';
  readonly op: 'binary';
  readonly fn: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
  readonly constant?: Operand;
  readonly constantFirst: boolean;
}

/** Over one per-sample axis. */
export interface SoftmaxStep extends StepBase {
  readonly kind: 'f-only';
  readonly op: 'softmax';
  readonly axis: number;
  readonly log: boolean;
}
