import { describe, expect, it } from 'vitest';
import type { CompileOptions, RoundResult } from '../../src/backend/backend.js';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import type { Plan } from '../../src/plan/plan.js';
import { packMask } from '../../src/prune/masks.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

/** What must hold for any network, on random ones too large to list their paths. Every test prints its seed through its name. */
const SEEDS = [1, 2, 3, 4];

interface Network {
  readonly plan: Plan;
  readonly weights: Float32Array[];
  readonly random: () => number;
  readonly size: number;
}

function network(seed: number, o: { norm?: boolean; slope?: number } = {}): Network {
  const random = randomStream(seed * 104729);
  const m = new PlanMaker([3, 9, 7], random);
  const norm = (v: number) => (o.norm ? m.batchNorm(v) : v);
  const stem = m.leaky(norm(m.conv(0, 6, { pad: 1, bias: !o.norm })), o.slope ?? 0);
  const a = m.leaky(norm(m.conv(stem, 6, { pad: 1 })), o.slope ?? 0);
  const b = m.leaky(m.add([norm(m.conv(a, 6, { pad: 1 })), stem]), o.slope ?? 0);
  const c = m.leaky(norm(m.conv(b, 10, { kernel: 2, stride: 2 })), o.slope ?? 0);
  m.output(m.dense(m.flatten(m.averagePool(c, 3)), 4, { bias: true }));
  return { plan: m.plan(), weights: m.weights, random, size: 3 * 9 * 7 };
}

const STEM = 0;
const HEAD = 4;

function samples(net: Network, n: number): Float32Array {
  return Float32Array.from({ length: n * net.size }, () => net.random());
}

async function score(
  net: Network,
  x: Float32Array,
  options: Partial<CompileOptions> & { masks?: Uint8Array[]; batch?: number } = {},
): Promise<RoundResult> {
  const program = await cpuBackend().compile(net.plan, net.weights, {
    method: 'px',
    norm: 'running',
    threads: 2,
    ...options,
  });
  try {
    if (options.masks) program.setMasks(options.masks.map((m) => packMask(m)));
    program.begin();
    const step = (options.batch ?? x.length / net.size) * net.size;
    for (let at = 0; at < x.length; at += step) {
      const part = x.subarray(at, Math.min(x.length, at + step));
      await program.push(part, part.length / net.size);
    }
    return await program.finish();
  } finally {
    program.dispose();
  }
}

const sum = (v: Float32Array | undefined) => (v ?? new Float32Array()).reduce((a, b) => a + b, 0);

function expectClose(a: RoundResult, b: RoundResult, relative: number): void {
  a.scores.forEach((s, i) => {
    const largest = s.reduce((p, q) => Math.max(p, q), 0);
    s.forEach((v, j) => {
      expect(Math.abs(v - (b.scores[i]?.[j] ?? Number.NaN))).toBeLessThanOrEqual(
        relative * v + 1e-7 * largest,
      );
    });
  });
}

describe.each(['px', 'px-joint'] as const)('%s', (method) => {
  it.each(SEEDS)('scores sum to 1 over layers that every path crosses once (seed %i)', async (seed) => {
    for (const norm of ['batch', 'running'] as const) {
      const net = network(seed, { norm: true });
      const { scores } = await score(net, samples(net, 21), { method, norm });
      expect(sum(scores[STEM])).toBeCloseTo(1, 5);
      expect(sum(scores[HEAD])).toBeCloseTo(1, 5);
      expect(sum(scores[1])).toBeLessThan(1);
      for (const s of scores) expect(s.every((v) => v >= 0 && Number.isFinite(v))).toBe(true);
    }
  });

  it.each(SEEDS)(
    'does not change when a layer is scaled up and the next one down (seed %i)',
    async (seed) => {
      const random = randomStream(seed);
      const m = new PlanMaker([3, 6, 6], random);
      m.output(
        m.dense(
          m.flatten(m.conv(m.leaky(m.conv(0, 5, { pad: 1, bias: true }), 0.2), 4, { kernel: 2, stride: 2 })),
          3,
        ),
      );
      const net: Network = { plan: m.plan(), weights: m.weights, random, size: 108 };
      const x = samples(net, 6);
      const before = await score(net, x, { method });
      const factor = 4096; // a power of two: nothing but the exponents may move
      net.weights[0] = (net.weights[0] as Float32Array).map((v) => v * factor);
      const bias = net.plan.steps[0]?.kind === 'linear' ? net.plan.steps[0].bias : undefined;
      bias?.forEach((v, i) => {
        bias[i] = v * factor;
      });
      net.weights[1] = (net.weights[1] as Float32Array).map((v) => v / factor);
      expectClose(before, await score(net, x, { method }), 1e-5);
    },
  );

  it.each([1e-25, 1e25])('survives weights of size %f', async (scale) => {
    const net = network(5);
    const x = samples(net, 3);
    net.weights[HEAD] = (net.weights[HEAD] as Float32Array).map((v) => v * scale);
    const { scores, log2 } = await score(net, x, { method });
    expect(Number.isFinite(log2.R)).toBe(true);
    expect(sum(scores[STEM])).toBeCloseTo(1, 5);
    expect(sum(scores[HEAD])).toBeCloseTo(1, 5);
  });

  it.each(SEEDS)('permuting channels permutes scores (seed %i)', async (seed) => {
    const random = randomStream(seed + 50);
    const make = () => {
      const m = new PlanMaker([2, 5, 5], randomStream(7));
      m.output(m.dense(m.flatten(m.conv(m.leaky(m.conv(0, 6), 0), 2, { kernel: 1 })), 3));
      return m;
    };
    const m = make();
    const net: Network = { plan: m.plan(), weights: m.weights, random, size: 50 };
    const x = samples(net, 5);
    const before = await score(net, x, { method });
    const order = [3, 1, 5, 0, 2, 4];
    const rows = (v: Float32Array) =>
      Float32Array.from(order.flatMap((c) => [...v.subarray(c * 18, c * 18 + 18)]));
    const columns = (v: Float32Array) =>
      Float32Array.from([0, 1].flatMap((o) => order.map((c) => v[o * 6 + c] ?? 0)));
    net.weights[0] = rows(net.weights[0] as Float32Array);
    net.weights[1] = columns(net.weights[1] as Float32Array);
    const after = await score(net, x, { method });
    const expected = {
      ...before,
      scores: [
        rows(before.scores[0] as Float32Array),
        columns(before.scores[1] as Float32Array),
        before.scores[2] as Float32Array,
      ],
    };
    expectClose(expected, after, 1e-5);
  });

  it.each(SEEDS)('under running statistics it does not depend on the micro-batch (seed %i)', async (seed) => {
    const net = network(seed, { norm: true });
    const x = samples(net, 19);
    const whole = await score(net, x, { method });
    for (const batch of [1, 2, 5, 8, 16, 18]) {
      const parts = await score(net, x, { method, batch });
      expectClose(whole, parts, 1e-5);
      expect(parts.log2.R).toBeCloseTo(whole.log2.R, 4);
    }
  });

  it.each(SEEDS)('masked weights score 0, a cut network scores nothing (seed %i)', async (seed) => {
    const net = network(seed, { norm: true, slope: 0.1 });
    const x = samples(net, 4);
    const masks = net.plan.params.map((p) =>
      Uint8Array.from({ length: p.size }, () => (net.random() > 0 ? 1 : 0)),
    );
    const { scores } = await score(net, x, { method, masks, norm: 'batch' });
    masks.forEach((mask, i) => {
      mask.forEach((kept, j) => {
        if (!kept) expect(scores[i]?.[j]).toBe(0);
      });
    });
    masks[HEAD]?.fill(0);
    const cut = await score(net, x, { method, masks, norm: 'batch' });
    expect(cut.log2.R).toBe(Number.NEGATIVE_INFINITY);
    for (const s of cut.scores) expect(s.every((v) => v === 0)).toBe(true);
  });

  it.each(SEEDS)('gives the same bytes for 1, 2 and 3 threads (seed %i)', async (seed) => {
    const net = network(seed, { norm: true });
    for (const n of [2, 8, 33]) {
      const x = samples(net, n);
      const one = await score(net, x, { method, norm: 'batch', threads: 1 });
      for (const threads of [2, 3])
        expect(await score(net, x, { method, norm: 'batch', threads })).toEqual(one);
    }
  });

  it('leaves input and weights as they were', async () => {
    const net = network(9, { norm: true });
    const x = samples(net, 6);
    const weights = net.weights.map((w) => w.slice());
    const copy = x.slice();
    await score(net, x, { method, norm: 'batch' });
    expect(x).toEqual(copy);
    expect(net.weights).toEqual(weights);
  });
});

it('u and log2 R add over shards of the data under running statistics', async () => {
  const net = network(11, { norm: true });
  const x = samples(net, 12);
  const half = x.length / 2;
  const [a, b, whole] = await Promise.all([
    score(net, x.subarray(0, half)),
    score(net, x.subarray(half)),
    score(net, x),
  ]);
  expect(Math.log2(2 ** a.log2.R + 2 ** b.log2.R)).toBeCloseTo(whole.log2.R, 4);
  expect(Math.log2(2 ** (a.log2.Jfv2 ?? 0) + 2 ** (b.log2.Jfv2 ?? 0))).toBeCloseTo(whole.log2.Jfv2 ?? 0, 4);
});
