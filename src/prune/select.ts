import { PxError } from '../errors.js';
import { atOnce, inPieces } from '../pieces.js';
import { clearPadding, countKept, maskBytes } from './masks.js';
import { type Candidate, findThreshold, floatBits, keepAbove } from './radix.js';

export interface SelectOptions {
  /** Tensor names for messages; default `#0`, `#1` … */
  readonly names?: readonly string[];
  /** false: the tensor stays as it is and counts for nothing (excluded, gate-only). Default: all take part. */
  readonly takesPart?: readonly boolean[];
  /** Every tensor that takes part keeps at least its min(floor, alive) best weights. Default 0. */
  readonly floor?: number;
}

/**
 * Exact global top-k: the `k` alive weights with the largest scores over all tensors, ties to the lower (tensor order, flat
 * index). A weight that is not alive never returns and its score is not looked at.
 *
 * With a floor, each tensor's min(floor, alive) best are kept first; the rest of `k` is the global top of what remains.
 *
 * @param scores one array per tensor, finite and ≥ 0 where alive
 * @param alive packed masks (masks.ts), one per tensor, not modified
 * @param k how many weights the tensors that take part keep together, 0 ≤ k ≤ number alive
 * @returns new packed masks; those of tensors that take no part are copies
 * @throws PxError ERR_NUMERIC (NaN, infinite or negative score), ERR_OPTION (k or floor out of range, lengths that differ)
 */
export function selectTopK(
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  options: SelectOptions = {},
): Uint8Array[] {
  return atOnce(selecting(scores, alive, k, options));
}

/** `selectTopK` that lets timers and signals through meanwhile. @throws PxError also ERR_ABORTED */
export function selectTopKInPieces(
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  options: SelectOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Uint8Array[]> {
  return inPieces(selecting(scores, alive, k, options), options.signal);
}

function* selecting(
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  options: SelectOptions,
): Generator<undefined, Uint8Array[]> {
  checkLengths(scores, alive);
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

function checkLengths(scores: readonly Float32Array[], alive: readonly Uint8Array[]): void {
  if (scores.length !== alive.length) {
    throw new PxError(
      'ERR_OPTION',
      `${scores.length} score tensors but ${alive.length} masks: pass one mask per tensor`,
    );
  }
  scores.forEach((s, t) => {
    if (alive[t]!.length !== maskBytes(s.length)) {
      throw new PxError(
        'ERR_OPTION',
        `mask #${t} has ${alive[t]!.length} bytes, but ${s.length} weights take ${maskBytes(s.length)}: pack it with packMask`,
      );
    }
  });
}
