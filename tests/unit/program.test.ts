import { describe, expect, it } from 'vitest';
import type { CompileOptions, Program } from '../../src/backend/backend.js';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { PxError } from '../../src/errors.js';
import type { Plan } from '../../src/plan/plan.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

function convNet(size: number, channels: number, layers: number): { plan: Plan; weights: Float32Array[] } {
  const m = new PlanMaker([3, size, size], randomStream(3));
  let v = 0;
  for (let i = 0; i < layers; ++i) v = m.leaky(m.batchNorm(m.conv(v, channels, { pad: 1 })), 0);
  m.output(m.dense(m.flatten(m.averagePool(v, size)), 5));
  return { plan: m.plan(), weights: m.weights };
}

async function compile(
  net: { plan: Plan; weights: Float32Array[] },
  o: Partial<CompileOptions> = {},
): Promise<Program> {
  return cpuBackend().compile(net.plan, net.weights, { method: 'px', norm: 'batch', threads: 2, ...o });
}

const code = (e: unknown) => (e instanceof PxError ? e.code : e);

describe('the native program', () => {
  it('refuses overlapping calls and tells why', async () => {
    const net = convNet(8, 8, 3);
    const program = await compile(net);
    program.begin();
    const x = new Float32Array(4 * 192).fill(0.5);
    const first = program.push(x, 4);
    await expect(program.push(x, 4).catch(code)).resolves.toBe('ERR_STATE');
    await first;
    await program.finish();
    program.dispose();
  });

  it('stops a running push within 200 ms, and starts afresh', async () => {
    const net = convNet(64, 64, 12);
    const program = await compile(net);
    const x = new Float32Array(32 * 3 * 64 * 64).fill(0.25);
    program.begin();
    const running = program.push(x, 32).catch(code);
    await new Promise((r) => setTimeout(r, 50));
    const start = performance.now();
    program.abort();
    expect(await running).toBe('ERR_ABORTED');
    expect(performance.now() - start).toBeLessThan(200);
    program.begin();
    await program.push(x.subarray(0, 3 * 64 * 64), 1);
    expect(Number.isFinite((await program.finish()).log2.R)).toBe(true);
    program.dispose();
  });

  it('rejects what is running when disposed, and answers ERR_STATE after', async () => {
    const net = convNet(64, 64, 8);
    const program = await compile(net);
    program.begin();
    const running = program.push(new Float32Array(16 * 3 * 64 * 64).fill(0.25), 16).catch(code);
    program.dispose();
    expect(await running).toBe('ERR_ABORTED');
    program.dispose();
    program.abort();
    expect(() => program.begin()).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
    await expect(program.push(new Float32Array(0), 0).catch(code)).resolves.toBe('ERR_STATE');
    await expect(program.finish().catch(code)).resolves.toBe('ERR_STATE');
  });

  it('names the node where f stops being finite', async () => {
    const net = convNet(6, 4, 2);
    const program = await compile(net);
    program.begin();
    const x = new Float32Array(2 * 108).fill(1e38);
    await expect(program.push(x, 2)).rejects.toThrow(/node '(conv0|step1)'/);
    program.begin();
    await expect(program.push(x, 2).catch(code)).resolves.toBe('ERR_NUMERIC');
    program.dispose();
  });

  it('checks sizes at the border', async () => {
    const net = convNet(6, 4, 1);
    const program = await compile(net);
    program.begin();
    await expect(program.push(new Float32Array(5), 1)).rejects.toThrow(/108 numbers/);
    await expect(program.push(new Float32Array(0), 0).catch(code)).resolves.toBe('ERR_OPTION');
    await expect(program.finish().catch(code)).resolves.toBe('ERR_STATE');
    expect(() => program.setMasks([])).toThrow(/masks expected/);
    expect(() => program.setMasks(net.plan.params.map(() => new Uint8Array(1)))).toThrow(PxError);
    program.dispose();
  });

  it('holds no more memory after 200 rounds than after 5', async () => {
    const net = convNet(8, 8, 4);
    for (const method of ['px', 'px-joint'] as const) {
      const program = await compile(net, { method });
      const x = new Float32Array(20 * 192).map((_, i) => Math.sin(i));
      let early = 0;
      for (let r = 0; r < 200; ++r) {
        program.begin();
        await program.push(x, 20);
        await program.finish();
        if (r === 4) early = program.memory().peak;
      }
      expect(program.memory().peak).toBe(early);
      program.dispose();
      expect(program.memory().current).toBe(0);
    }
  });

  it('refuses a plan whose weight view leaves the parameter', async () => {
    const net = convNet(6, 4, 1);
    const step = net.plan.steps[0];
    if (step?.kind !== 'linear') throw new Error('conv expected');
    const broken = { ...step, weight: { ...step.weight, outStride: step.weight.outStride + 1 } };
    const plan = { ...net.plan, steps: [broken, ...net.plan.steps.slice(1)] };
    await expect(cpuBackend().compile(plan, net.weights, { method: 'px', norm: 'batch' })).rejects.toThrow(
      /weight view/,
    );
  });
});
