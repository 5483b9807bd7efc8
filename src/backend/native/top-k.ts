import { availableParallelism } from 'node:os';
import { findAddon, type NativeAddon } from './addon.js';
import { abortable, guard } from './translate.js';

export interface TopK {
  readonly scores: readonly Float32Array[];
  /** Packed masks, one per tensor of scores; so is what comes back. */
  readonly alive: readonly Uint8Array[];
  readonly k: number;
  readonly floor: number;
  /** Default: as many as there are processors. Their number changes nothing. */
  readonly threads?: number | undefined;
}

/**
 * The addon's exact global top-k (native/select/top_k.h). Undefined where there is no addon, and where it finds no selection,
 * because k, the floor or a score is not what it must be: then the definition in TypeScript has the last word.
 */
export function nativeTopK(problem: TopK): Uint8Array[] | undefined {
  const addon = findAddon();
  if (addon === undefined || !isWhole(problem)) return undefined;
  const [kept, args] = prepare(problem);
  return guard(() => addon.selectTopK(...args)) ? kept : undefined;
}

/**
 * `nativeTopK` off the event loop; the arrays are borrowed until the promise settles.
 *
 * @throws PxError ERR_ABORTED soon after the signal fires, ERR_STATE where an array was taken away meanwhile
 */
export async function nativeTopKAsync(
  problem: TopK,
  signal: AbortSignal | undefined,
): Promise<Uint8Array[] | undefined> {
  const addon = findAddon();
  if (addon === undefined || !isWhole(problem)) return undefined;
  const [kept, args] = prepare(problem);
  return (await abortable(() => addon.selectTopKAsync(...args), signal)) ? kept : undefined;
}

function isWhole({ k, floor }: TopK): boolean {
  return [k, floor].every((count) => Number.isSafeInteger(count) && count >= 0);
}

function prepare({
  scores,
  alive,
  k,
  floor,
  threads,
}: TopK): [Uint8Array[], Parameters<NativeAddon['selectTopK']>] {
  const kept = alive.map((mask) => new Uint8Array(mask.length));
  return [kept, [scores, alive, kept, k, floor, threads ?? availableParallelism()]];
}
