import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from '../../src/prune/checkpoint.js';
import type { Configuration } from '../../src/prune/configuration.js';
import { countKept, fullMask } from '../../src/prune/masks.js';
import { type PruneState, type RoundsOptions, runRounds } from '../../src/prune/rounds.js';
import { keepSchedule } from '../../src/prune/schedule.js';
import { denseModel } from '../support/dense-model.js';
import { FakeBackend } from '../support/fake-backend.js';
import { memoryData } from '../support/memory-data.js';

const model = denseModel([
  ['a', 13, 5],
  ['gate', 13, 13, true],
  ['b', 7, 13],
  ['c', 3, 7],
]);
const { params } = model.plan;
const n = params.reduce((sum, param) => sum + (param.gateOnly ? 0 : param.size), 0);
const start: PruneState = { masks: params.map((param) => fullMask(param.size)), rounds: [] };

async function run(from: PruneState, options: Partial<RoundsOptions> & { backend?: FakeBackend } = {}) {
  const backend = options.backend ?? new FakeBackend();
  const program = await backend.compile(model.plan, model.weights, { method: 'px', norm: 'batch' });
  const data = memoryData(5, 5);
  return runRounds(from, {
    program,
    schedule: keepSchedule(n, 0.1, 12),
    names: params.map((param) => param.name),
    takesPart: params.map((param) => !param.gateOnly),
    floor: 1,
    batches: async function* () {
      for await (const x of data.batches([3, 2])) yield { x, samples: x.length / 5 };
    },
    ...options,
  });
}

/** Scalars and counts without the clock. */
const facts = (state: PruneState) => state.rounds.map(({ round, kept, log2 }) => ({ round, kept, log2 }));

describe('pruning rounds', () => {
  it('keeps exactly the scheduled count in every round, and only weights that were alive', async () => {
    const states: PruneState[] = [];
    const { state, cut, final } = await run(start, { onRound: (s) => void states.push(s) });
    expect(cut).toBe(false);
    expect(state.rounds.map((round) => round.kept)).toEqual(keepSchedule(n, 0.1, 12));
    expect(final.log2.R).toBeGreaterThan(0);
    expect(countKept(state.masks[1]!)).toBe(params[1]!.size);
    states.forEach((s, i) => {
      const before = (states[i - 1] ?? start).masks;
      s.masks.forEach((mask, t) => mask.forEach((byte, b) => expect(byte & ~before[t]![b]!).toBe(0)));
      expect(s.lastGood).toEqual(before);
      const counts = s.masks.map((mask, t) => (params[t]!.gateOnly ? 0 : countKept(mask)));
      expect(counts.reduce((a, b) => a + b)).toBe(s.rounds.at(-1)!.kept);
    });
  });

  it('goes on from any round to the same end', async () => {
    const states: PruneState[] = [];
    const { state: end, final } = await run(start, { onRound: (s) => void states.push(s) });
    expect(states).toHaveLength(12);
    for (const state of states) {
      const resumed = await run(state);
      expect(resumed.state.masks).toEqual(end.masks);
      expect(facts(resumed.state)).toEqual(facts(end));
      expect(resumed.final).toEqual(final);
    }
  });

  it('stops where the network is cut, with the masks before', async () => {
    const { state, cut } = await run(start, { floor: 0, schedule: [100, 50, 2, 1] });
    expect(cut).toBe(true);
    expect(state.rounds).toHaveLength(3);
    expect(state.masks.some((mask, t) => !params[t]!.gateOnly && countKept(mask) === 0)).toBe(true);
    expect(state.lastGood!.every((mask) => countKept(mask) > 0)).toBe(true);
  });

  it('notices a cut by the very last round', async () => {
    const { state, cut } = await run(start, { floor: 0, schedule: [2] });
    expect(cut).toBe(true);
    expect(state.lastGood).toEqual(start.masks);
  });

  it('stops on an abort signal, before and during a round', async () => {
    const aborted = expect.objectContaining({ code: 'ERR_ABORTED' });
    await expect(run(start, { signal: AbortSignal.abort() })).rejects.toEqual(aborted);
    const controller = new AbortController();
    const backend = new FakeBackend();
    backend.beforeFinish = (round) => {
      if (round === 3) controller.abort();
    };
    await expect(run(start, { signal: controller.signal, backend })).rejects.toEqual(aborted);
    expect(backend.rounds).toBe(3);
  });
});

describe('saving', () => {
  it('goes on while the next round is scored, and is over before that selects', async () => {
    const backend = new FakeBackend();
    const events: string[] = [];
    await run(start, {
      backend,
      schedule: [150, 100, 50],
      onRound: ({ rounds }) => void events.push(`selected ${rounds.length}`),
      save: async ({ rounds }) => {
        const { length } = rounds;
        // Settles only once the next round has been scored: a run that waited for it first would never end.
        while (backend.rounds === length) await new Promise((resolve) => setImmediate(resolve));
        await new Promise((resolve) => setTimeout(resolve, 20));
        events.push(`saved ${length}`);
      },
    });
    const rounds = [1, 2, 3].flatMap((round) => [`selected ${round}`, `saved ${round}`]);
    expect(events).toEqual(rounds);
  });

  it('that fails ends the run with its error', async () => {
    const failing = { save: () => Promise.reject(new Error('disk full')) };
    await expect(run(start, failing)).rejects.toThrow('disk full');
    await expect(run(start, { ...failing, schedule: [150] })).rejects.toThrow('disk full');
  });

  it('is over before a failure is told, whose error counts', async () => {
    const controller = new AbortController();
    let saved = 0;
    const save = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      saved++;
      throw new Error('disk full');
    };
    const stopping = { signal: controller.signal, save, onRound: () => controller.abort() };
    await expect(run(start, stopping)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(saved).toBe(1);
    const throwing = () => {
      throw new Error('from a callback');
    };
    await expect(run(start, { save, onRound: throwing })).rejects.toThrow('from a callback');
    expect(saved).toBe(2);
  });
});

describe('checkpoint', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'px-checkpoint-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const configuration = { version: '1', method: 'px', density: 0.1, only: ['a'] } as unknown as Configuration;

  it('reads back what was written, and nothing once removed', async () => {
    const states: PruneState[] = [];
    await run(start, { onRound: (s) => void states.push(s) });
    await writeCheckpoint(folder, configuration, states[4]!);
    await writeCheckpoint(folder, configuration, states[5]!);
    expect(await readCheckpoint(folder, params, configuration)).toEqual(states[5]);
    await removeCheckpoint(folder);
    expect(await readCheckpoint(folder, params, configuration)).toBeUndefined();
  });

  it('refuses to go on with another configuration, naming what differs', async () => {
    await writeCheckpoint(folder, configuration, start);
    await expect(
      readCheckpoint(folder, params, { ...configuration, density: 0.2, only: null }),
    ).rejects.toEqual(
      expect.objectContaining({
        code: 'ERR_MISMATCH',
        message: expect.stringMatching(/density was 0\.1 and is now 0\.2; only was \["a"\] and is now null/),
      }),
    );
  });

  it('refuses a damaged file', async () => {
    await writeFile(join(folder, 'checkpoint.safetensors'), 'not safetensors at all');
    await expect(readCheckpoint(folder, params, configuration)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_FILE' }),
    );
  });
});
