/**
 * Single numbers of a linear step by its definition (plan.ts), in float64: what kernels are checked against, at places drawn by
 * chance, since a whole tensor would take longer than everything that is measured.
 */
import type { StepPart, StepProblem } from '../backend/native/time-step.js';
import type { LinearStep, SpatialAxis } from '../plan/plan.js';
import { isKept } from '../prune/masks.js';

/** One number, the sum of its terms' magnitudes, and how many terms there are. */
export interface PlainSum {
  readonly value: number;
  readonly magnitude: number;
  readonly terms: number;
}

/** Output `o` takes input `i` through tap `t`, along one axis. */
interface Meeting {
  readonly o: number;
  readonly t: number;
  readonly i: number;
}

/** Element `index` of what `problem` computes: flat in [samples, output], [samples, input] or the stored weights. */
export class PlainStep {
  readonly #meetings: readonly Meeting[][];

  constructor(private readonly problem: StepProblem) {
    const { step } = problem;
    this.#meetings = step.spatial.map((axis) => meetings(axis, step.op === 'conv-transpose'));
  }

  at(index: number): PlainSum {
    const { part, samples, x, d } = this.problem;
    if (part === 'weight-gradient') return this.#ofWeight(index);
    const size = part === 'data-gradient' ? x.length / samples : d.length / samples;
    return this.#ofSample(Math.floor(index / size), index % size);
  }

  /** f, h, j at an output, or the data gradient at an input. */
  #ofSample(sample: number, element: number): PlainSum {
    const { step, part, samples, x, d } = this.problem;
    const back = part === 'data-gradient';
    const [mine, theirs] = back ? [step.inLayout, step.outLayout] : [step.outLayout, step.inLayout];
    const [source, perGroup, across] = back
      ? [d, step.inChannels, step.outChannels]
      : [x, step.outChannels, step.inChannels];
    const base = (sample * source.length) / samples;
    const place = placeOf(step, element, mine, back ? 'inSize' : 'outSize');
    const group = Math.floor(place.channel / perGroup);
    const channel = place.channel % perGroup;
    const sum = new Sum(part === 'f' && step.bias ? step.bias[place.channel]! : 0);
    const near = this.#meetings.map((all, a) =>
      all.filter(({ o, i }) => (back ? i : o) === place.spatial[a]),
    );
    const { weight } = step;
    for (let other = 0; other < across; other++) {
      const [m, c] = back ? [other, channel] : [channel, other];
      const w0 = group * weight.groupStride + m * weight.outStride + c * weight.inStride;
      const s0 = base + (group * across + other) * theirs.channelStride;
      product(near, (steps) => {
        let [w, s] = [w0, s0];
        steps.forEach(({ o, t, i }, a) => {
          w += t * weight.tapStrides[a]!;
          s += (back ? o : i) * theirs.spatialStrides[a]!;
        });
        if (isKept(this.problem.mask, w)) sum.add(this.#weight(w) * source[s]!);
      });
    }
    return sum;
  }

  /** Σ over samples and positions of d·x at one weight; 0 where it is masked. */
  #ofWeight(index: number): PlainSum {
    const { step, mask, samples, x, d } = this.problem;
    const sum = new Sum(0);
    if (!isKept(mask, index)) return sum;
    const { g, m, c, taps } = locate(step, index);
    const near = this.#meetings.map((all, a) => all.filter(({ t }) => t === taps[a]));
    const factor = step.alpha * step.alpha;
    for (let n = 0; n < samples; n++) {
      const x0 = (n * x.length) / samples + (g * step.inChannels + c) * step.inLayout.channelStride;
      const d0 = (n * d.length) / samples + (g * step.outChannels + m) * step.outLayout.channelStride;
      product(near, (steps) => {
        let [from, to] = [x0, d0];
        steps.forEach(({ o, i }, a) => {
          from += i * step.inLayout.spatialStrides[a]!;
          to += o * step.outLayout.spatialStrides[a]!;
        });
        sum.add(factor * x[from]! * d[to]!);
      });
    }
    return sum;
  }

  #weight(index: number): number {
    return weightIn(this.problem.part, this.problem.step.alpha, this.problem.weights[index]!);
  }
}

/** θ in f, 1 in h, θ² in j and its adjoint, with alpha as each takes it. */
function weightIn(part: StepPart, alpha: number, theta: number): number {
  if (part === 'f') return alpha * theta;
  return part === 'h' ? Math.abs(alpha) : alpha * alpha * theta * theta;
}

class Sum implements PlainSum {
  magnitude: number;
  terms = 1;

  constructor(public value: number) {
    this.magnitude = Math.abs(value);
  }

  add(term: number): void {
    this.value += term;
    this.magnitude += Math.abs(term);
    this.terms++;
  }
}

function meetings(
  { inSize, outSize, taps, stride, dilation, pad }: SpatialAxis,
  transposed: boolean,
): Meeting[] {
  const found: Meeting[] = [];
  const [steps, reach] = transposed ? [inSize, outSize] : [outSize, inSize];
  for (let step = 0; step < steps; step++) {
    for (let t = 0; t < taps; t++) {
      const met = step * stride + t * dilation - pad;
      if (met < 0 || met >= reach) continue;
      found.push(transposed ? { o: met, t, i: step } : { o: step, t, i: met });
    }
  }
  return found;
}

/** Calls `visit` with one meeting per axis, for all combinations. */
function product(axes: readonly (readonly Meeting[])[], visit: (chosen: readonly Meeting[]) => void): void {
  const chosen: Meeting[] = [];
  const choose = (axis: number): void => {
    if (axis === axes.length) return visit(chosen);
    for (const meeting of axes[axis]!) {
      chosen[axis] = meeting;
      choose(axis + 1);
    }
  };
  choose(0);
}

/** Channel and positions of an element of the input or output, by its layout's strides. */
function placeOf(
  { spatial }: LinearStep,
  element: number,
  { channelStride, spatialStrides }: LinearStep['inLayout'],
  size: 'inSize' | 'outSize',
): { channel: number; spatial: number[] } {
  const positions = spatial.reduce((all, axis) => all * axis[size], 1);
  const channelsLast = channelStride === 1 && positions > 1;
  // Without gaps: where channels lie together, they are the fastest axis.
  const channels = channelsLast ? Math.min(...spatialStrides) : Number.POSITIVE_INFINITY;
  return {
    channel: channelsLast ? element % channels : Math.floor(element / channelStride),
    spatial: spatial.map((axis, a) => Math.floor(element / spatialStrides[a]!) % axis[size]),
  };
}

/** Which output, input and taps a stored weight joins. */
function locate({ groups, inChannels, outChannels, spatial, weight }: LinearStep, index: number) {
  const axes = [
    { stride: weight.groupStride, size: groups },
    { stride: weight.outStride, size: outChannels },
    { stride: weight.inStride, size: inChannels },
    ...spatial.map(({ taps }, a) => ({ stride: weight.tapStrides[a]!, size: taps })),
  ];
  const [g, m, c, ...taps] = axes.map(({ stride, size }) =>
    size === 1 ? 0 : Math.floor(index / stride) % size,
  ) as [number, number, number, ...number[]];
  return { g, m, c, taps };
}
