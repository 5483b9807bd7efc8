import { describe, expect, it } from 'vitest';
import type { CompileOptions, RoundResult } from '../../src/backend/backend.js';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

/**
 * Where samples are many, what lies between two convolutions is made a block of samples at a time by whoever reads it, if there are
 * blocks for all threads, and at once if not.
 */
const SAMPLES = 70;
const SIZE = 12;

function residualNet() {
  const random = randomStream(11);
  const m = new PlanMaker([3, SIZE, SIZE], random);
  let v = m.leaky(m.batchNorm(m.conv(0, 8, { pad: 1 })), 0);
  // Channels within a residual branch; where they are as many as outside, outputs may go over what they are made of.
  let before = v;
  for (const branch of [[9, 7], [6, 7], [8, 8], [8], [8]]) {
    before = v;
    let inner = m.leaky(m.batchNorm(m.conv(v, branch[0]!, { pad: 1 })), 0);
    if (branch[1]) inner = m.leaky(m.conv(inner, branch[1], { kernel: 1 }), 0);
    v = m.leaky(m.add([v, m.batchNorm(m.conv(inner, 8, { pad: 1 }))]), 0);
  }
  // What has been added is wanted once more, and so is what the last blocks are made of.
  const inner = m.conv(m.leaky(m.add([v, before]), 0), 8, { pad: 1 });
  v = m.leaky(m.add([m.leaky(m.add([inner, before]), 0), v]), 0);
  m.output(m.dense(m.flatten(m.averagePool(v, SIZE)), 5));
  const x = Float32Array.from({ length: SAMPLES * 3 * SIZE * SIZE }, () => random() - 0.5);
  const masks = m.weights.map((w) =>
    Uint8Array.from({ length: Math.ceil(w.length / 8) }, () => random() * 256),
  );
  return { plan: m.plan(), weights: m.weights, masks, x };
}

async function round(
  net: ReturnType<typeof residualNet>,
  o: Partial<CompileOptions>,
  microBatch = SAMPLES,
): Promise<RoundResult> {
  return (await run(net, o, microBatch, false)).result;
}

/** A round, or f alone, and f's output. */
async function run(
  net: ReturnType<typeof residualNet>,
  o: Partial<CompileOptions>,
  microBatch: number,
  forwardOnly: boolean,
) {
  const program = await cpuBackend().compile(net.plan, net.weights, { method: 'px', norm: 'batch', ...o });
  program.setMasks(net.masks);
  program.begin({ forwardOnly, outputs: true });
  const each = net.x.length / SAMPLES;
  const y: number[] = [];
  for (let at = 0; at < SAMPLES; at += microBatch) {
    const n = Math.min(microBatch, SAMPLES - at);
    y.push(...(await program.push(net.x.subarray(at * each, (at + n) * each), n)).y![0]!);
  }
  const result = await program.finish();
  program.dispose();
  return { result, y };
}

describe('many samples', () => {
  it.each(['px', 'px-joint'] as const)(
    'give the same bytes however many threads take part (%s)',
    async (method) => {
      const net = residualNet();
      for (const norm of ['batch', 'running'] as const) {
        const one = await round(net, { method, norm, threads: 1 });
        for (const threads of [2, 3, 8]) expect(await round(net, { method, norm, threads })).toEqual(one);
      }
    },
  );

  it.each(['px', 'px-joint'] as const)(
    'score as they do three at a time, where nothing is written over (%s)',
    async (method) => {
      const net = residualNet();
      const all = await round(net, { method, norm: 'running', threads: 2 });
      const few = await round(net, { method, norm: 'running', threads: 2 }, 3);
      let seen = 0;
      for (const [p, scores] of few.scores.entries()) {
        const top = scores.reduce((a, b) => Math.max(a, b), 0);
        for (const [i, s] of scores.entries()) {
          expect(Math.abs((all.scores[p]?.[i] ?? Number.NaN) - s)).toBeLessThanOrEqual(2e-5 * top);
          if (s > 0) ++seen;
        }
      }
      expect(seen).toBeGreaterThan(500);
      expect(all.log2.R).toBeCloseTo(few.log2.R, 5);
    },
  );

  it.each([false, true])('have the outputs they have three at a time (f alone: %s)', async (forwardOnly) => {
    const net = residualNet();
    const all = (await run(net, { norm: 'running', threads: 2 }, SAMPLES, forwardOnly)).y;
    const few = (await run(net, { norm: 'running', threads: 2 }, 3, forwardOnly)).y;
    const top = Math.max(...few.map(Math.abs));
    expect(Math.max(...all.map((y, i) => Math.abs(y - few[i]!)))).toBeLessThanOrEqual(1e-5 * top);
  });
});
