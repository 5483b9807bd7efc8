/** Every public method of a compiled program, in every state a program can be in. */
import { describe, expect, it } from 'vitest';
import type { Method, Program, RoundResult } from '../../src/backend/backend.js';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import type { PxErrorCode } from '../../src/errors.js';
import { fullMask } from '../../src/prune/masks.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

const SAMPLES = 8;
const SIDE = 32;

const maker = new PlanMaker([3, SIDE, SIDE], randomStream(3));
let last = 0;
for (let i = 0; i < 4; i++) last = maker.leaky(maker.batchNorm(maker.conv(last, 16, { pad: 1 })), 0);
maker.output(maker.dense(maker.flatten(maker.averagePool(last, SIDE)), 5));
const net = { plan: maker.plan(), weights: maker.weights };
const masks = net.plan.params.map(({ size }) => fullMask(size));
const x = new Float32Array(SAMPLES * 3 * SIDE * SIDE).map((_, i) => Math.sin(i));
const tooLarge = new Float32Array(x.length).fill(1e38);

type Code = PxErrorCode | 'ok';
const settle = (promise: Promise<unknown>): Promise<Code> =>
  promise.then(
    () => 'ok' as const,
    (error: { code: PxErrorCode }) => error.code,
  );
async function attempt(call: () => unknown): Promise<Code> {
  return settle((async () => call())());
}

interface Busy {
  readonly running: Promise<Code>;
}
const begin = (p: Program, forwardOnly = false) => p.begin({ forwardOnly });
const push = (p: Program) => p.push(x, SAMPLES);
async function beginAndPush(p: Program, forwardOnly = false): Promise<void> {
  begin(p, forwardOnly);
  await push(p);
}
/** Begins, pushes, and calls `meanwhile`, the push under way. */
function busy(p: Program, meanwhile: () => void = () => {}): Busy {
  begin(p);
  const running = settle(push(p));
  meanwhile();
  return { running };
}

/** Brings a program into a state; says so where a call is under way. */
const STATES: Record<string, (program: Program) => Promise<unknown>> = {
  fresh: async () => {},
  begun: async (p) => begin(p),
  'begun, f alone': async (p) => begin(p, true),
  pushing: async (p) => busy(p),
  pushed: (p) => beginAndPush(p),
  'pushed, f alone': (p) => beginAndPush(p, true),
  finishing: async (p) => {
    await beginAndPush(p);
    return { running: settle(p.finish()) };
  },
  finished: async (p) => {
    await beginAndPush(p);
    await p.finish();
  },
  aborting: async (p) => busy(p, () => p.abort()),
  aborted: async (p) => {
    expect(await busy(p, () => p.abort()).running).toBe('ERR_ABORTED');
  },
  failed: async (p) => {
    await beginAndPush(p);
    expect(await settle(p.push(tooLarge, SAMPLES))).toBe('ERR_NUMERIC');
  },
  'pushed, then masked': async (p) => {
    await beginAndPush(p);
    p.setMasks(masks);
  },
  disposed: async (p) => {
    await beginAndPush(p);
    p.dispose();
  },
  'disposed at work': async (p) => busy(p, () => p.dispose()),
  'disposed at work, settled': async (p) => {
    expect(await busy(p, () => p.dispose()).running).toBe('ERR_ABORTED');
  },
};

const METHODS: Record<string, (program: Program) => unknown> = {
  setMasks: (p) => p.setMasks(masks),
  begin: (p) => p.begin(),
  push: (p) => p.push(x, SAMPLES),
  finish: (p) => p.finish(),
  abort: (p) => p.abort(),
  memory: (p) => p.memory(),
  dispose: (p) => p.dispose(),
};

/** o: works, S: ERR_STATE. One column per method, in the order above. */
const EXPECTED: Record<string, string> = {
  fresh: 'o o S S o o o',
  begun: 'o o o S o o o',
  'begun, f alone': 'o o o S o o o',
  pushing: 'S S S S o o o',
  pushed: 'o o o o o o o',
  'pushed, f alone': 'o o o o o o o',
  finishing: 'S S S S o o o',
  finished: 'o o S S o o o',
  aborting: 'S S S S o o o',
  aborted: 'o o S S o o o',
  failed: 'o o S S o o o',
  'pushed, then masked': 'o o S S o o o',
  disposed: 'S S S S o o o',
  'disposed at work': 'S S S S o o o',
  'disposed at work, settled': 'S S S S o o o',
};

/** What a call under way may come to, by the method that was called meanwhile: one that is stopped may have been done just before. */
function outcomesOf(state: string, method: string): Code[] {
  const stopped = state === 'aborting' || state.startsWith('disposed');
  return stopped || method === 'abort' || method === 'dispose' ? ['ERR_ABORTED', 'ok'] : ['ok'];
}

async function fullRound(program: Program): Promise<RoundResult> {
  program.begin();
  await program.push(x, SAMPLES);
  return program.finish();
}

describe.each<Method>(['px', 'px-joint'])('a program of method %s', (method) => {
  const compile = () => cpuBackend().compile(net.plan, net.weights, { method, norm: 'batch', threads: 2 });
  const cells = Object.keys(STATES).flatMap((state) =>
    Object.keys(METHODS).map((name, i) => [state, name, EXPECTED[state]!.split(' ')[i] === 'o'] as const),
  );
  let expected: RoundResult | undefined;

  it.each(cells)('%s: %s', async (state, name, works) => {
    if (!expected) {
      const reference = await compile();
      expected = await fullRound(reference);
      reference.dispose();
    }
    const program = await compile();
    const { running } = ((await STATES[state]!(program)) ?? {}) as Partial<Busy>;
    expect(await attempt(() => METHODS[name]!(program))).toBe(works ? 'ok' : 'ERR_STATE');
    if (running) expect(outcomesOf(state, name)).toContain(await running);

    if (state.startsWith('disposed') || name === 'dispose') {
      expect(program.memory().current).toBe(0);
      expect(program.memory().peak).toBeGreaterThanOrEqual(0);
    } else {
      // Whatever happened: the next round is as good as any.
      expect(await fullRound(program)).toEqual(expected);
      program.dispose();
    }
    program.dispose();
  });
});

describe('a program', () => {
  const compile = () =>
    cpuBackend().compile(net.plan, net.weights, { method: 'px', norm: 'batch', threads: 2 });

  it('sets all masks or none', async () => {
    const program = await compile();
    const before = await fullRound(program);
    const emptied = masks.map((mask) => new Uint8Array(mask.length));
    expect(() => program.setMasks([...emptied.slice(0, -1), new Uint8Array(1)])).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringContaining("'w4'") }),
    );
    expect(() => program.setMasks([...emptied.slice(0, -1), [] as unknown as Uint8Array])).toThrow(/w4/);
    expect(await fullRound(program)).toEqual(before);
    program.dispose();
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 40])('refuses %s samples', async (samples) => {
    const program = await compile();
    program.begin({ outputs: true });
    expect(await settle(program.push(x, samples))).toBe('ERR_OPTION');
    expect(await settle(program.push(x, SAMPLES))).toBe('ok');
    program.dispose();
  });

  it('says how much memory there was at most, also once it is disposed', async () => {
    const program = await compile();
    await fullRound(program);
    const { peak } = program.memory();
    expect(peak).toBeGreaterThan(x.byteLength);
    program.dispose();
    expect(program.memory()).toEqual({ current: 0, peak });
  });
});
