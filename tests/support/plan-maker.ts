import type {
  AxisMap,
  ChannelLayout,
  Operand,
  Plan,
  PlanParam,
  PlanValue,
  Step,
  ValueId,
} from '../../src/plan/plan.js';

const product = (s: readonly number[]) => s.reduce((a, b) => a * b, 1);

/** Numbers in (−1, 1), the same on every machine for one seed. */
export function randomStream(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 31 - 1;
  };
}

/** Builds small Plans by hand, for tests that must not depend on the importer. */
export class PlanMaker {
  readonly values: PlanValue[] = [];
  readonly params: PlanParam[] = [];
  readonly weights: Float32Array[] = [];
  readonly steps: Step[] = [];
  private readonly outputs: { name: string; value: ValueId }[] = [];

  constructor(
    shape: readonly number[],
    private readonly random: () => number,
  ) {
    this.value(shape);
  }

  plan(): Plan {
    return {
      version: 1,
      input: 0,
      values: this.values,
      params: this.params,
      steps: this.steps,
      outputs: this.outputs,
    };
  }

  output(value: ValueId): void {
    this.outputs.push({ name: `y${this.outputs.length}`, value });
  }

  shape(v: ValueId): readonly number[] {
    return this.values[v]?.shape ?? [];
  }

  floats(n: number, scale = 1): Float32Array {
    return Float32Array.from({ length: n }, () => this.random() * scale);
  }

  conv(
    x: ValueId,
    channels: number,
    o: {
      kernel?: number;
      stride?: number;
      pad?: number;
      dilation?: number;
      groups?: number;
      transposed?: boolean;
      bias?: boolean;
      share?: number;
    } = {},
  ): ValueId {
    const { kernel: k = 3, stride = 1, pad = 0, dilation = 1, groups = 1, transposed = false } = o;
    const [c = 0, ...space] = this.shape(x);
    const reach = dilation * (k - 1);
    const out = space.map((n) =>
      transposed
        ? (n - 1) * stride + reach + 1 - 2 * pad
        : Math.floor((n + 2 * pad - reach - 1) / stride) + 1,
    );
    const y = this.value([channels, ...out]);
    const inner = c / groups;
    const outer = channels / groups;
    const taps = k ** space.length;
    const shape = transposed ? [c, outer, ...space.map(() => k)] : [channels, inner, ...space.map(() => k)];
    const param = o.share ?? this.param(shape, Math.sqrt(2 / (inner * taps)));
    this.steps.push({
      kind: 'linear',
      op: transposed ? 'conv-transpose' : 'conv',
      name: `conv${this.steps.length}`,
      inputs: [x],
      output: y,
      weight: {
        param,
        groupStride: inner * outer * taps,
        outStride: transposed ? taps : inner * taps,
        inStride: transposed ? outer * taps : taps,
        tapStrides: strides(space.map(() => k)),
      },
      ...(o.bias ? { bias: this.floats(channels, 0.3) } : {}),
      alpha: 1,
      groups,
      inChannels: inner,
      outChannels: outer,
      spatial: space.map((n, i) => ({ inSize: n, outSize: out[i] ?? 0, taps: k, stride, dilation, pad })),
      inLayout: channelFirst(space),
      outLayout: channelFirst(out),
    });
    return y;
  }

  /** Over the last axis, stored [in, out] as MatMul has it. */
  dense(x: ValueId, units: number, o: { bias?: boolean; alpha?: number } = {}): ValueId {
    const shape = this.shape(x);
    const lead = shape.slice(0, -1);
    const n = shape.at(-1) ?? 1;
    const positions = product(lead);
    const y = this.value([...lead, units]);
    this.steps.push({
      kind: 'linear',
      op: 'dense',
      name: `dense${this.steps.length}`,
      inputs: [x],
      output: y,
      weight: {
        param: this.param([n, units], Math.sqrt(2 / n)),
        groupStride: 0,
        outStride: 1,
        inStride: units,
        tapStrides: lead.length ? [0] : [],
      },
      ...(o.bias ? { bias: this.floats(units, 0.3) } : {}),
      alpha: o.alpha ?? 1,
      groups: 1,
      inChannels: n,
      outChannels: units,
      spatial: lead.length
        ? [{ inSize: positions, outSize: positions, taps: 1, stride: 1, dilation: 1, pad: 0 }]
        : [],
      inLayout: { channelStride: 1, spatialStrides: lead.length ? [n] : [] },
      outLayout: { channelStride: 1, spatialStrides: lead.length ? [units] : [] },
    });
    return y;
  }

  leaky(x: ValueId, alpha: number): ValueId {
    return this.push({
      kind: 'gate',
      op: 'activation',
      fn: alpha === 0 ? 'relu' : 'leaky-relu',
      alpha,
      beta: 0,
      ...this.to(x, this.shape(x)),
    });
  }

  /** Windows of `size` with stride `size` along the last axes, whole windows only. */
  maxPool(x: ValueId, size: number): ValueId {
    const [axes, shape] = this.windows(x, size, 1);
    return this.push({ kind: 'gate', op: 'max', axes, ...this.to(x, shape) });
  }

  averagePool(x: ValueId, size: number, coefficient = 1): ValueId {
    const [axes, shape] = this.windows(x, size, 1 / size);
    return this.push({ kind: 'fixed', op: 'fixed', axes, coefficient, fill: 0, ...this.to(x, shape) });
  }

  batchNorm(x: ValueId): ValueId {
    const c = this.shape(x)[0] ?? 0;
    const positive = () => this.floats(c).map((v) => 1 + v / 2);
    return this.push({
      kind: 'norm',
      op: 'batch',
      epsilon: 1e-5,
      scale: positive(),
      bias: this.floats(c, 0.2),
      mean: this.floats(c, 0.2),
      variance: positive(),
      ...this.to(x, this.shape(x)),
    });
  }

  affine(x: ValueId, scale: Operand, shift?: Operand): ValueId {
    return this.push({
      kind: 'norm',
      op: 'affine',
      scale,
      ...(shift ? { shift } : {}),
      ...this.to(x, this.shape(x)),
    });
  }

  add(xs: readonly ValueId[], signs: readonly (1 | -1)[] = xs.map(() => 1)): ValueId {
    return this.push({
      kind: 'sum',
      op: 'add',
      signs,
      name: '',
      inputs: xs,
      output: this.value(this.shape(xs[0] ?? 0)),
    });
  }

  concat(xs: readonly ValueId[]): ValueId {
    const [, ...rest] = this.shape(xs[0] ?? 0);
    const c = xs.reduce((n, x) => n + (this.shape(x)[0] ?? 0), 0);
    return this.push({
      kind: 'sum',
      op: 'concat',
      axis: 0,
      parts: xs.map((_, i) => i),
      name: '',
      inputs: xs,
      output: this.value([c, ...rest]),
    });
  }

  flatten(x: ValueId): ValueId {
    return this.push({ kind: 'view', op: 'reshape', ...this.to(x, [product(this.shape(x))]) });
  }

  transpose(x: ValueId, perm: readonly number[]): ValueId {
    return this.push({
      kind: 'view',
      op: 'transpose',
      perm,
      ...this.to(
        x,
        perm.map((a) => this.shape(x)[a] ?? 0),
      ),
    });
  }

  private windows(x: ValueId, size: number, value: number): [AxisMap[], number[]] {
    const shape = [...this.shape(x)];
    const axes = shape.slice(1).map((n, i) => {
      const out = Math.floor(n / size);
      shape[i + 1] = out;
      return {
        axis: i + 1,
        inSize: n,
        outSize: out,
        start: Uint32Array.from({ length: out + 1 }, (_, o) => o * size),
        index: Uint32Array.from({ length: out * size }, (_, e) => e),
        value: new Float32Array(out * size).fill(value),
      };
    });
    return [axes, shape];
  }

  private to(x: ValueId, shape: readonly number[]) {
    return { name: `step${this.steps.length}`, inputs: [x], output: this.value(shape) };
  }

  private push(step: Step): ValueId {
    this.steps.push(step);
    return step.output;
  }

  private value(shape: readonly number[]): ValueId {
    this.values.push({ name: `v${this.values.length}`, shape, signal: true });
    return this.values.length - 1;
  }

  private param(shape: readonly number[], scale: number): number {
    const size = product(shape);
    this.params.push({ name: `w${this.params.length}`, shape, size, gateOnly: false });
    this.weights.push(this.floats(size, scale));
    return this.params.length - 1;
  }
}

function strides(shape: readonly number[]): number[] {
  return shape.map((_, i) => product(shape.slice(i + 1)));
}

function channelFirst(space: readonly number[]): ChannelLayout {
  return { channelStride: product(space), spatialStrides: strides(space) };
}
