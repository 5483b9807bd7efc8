import type { Bins, Histograms } from './protocol.js';

const BINS = 60;
/** Below this share of R a score is rounding. */
const LEAST = -30;

/** Histograms of scores before (and after), on one axis for all tensors. */
export function histograms(
  before: readonly Float32Array[],
  after: readonly Float32Array[] | undefined,
): Histograms {
  const [low, high] = range([...before, ...(after ?? [])]);
  const step = Math.max((high - low) / BINS, 1e-6);
  const of = (scores: readonly Float32Array[]) => scores.map((values) => count(values, low, step));
  return { start: low, step, before: of(before), ...(after && { after: of(after) }) };
}

/** log10 of the smallest and largest positive score; [−1, 0] where there is none. */
function range(all: readonly Float32Array[]): [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const values of all) {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value > 0 && value < least) least = value;
      if (value > most) most = value;
    }
  }
  if (most === 0) return [-1, 0];
  const high = Math.log10(most);
  return [Math.max(Math.log10(least), high + LEAST), high];
}

function count(values: Float32Array, low: number, step: number): Bins {
  const counts = new Array<number>(BINS).fill(0);
  let zeros = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === 0) zeros++;
    else counts[Math.min(BINS - 1, Math.max(0, Math.floor((Math.log10(value) - low) / step)))]!++;
  }
  return { counts, zeros };
}
