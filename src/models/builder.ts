/**
 * Builds a network layer by layer as PyTorch modules would: every layer has a module path, its tensors are named
 * "<path>.weight" and so on, and its node and output carry the path as well.
 */
import type { AttributeSpec, GraphSpec, InitializerSpec, NodeSpec } from '../onnx/encode.js';
import type { Uniform } from './random.js';
import { normalArray } from './random.js';

/** A value of the graph with its number of channels (or features). */
export interface Value {
  readonly name: string;
  readonly channels: number;
}

export interface ConvOptions {
  readonly kernel: number;
  readonly stride?: number;
  /** Default: (kernel − 1) / 2, which keeps the size at stride 1. */
  readonly pad?: number;
  readonly groups?: number;
  readonly bias?: boolean;
}

export class NetworkBuilder {
  readonly input: Value;
  readonly #nodes: NodeSpec[] = [];
  readonly #tensors = new Map<string, InitializerSpec>();

  /** Weights are drawn from `uniform` in the order in which layers are added; input [N, channels, size, size]. */
  constructor(
    private readonly name: string,
    channels: number,
    private readonly size: number,
    private readonly uniform: Uniform,
  ) {
    this.input = { name: 'input', channels };
  }

  /** Kaiming normal for ReLU, fan-in mode: std = √(2 / fan-in). */
  conv(path: string, x: Value, channels: number, options: ConvOptions): Value {
    const { kernel, stride = 1, pad = (kernel - 1) / 2, groups = 1, bias = false } = options;
    const fanIn = (x.channels / groups) * kernel * kernel;
    const weight = this.#kaiming(`${path}.weight`, [channels, x.channels / groups, kernel, kernel], fanIn);
    const inputs = [x.name, weight, ...(bias ? [this.#constant(`${path}.bias`, channels, 0)] : [])];
    return this.node('Conv', path, inputs, channels, {
      dilations: { ints: [1, 1] },
      group: { int: groups },
      kernel_shape: { ints: [kernel, kernel] },
      pads: { ints: [pad, pad, pad, pad] },
      strides: { ints: [stride, stride] },
    });
  }

  /** Starts as the identity on normalised values: scale 1, bias 0, running mean 0, running variance 1. */
  batchNorm(path: string, x: Value): Value {
    const inputs = [
      x.name,
      this.#constant(`${path}.weight`, x.channels, 1),
      this.#constant(`${path}.bias`, x.channels, 0),
      this.#constant(`${path}.running_mean`, x.channels, 0),
      this.#constant(`${path}.running_var`, x.channels, 1),
    ];
    return this.node('BatchNormalization', path, inputs, x.channels, {
      epsilon: { float: 1e-5 },
      momentum: { float: 0.9 },
    });
  }

  relu(path: string, x: Value): Value {
    return this.node('Relu', path, [x.name], x.channels);
  }

  relu6(path: string, x: Value): Value {
    const low = this.#scalar('relu6.min', 0);
    const high = this.#scalar('relu6.max', 6);
    return this.node('Clip', path, [x.name, low, high], x.channels);
  }

  add(path: string, a: Value, b: Value): Value {
    return this.node('Add', path, [a.name, b.name], a.channels);
  }

  maxPool(path: string, x: Value, kernel: number, stride: number, pad = 0): Value {
    return this.node('MaxPool', path, [x.name], x.channels, {
      kernel_shape: { ints: [kernel, kernel] },
      pads: { ints: [pad, pad, pad, pad] },
      strides: { ints: [stride, stride] },
    });
  }

  globalAveragePool(path: string, x: Value): Value {
    return this.node('GlobalAveragePool', path, [x.name], x.channels);
  }

  flatten(path: string, x: Value): Value {
    return this.node('Flatten', path, [x.name], x.channels, { axis: { int: 1 } });
  }

  linear(path: string, x: Value, features: number): Value {
    const weight = this.#kaiming(`${path}.weight`, [features, x.channels], x.channels);
    const bias = this.#constant(`${path}.bias`, features, 0);
    return this.node('Gemm', path, [x.name, weight, bias], features, { transB: { int: 1 } });
  }

  /** Every second element along height and width, then zero channels before and behind up to `channels`. */
  subsampleAndPad(path: string, x: Value, channels: number): Value {
    const int64 = (name: string, ...values: number[]): string =>
      this.#tensor(`${path}.${name}`, [values.length], BigInt64Array.from(values, BigInt));
    // Slice cuts ends that lie behind the axis, so the input's size serves at every depth.
    const [starts, ends] = [int64('starts', 0, 0), int64('ends', this.size, this.size)];
    const [axes, steps] = [int64('axes', 2, 3), int64('steps', 2, 2)];
    const sliced = this.node('Slice', `${path}.slice`, [x.name, starts, ends, axes, steps], x.channels);
    const before = Math.floor((channels - x.channels) / 2);
    const pads = int64('pads', 0, before, 0, 0, 0, channels - x.channels - before, 0, 0);
    return this.node('Pad', path, [sliced.name, pads], channels);
  }

  /** Closes the network; `output` becomes the graph output under the name "logits". */
  finish(output: Value): GraphSpec {
    const last = this.#nodes.findIndex((node) => node.outputs[0] === output.name);
    this.#nodes[last] = { ...this.#nodes[last]!, outputs: ['logits'] };
    return {
      name: this.name,
      nodes: this.#nodes,
      initializers: [...this.#tensors.values()],
      inputs: [{ name: 'input', shape: ['N', this.input.channels, this.size, this.size] }],
      outputs: [{ name: 'logits', shape: ['N', output.channels] }],
    };
  }

  private node(
    op: string,
    path: string,
    inputs: string[],
    channels: number,
    attributes: Record<string, AttributeSpec> = {},
  ): Value {
    const output = `${path}.out`;
    this.#nodes.push({ op, name: path, inputs, outputs: [output], attributes });
    return { name: output, channels };
  }

  #kaiming(name: string, shape: number[], fanIn: number): string {
    const size = shape.reduce((product, n) => product * n, 1);
    return this.#tensor(name, shape, normalArray(size, Math.sqrt(2 / fanIn), this.uniform));
  }

  #constant(name: string, size: number, value: number): string {
    return this.#tensor(name, [size], new Float32Array(size).fill(value));
  }

  #scalar(name: string, value: number): string {
    return this.#tensor(name, [], new Float32Array([value]));
  }

  #tensor(name: string, shape: number[], data: Float32Array | BigInt64Array): string {
    this.#tensors.set(name, { name, shape, data });
    return name;
  }
}
