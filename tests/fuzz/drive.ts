/** Runs a reader on many inputs and counts what comes of them. */
import fc from 'fast-check';
import { PxError } from '../../src/errors.js';
import type { Reader } from './readers.js';

/** The longest any one of these (small) inputs may take. */
export const MAX_MILLISECONDS = 5000;
/** Messages are read by people, in a terminal. */
const MAX_MESSAGE = 100_000;

export interface Tally {
  /** Inputs by what came of them: 'read', or the error's code. */
  readonly outcomes: Map<string, number>;
  slowestMs: number;
}

export interface DriveOptions {
  readonly seed: number;
  readonly inputs: number;
  /** Told of every input before it is read, so that one that never ends is known. */
  readonly onInput?: (bytes: Uint8Array) => void;
}

/**
 * Generates `inputs` inputs from a seed and reads each. Throws what fast-check found: the seed, and the smallest input at which the
 * reader threw something other than a PxError with one of its codes, or took too long.
 */
export async function drive(
  reader: Reader,
  { seed, inputs, onInput }: DriveOptions,
  tally: Tally,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(reader.input, async (bytes) => {
      onInput?.(bytes);
      const start = performance.now();
      const outcome = await outcomeOf(reader, bytes);
      const ms = performance.now() - start;
      tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
      tally.slowestMs = Math.max(tally.slowestMs, ms);
      if (ms > MAX_MILLISECONDS)
        throw new Error(`${reader.name}: one input of ${bytes.length} bytes took ${Math.round(ms)} ms`);
    }),
    { seed, numRuns: inputs, endOnFailure: false },
  );
}

async function outcomeOf(reader: Reader, bytes: Uint8Array): Promise<string> {
  try {
    await reader.read(bytes);
    return 'read';
  } catch (error) {
    if (!(error instanceof PxError)) throw error;
    if (!reader.codes.includes(error.code))
      throw new Error(`${reader.name}: ${error.code} is not expected here: ${error.message}`, {
        cause: error,
      });
    if (error.message.length > MAX_MESSAGE)
      throw new Error(`${reader.name}: a message of ${error.message.length} characters`);
    return error.code;
  }
}

export function newTally(): Tally {
  return { outcomes: new Map(), slowestMs: 0 };
}
