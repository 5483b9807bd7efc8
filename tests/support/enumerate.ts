import type { LinearStep, Plan, Step } from '../../src/plan/plan.js';

/**
 * The definition itself: every path of a small network, one by one, in double precision. Knows nothing of h, g, j or adjoints,
 * and so is independent of everything it checks. Running statistics only; linear, fixed, leaky, max, batch, affine, sums and views.
 */
export interface Enumerated {
  /** S/R per parameter. */
  readonly px: readonly Float64Array[];
  readonly joint: readonly Float64Array[];
  readonly log2: { readonly R: number; readonly Jfv2: number; readonly Jvt2: number; readonly joint: number };
  readonly y: readonly Float64Array[];
}

/** An edge of the network: output element ← input element. */
interface Edge {
  readonly value: number;
  readonly element: number;
  /** Derivative-like factors of f along the edge: weight · gate · coefficient. */
  readonly weight?: { readonly param: number; readonly index: number };
  readonly gate: number;
  /** Fixed coefficient: half its modulus goes to each factor of the bound. */
  readonly coefficient: number;
  /** Learned scales and normalisation: squared in g, nothing in h. */
  readonly scale: number;
}

interface Node {
  readonly edges: readonly Edge[];
  readonly f: number;
}

const product = (s: readonly number[]) => s.reduce((a, b) => a * b, 1);

export function enumeratePaths(
  plan: Plan,
  weights: readonly Float32Array[],
  masks: readonly Uint8Array[],
  x: Float32Array,
  samples: number,
): Enumerated {
  const size = (v: number) => product(plan.values[v]?.shape ?? []);
  const n = size(plan.input);
  const px = plan.params.map((p) => new Float64Array(p.size));
  const joint = plan.params.map((p) => new Float64Array(p.size));
  const theta = (param: number, index: number) =>
    masks[param]?.[index] ? (weights[param]?.[index] ?? 0) : 0;
  const u = plan.outputs.map((o) => new Float64Array(size(o.value)));
  const y: Float64Array[] = plan.outputs.map((o) => new Float64Array(samples * size(o.value)));
  let jointR = 0;
  for (let s = 0; s < samples; ++s) {
    const nodes = sampleNodes(plan, theta, x.subarray(s * n, (s + 1) * n));
    plan.outputs.forEach((o, k) => {
      for (let e = 0; e < size(o.value); ++e) {
        (y[k] as Float64Array)[s * size(o.value) + e] = nodes[o.value]?.[e]?.f ?? 0;
        walk(plan, nodes, masks, o.value, e, (path) => {
          const input = (x[s * n + path.element] ?? 0) ** 2;
          (u[k] as Float64Array)[e] = (u[k]?.[e] ?? 0) + Math.abs(path.c) * input * path.a2;
          const v2 = path.weights.reduce((p, w) => p * theta(w.param, w.index) ** 2, path.scale2);
          const share = path.c ** 2 * input * path.a2 * v2;
          jointR += share;
          for (const w of path.weights) add(joint, w.param, w.index, share);
        });
      }
    });
  }
  const first = sampleNodes(plan, theta, x.subarray(0, n));
  let R = 0;
  let jvt2 = 0;
  plan.outputs.forEach((o, k) => {
    for (let e = 0; e < size(o.value); ++e)
      walk(plan, first, masks, o.value, e, (path) => {
        const c = Math.abs(path.c) * path.scale2;
        const v2 = path.weights.reduce((p, w) => p * theta(w.param, w.index) ** 2, c);
        R += v2 * (u[k]?.[e] ?? 0);
        path.weights.forEach((w, i) => {
          add(px, w.param, w.index, v2 * (u[k]?.[e] ?? 0));
          jvt2 += path.weights.reduce((p, o2, j) => (i === j ? p : p * theta(o2.param, o2.index) ** 2), c);
        });
      });
  });
  for (const s of px) for (let i = 0; i < s.length; ++i) s[i] = (s[i] ?? 0) / R;
  for (const s of joint) for (let i = 0; i < s.length; ++i) s[i] = (s[i] ?? 0) / jointR;
  const Jfv2 = u.reduce((a, b) => a + b.reduce((p, q) => p + q, 0), 0);
  return {
    px,
    joint,
    log2: { R: Math.log2(R), Jfv2: Math.log2(Jfv2), Jvt2: Math.log2(jvt2), joint: Math.log2(jointR) },
    y,
  };
}

function add(to: readonly Float64Array[], param: number, index: number, v: number): void {
  const a = to[param] as Float64Array;
  a[index] = (a[index] ?? 0) + v;
}

interface Path {
  readonly element: number;
  readonly c: number;
  readonly a2: number;
  readonly scale2: number;
  readonly weights: readonly { param: number; index: number }[];
}

/** Every path that ends in one element; a masked weight cuts, a zero gate cuts f's factor but not g's. */
function walk(
  plan: Plan,
  nodes: readonly (readonly Node[])[],
  masks: readonly Uint8Array[],
  value: number,
  element: number,
  visit: (p: Path) => void,
): void {
  const step = (v: number, e: number, path: Path): void => {
    if (v === plan.input) return visit({ ...path, element: e });
    for (const edge of nodes[v]?.[e]?.edges ?? []) {
      if (edge.weight && !masks[edge.weight.param]?.[edge.weight.index]) continue;
      step(edge.value, edge.element, {
        element: 0,
        c: path.c * edge.coefficient,
        a2: path.a2 * edge.gate ** 2,
        scale2: path.scale2 * edge.scale ** 2,
        weights: edge.weight ? [...path.weights, edge.weight] : path.weights,
      });
    }
  };
  step(value, element, { element: 0, c: 1, a2: 1, scale2: 1, weights: [] });
}

function sampleNodes(plan: Plan, theta: (param: number, index: number) => number, x: Float32Array): Node[][] {
  const nodes: Node[][] = plan.values.map(() => []);
  nodes[plan.input] = Array.from(x, (f) => ({ f, edges: [] }));
  for (const step of plan.steps) nodes[step.output] = stepNodes(plan, step, nodes, theta);
  return nodes;
}

function stepNodes(
  plan: Plan,
  step: Step,
  nodes: readonly Node[][],
  theta: (param: number, index: number) => number,
): Node[] {
  const shape = plan.values[step.output]?.shape ?? [];
  const x = step.inputs[0] ?? 0;
  const f = (value: number, element: number) => nodes[value]?.[element]?.f ?? Number.NaN;
  const plain = (value: number, element: number, o: Partial<Edge> = {}): Edge => ({
    value,
    element,
    gate: 1,
    coefficient: 1,
    scale: 1,
    ...o,
  });
  const sum = (edges: Edge[], bias = 0): Node => ({
    edges,
    f: edges.reduce(
      (t, e) =>
        t +
        f(e.value, e.element) *
          e.coefficient *
          e.gate *
          e.scale *
          (e.weight ? theta(e.weight.param, e.weight.index) : 1),
      bias,
    ),
  });
  const each = (make: (index: number[], flat: number) => Node): Node[] =>
    Array.from({ length: product(shape) }, (_, i) => make(unravel(i, shape), i));
  switch (step.op) {
    case 'conv':
    case 'conv-transpose':
    case 'dense':
      return linearNodes(step, x, product(shape), plain, sum);
    case 'activation':
      return each((_, i) => {
        const z = f(x, i);
        const slope = step.fn === 'relu' ? 0 : step.alpha;
        return sum([plain(x, i, { gate: z > 0 ? 1 : z < 0 ? slope : 0 })]);
      });
    case 'fixed':
    case 'max':
      return each((index) => {
        let edges = [{ index, c: 1 }];
        for (const a of step.axes)
          edges = edges.flatMap((e) => {
            const o = e.index[a.axis] ?? 0;
            const row = Array.from(a.index.subarray(a.start[o], a.start[o + 1]), (i, k) => ({
              i,
              c: step.op === 'max' ? 1 : (a.value[(a.start[o] ?? 0) + k] ?? 0),
            }));
            return row.map((r) => ({ index: e.index.map((v, d) => (d === a.axis ? r.i : v)), c: e.c * r.c }));
          });
        const from = plan.values[x]?.shape ?? [];
        if (step.op === 'fixed')
          return sum(
            edges.map((e) => plain(x, ravel(e.index, from), { coefficient: e.c * step.coefficient })),
          );
        const order = edges.map((e) => ravel(e.index, from)).sort((a, b) => a - b);
        const best = order.reduce((b, e) => (f(x, e) > f(x, b) ? e : b));
        return sum(order.map((e) => plain(x, e, { gate: e === best ? 1 : 0 })));
      });
    case 'batch':
      return each((index, i) => {
        const c = index[0] ?? 0;
        const s = (step.scale[c] ?? 0) / Math.sqrt((step.variance[c] ?? 0) + step.epsilon);
        return sum([plain(x, i, { scale: s })], (step.bias[c] ?? 0) - (step.mean[c] ?? 0) * s);
      });
    case 'affine':
      return each((index, i) => {
        const at = (o: { shape: readonly number[]; data: Float32Array }) =>
          o.data[
            ravel(
              o.shape.map((d, a) => (d === 1 ? 0 : (index[a + shape.length - o.shape.length] ?? 0))),
              o.shape,
            )
          ] ?? 0;
        return sum(
          [plain(x, i, { scale: step.scale ? at(step.scale) : 1 })],
          step.shift ? at(step.shift) : 0,
        );
      });
    case 'add':
      return each((_, i) => sum(step.inputs.map((v, k) => plain(v, i, { coefficient: step.signs[k] ?? 1 }))));
    case 'concat': {
      const all = step.inputs.flatMap((v) => Array.from(nodes[v] ?? [], (_, e) => sum([plain(v, e)])));
      return all;
    }
    case 'reshape':
      return each((_, i) => sum([plain(x, i)]));
    case 'transpose': {
      const from = plan.values[x]?.shape ?? [];
      return each((index) => {
        const back: number[] = [];
        step.perm.forEach((a, i) => {
          back[a] = index[i] ?? 0;
        });
        return sum([plain(x, ravel(back, from))]);
      });
    }
    default:
      throw new Error(`enumerate: ${step.op} is not needed by any test`);
  }
}

function linearNodes(
  s: LinearStep,
  x: number,
  size: number,
  plain: (v: number, e: number, o?: Partial<Edge>) => Edge,
  sum: (e: Edge[], bias?: number) => Node,
): Node[] {
  const out: Node[] = new Array(size);
  const positions = (sizes: readonly number[]) =>
    Array.from({ length: product(sizes) }, (_, i) => unravel(i, sizes));
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((t, v, i) => t + v * (b[i] ?? 0), 0);
  for (let g = 0; g < s.groups; ++g)
    for (let m = 0; m < s.outChannels; ++m)
      for (const o of positions(s.spatial.map((a) => a.outSize))) {
        const edges: Edge[] = [];
        for (const i of positions(s.spatial.map((a) => a.inSize)))
          for (const t of positions(s.spatial.map((a) => a.taps))) {
            const meets = s.spatial.every((a, d) => {
              const [big, small] = s.op === 'conv-transpose' ? [o, i] : [i, o];
              return (big[d] ?? 0) === (small[d] ?? 0) * a.stride + (t[d] ?? 0) * a.dilation - a.pad;
            });
            if (!meets) continue;
            for (let c = 0; c < s.inChannels; ++c)
              edges.push(
                plain(
                  x,
                  (g * s.inChannels + c) * s.inLayout.channelStride + dot(i, s.inLayout.spatialStrides),
                  {
                    coefficient: s.alpha,
                    weight: {
                      param: s.weight.param,
                      index:
                        g * s.weight.groupStride +
                        m * s.weight.outStride +
                        c * s.weight.inStride +
                        dot(t, s.weight.tapStrides),
                    },
                  },
                ),
              );
          }
        const channel = g * s.outChannels + m;
        out[channel * s.outLayout.channelStride + dot(o, s.outLayout.spatialStrides)] = sum(
          edges,
          s.bias?.[channel] ?? 0,
        );
      }
  return out;
}

function unravel(flat: number, shape: readonly number[]): number[] {
  const index: number[] = new Array(shape.length);
  for (let a = shape.length - 1; a >= 0; --a) {
    index[a] = flat % (shape[a] ?? 1);
    flat = Math.floor(flat / (shape[a] ?? 1));
  }
  return index;
}

function ravel(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((flat, v, a) => flat * (shape[a] ?? 1) + v, 0);
}
