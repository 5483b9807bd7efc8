/**
 * A short run over every reader, the same every time (set PX_FUZZ_SEED for another): reading succeeds, or fails with a PxError that
 * fits. `npm run fuzz -- --inputs N` is the long one, with a new seed every time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { drive, newTally } from './drive.js';
import { allReaders } from './readers.js';

const seed = Number(process.env.PX_FUZZ_SEED ?? 1);
/** Inputs for a reader of weight 1. */
const SHARE = 60;

const scratch = mkdtempSync(join(tmpdir(), 'px-fuzz-'));
const readers = await allReaders(scratch);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe(`hostile files (PX_FUZZ_SEED=${seed})`, () => {
  it.each(readers)('$name: read or refused, never worse', async (reader) => {
    const tally = newTally();
    const inputs = Math.round(SHARE * reader.weight);
    await drive(reader, { seed, inputs }, tally);
    // Some get through and some do not, or nothing was tested.
    expect(tally.outcomes.size).toBeGreaterThan(1);
    expect([...tally.outcomes.values()].reduce((sum, count) => sum + count, 0)).toBe(inputs);
  });
});
