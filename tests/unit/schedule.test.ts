import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { keepCount, keepSchedule } from '../../src/prune/schedule.js';

describe('keep schedule', () => {
  it('agrees with the golden run in every one of 100 rounds', async () => {
    const url = new URL('../golden/resnet20-cifar-pruned/expected.json', import.meta.url);
    const golden = JSON.parse(await readFile(url, 'utf8'));
    const expected = golden.px.schedule.map((round: { keep: number }) => round.keep);
    expect(expected).toHaveLength(100);
    expect(keepSchedule(270896, golden.density, golden.rounds)).toEqual(expected);
  });

  it('is not fooled by the rounding of an exact power', () => {
    expect(keepSchedule(1024, 1 / 1024, 10)).toEqual([512, 256, 128, 64, 32, 16, 8, 4, 2, 1]);
    expect(keepCount(1000, 0.1, 1, 1)).toBe(100);
    expect(keepCount(1_000_000, 1e-6, 6, 6)).toBe(1);
  });

  it('keeps k where the density is k/n, for every k', () => {
    for (let k = 1; k <= 997; k++) expect(keepCount(997, k / 997, 1, 1)).toBe(k);
  });

  it('keeps everything at density 1 and at least one weight always', () => {
    expect(keepSchedule(77, 1, 5)).toEqual([77, 77, 77, 77, 77]);
    expect(keepSchedule(5, 1e-9, 3).at(-1)).toBe(1);
    expect(keepSchedule(1, 0.5, 3)).toEqual([1, 1, 1]);
  });

  it('goes on geometrically from the density of given masks', () => {
    expect(keepSchedule(1024, 1 / 64, 4, 256)).toEqual([128, 64, 32, 16]);
    const schedule = keepSchedule(270896, 0.018, 60, 200000);
    expect(schedule.every((keep, i) => keep <= (schedule[i - 1] ?? 200000))).toBe(true);
    expect(schedule.at(-1)).toBe(4877);
  });
});
