import { nativeTopK, nativeTopKAsync, type TopK } from '../backend/native/top-k.js';
import { atOnce, inPieces } from '../pieces.js';
import { clearPadding } from './masks.js';
import { throwIfAborted } from './round.js';
import { checkLengths, type SelectInBackground, type SelectOptions } from './select-options.js';
import { selectPlainly } from './select-plainly.js';

export type { SelectInBackground, SelectOptions } from './select-options.js';

/**
 * Exact global top-k: the `k` alive weights with the largest scores over all tensors, ties to the lower (tensor order, flat
 * index). A weight that is not alive never returns and its score is not looked at.
 *
 * With a floor, each tensor's min(floor, alive) best are kept first; the rest of `k` is the global top of what remains.
 * Native code does the work where the addon is there; the result is the same without.
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
  checkLengths(scores, alive);
  const kept = nativeTopK(competing(scores, alive, k, options));
  if (kept === undefined) return atOnce(selectPlainly(scores, alive, k, options));
  return withTheOthers(kept, scores, alive, options);
}

/**
 * `selectTopK` that leaves the event loop free meanwhile. Scores and masks are borrowed until the promise settles.
 *
 * @throws PxError also ERR_ABORTED, and ERR_STATE where an array was taken away meanwhile
 */
export async function selectTopKAsync(
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  options: SelectInBackground,
): Promise<Uint8Array[]> {
  const { signal } = options;
  throwIfAborted(signal);
  checkLengths(scores, alive);
  const kept = await nativeTopKAsync(competing(scores, alive, k, options), signal);
  throwIfAborted(signal);
  if (kept === undefined) return inPieces(selectPlainly(scores, alive, k, options), signal);
  return withTheOthers(kept, scores, alive, options);
}

/** The tensors that take part. */
function competing(
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  { takesPart, floor = 0, threads }: SelectInBackground,
): TopK {
  const competes = (_: unknown, t: number) => takesPart?.[t] ?? true;
  return { scores: scores.filter(competes), alive: alive.filter(competes), k, floor, threads };
}

/** Puts copies of the masks that did not take part in their places. */
function withTheOthers(
  kept: readonly Uint8Array[],
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  { takesPart }: SelectOptions,
): Uint8Array[] {
  let next = 0;
  return alive.map((mask, t) => {
    if (takesPart?.[t] ?? true) return kept[next++]!;
    const copy = mask.slice();
    clearPadding(copy, scores[t]!.length);
    return copy;
  });
}
