import { PxError } from '../errors.js';
import { inPieces } from '../pieces.js';
import { clearPadding, countKept } from './masks.js';
import { type Candidate, findThreshold, floatBits, keepAbove } from './radix.js';
import { checkLengths, type Select, type SelectOptions } from './select-options.js';

/**
 * `selectTopK` in plain TypeScript: the definition that the native code (native/select) is compared with, what says why there is no
 * selection, and what selects where no addon is.
 *
 * @throws PxError as selectTopK, where lengths fit
 */
export function* selectPlainly(
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  options: SelectOptions,
): Generator<undefined, Uint8Array[]> {
  const all = scores.map((s, t): Candidate => {
    const mask = alive[t]!.slice();
    clearPadding(mask, s.length);
    return { name: options.names?.[t] ?? `#${t}`, bits: floatBits(s), alive: mask };
  });
  const candidates = all.filter((_, t) => options.takesPart?.[t] ?? true);
  const total = candidates.reduce((sum, candidate) => sum + countKept(candidate.alive), 0);
  if (!Number.isInteger(k) || k < 0 || k > total) {
    throw new PxError(
      'ERR_OPTION',
      `cannot keep ${k} weights: it must be a whole number from 0 to the ${total} weights alive`,
    );
  }
  const selected = candidates.map((candidate) => new Uint8Array(candidate.alive.length));
  const rest = yield* keepFloor(candidates, selected, k, options.floor ?? 0);
  yield* keepTop(rest.candidates, rest.k, selected);
  return all.map((tensor) => selected[candidates.indexOf(tensor)] ?? tensor.alive);
}

/** In pieces, so that timers and messages get through. @throws PxError as selectTopKAsync */
export const selectPlainlyAsync: Select = async (scores, alive, k, options) => {
  checkLengths(scores, alive);
  return inPieces(selectPlainly(scores, alive, k, options), options.signal);
};

/** Forces each tensor's best into `masks`; what is left of the candidates and of k competes globally. */
function* keepFloor(
  candidates: readonly Candidate[],
  masks: readonly Uint8Array[],
  k: number,
  floor: number,
): Generator<undefined, { candidates: readonly Candidate[]; k: number }> {
  if (!Number.isInteger(floor) || floor < 0) {
    throw new PxError('ERR_OPTION', `floor is ${floor}: it must be a whole number of weights, 0 or more`);
  }
  if (floor === 0) return { candidates, k };
  const counts = candidates.map((c) => Math.min(floor, countKept(c.alive)));
  const forced = counts.reduce((sum, count) => sum + count, 0);
  if (forced > k) {
    throw new PxError(
      'ERR_OPTION',
      `a floor of ${floor} weights in each of ${candidates.length} tensors needs ${forced} weights, but only ${k} are kept: ` +
        'lower the floor or raise the density',
    );
  }
  const remaining: Candidate[] = [];
  for (const [t, candidate] of candidates.entries()) {
    yield* keepTop([candidate], counts[t]!, [masks[t]!]);
    remaining.push({ ...candidate, alive: without(candidate.alive, masks[t]!) });
  }
  return { candidates: remaining, k: k - forced };
}

/** The bits of `mask` that `removed` lacks. */
function without(mask: Uint8Array, removed: Uint8Array): Uint8Array {
  const rest = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i++) rest[i] = mask[i]! & ~removed[i]!;
  return rest;
}

/** Adds the k best of the candidates to their masks. */
function* keepTop(
  candidates: readonly Candidate[],
  k: number,
  masks: readonly Uint8Array[],
): Generator<undefined, void> {
  const threshold = yield* findThreshold(candidates, k);
  let ties = threshold.ties;
  for (const [t, candidate] of candidates.entries()) {
    ties = yield* keepAbove(candidate, threshold, ties, masks[t]!);
  }
}
