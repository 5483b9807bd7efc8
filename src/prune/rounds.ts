import type { Log2Scalars, Program, RoundResult } from '../backend/backend.js';
import { type MicroBatch, type RoundControl, scoreRound } from './round.js';
import type { Select } from './select-options.js';
import { selectPlainlyAsync } from './select-plainly.js';

/** What one round did. `log2` belongs to the masks the round scored, `kept` to those it left. */
export interface RoundRecord {
  readonly round: number;
  /** Weights kept over all tensors that take part. */
  readonly kept: number;
  readonly log2: Log2Scalars;
  readonly seconds: number;
}

/** Everything that the next round depends on. */
export interface PruneState {
  readonly masks: readonly Uint8Array[];
  /** The newest masks that are known to leave R above 0; absent until one round has been scored. */
  readonly lastGood?: readonly Uint8Array[] | undefined;
  readonly rounds: readonly RoundRecord[];
}

export interface RoundsOptions {
  readonly program: Program;
  /** The data from its beginning, once per call. */
  readonly batches: () => Iterable<MicroBatch> | AsyncIterable<MicroBatch>;
  /** Weights to keep after each round (schedule.ts). */
  readonly schedule: readonly number[];
  readonly names: readonly string[];
  readonly takesPart: readonly boolean[];
  /** Default: the definition, in TypeScript. All selections give the same masks. */
  readonly select?: Select | undefined;
  readonly floor: number;
  /** Called after each round with the state to go on from. */
  readonly onRound?: (state: PruneState) => void;
  /**
   * Keeps the state after each round. The next round is scored meanwhile, so that a disk that is slow to flush costs nothing, but selects
   * only once this has settled; nothing returns or throws before it has.
   */
  readonly save?: ((state: PruneState) => Promise<void>) | undefined;
  readonly onMicroBatch?: (round: number, done: number) => void;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RoundsOutcome {
  readonly state: PruneState;
  /** True where R came out 0: `state.masks` cut the network, `state.lastGood` are the last that do not. */
  readonly cut: boolean;
  /** The final scoring, of `state.masks`. */
  readonly final: RoundResult;
  readonly finalSeconds: number;
}

/**
 * The pruning rounds from `start` to the end of the schedule, then one more scoring of the final masks: only a score tells
 * whether the last selection cut the network.
 */
export async function runRounds(start: PruneState, options: RoundsOptions): Promise<RoundsOutcome> {
  const { program, schedule, names, takesPart, floor, threads, signal } = options;
  const select = options.select ?? selectPlainlyAsync;
  let state = start;
  let saved = Promise.resolve();
  let spare: readonly Float32Array[] | undefined;
  try {
    for (let round = state.rounds.length + 1; ; round++) {
      const began = performance.now();
      program.setMasks(state.masks);
      const control: RoundControl = {
        signal,
        onMicroBatch: (done) => options.onMicroBatch?.(round, done),
        scores: spare,
      };
      const result = await scoreRound(program, options.batches(), control);
      await saved;
      const { scores, log2 } = result;
      const cut = log2.R === Number.NEGATIVE_INFINITY;
      if (cut || round > schedule.length) {
        return { state, cut, final: result, finalSeconds: (performance.now() - began) / 1000 };
      }

      const kept = schedule[round - 1]!;
      const competition = { names, takesPart, floor, threads, signal };
      const masks = await select(scores, state.masks, kept, competition);
      spare = scores;
      const seconds = (performance.now() - began) / 1000;
      state = { masks, lastGood: state.masks, rounds: [...state.rounds, { round, kept, log2, seconds }] };
      saved = options.save?.(state) ?? saved;
      saved.catch(() => undefined); // noticed where it is awaited
      options.onRound?.(state);
    }
  } finally {
    await saved.catch(() => undefined);
  }
}
