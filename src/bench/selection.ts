import { PxError } from '../errors.js';
import { uniformSource } from '../models/random.js';
import { countKept, fullMask } from '../prune/masks.js';
import { selectTopKAsync } from '../prune/select.js';
import { inTurns, measure, type Sample } from './sampling.js';

export interface SelectionOptions {
  /** Sizes of the tensors that compete. */
  readonly sizes: readonly number[];
  /** Share of the weights kept. */
  readonly density: number;
  readonly threads: number;
  readonly repeats: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Exact global top-k with its masks. */
export interface SelectionTiming {
  readonly weights: number;
  readonly kept: number;
  readonly threads: number;
  readonly samples: readonly Sample[];
}

/** Measures the selection of a run's first round: all weights alive, scores spread over twenty powers of two. */
export async function timeSelection(options: SelectionOptions): Promise<SelectionTiming> {
  const { sizes, density, threads, repeats, seed, signal } = options;
  const weights = sizes.reduce((sum, size) => sum + size, 0);
  const kept = Math.ceil(weights * density);
  const scores = randomScores(sizes, seed);
  const alive = sizes.map(fullMask);
  let masks: readonly Uint8Array[] = [];
  const select = () =>
    measure(async () => {
      masks = await selectTopKAsync(scores, alive, kept, { threads, signal });
    });
  await select();
  const samples = (await inTurns([select], repeats, signal))[0]!;
  const found = masks.reduce((sum, mask) => sum + countKept(mask), 0);
  if (found !== kept)
    throw new PxError('ERR_BACKEND', `selection kept ${found} of ${weights} weights instead of ${kept}`);
  return { weights, kept, threads, samples };
}

function randomScores(sizes: readonly number[], seed: number): Float32Array[] {
  const uniform = uniformSource(seed);
  return sizes.map((size) => {
    const scores = new Float32Array(size);
    for (let i = 0; i < size; i++) scores[i] = 2 ** (-20 * uniform());
    return scores;
  });
}

/** So many weights in tensors as large as networks have them. */
export function tensorSizes(weights: number): number[] {
  const LARGEST = 2 ** 21;
  const full = Math.floor(weights / LARGEST);
  const rest = weights % LARGEST;
  return [...Array.from({ length: full }, () => LARGEST), ...(rest > 0 ? [rest] : [])];
}
