/**
 * Shrinking in TypeScript, for where there is no libvips, by its recipe: whole factors of 2 and more by averaging boxes, what is left
 * by a triangle as wide as the scale; rows first, rounded to whole values after each step.
 */
import type { Shrink } from './enlarge.js';
import { emptyPixels, type Pixels } from './pixels.js';

/** The triangle takes over where less than this factor is left, so that its ends do not alias. */
const GAP = 2;

/** Makes pixels smaller; neither `height` nor `width` exceeds theirs. Within 3 of 255 of what libvips makes. */
export const shrinkPlainly: Shrink = (pixels, height, width) => {
  const boxY = Math.max(1, Math.floor(pixels.height / (height * GAP)));
  const boxX = Math.max(1, Math.floor(pixels.width / (width * GAP)));
  const coarse = alongX(alongY(pixels, box(pixels.height, boxY)), box(pixels.width, boxX));
  const rows = triangle(coarse.height, height, pixels.height / boxY / height);
  const columns = triangle(coarse.width, width, pixels.width / boxX / width);
  return alongX(alongY(coarse, rows), columns);
};

/** One output pixel along an axis: the first input pixel it reads, and the weights of it and those that follow. */
interface Tap {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Averages of `factor` neighbours; the last one repeats the edge where they do not come out even. Undefined: nothing to do. */
function box(size: number, factor: number): Tap[] | undefined {
  if (factor === 1) return undefined;
  return Array.from({ length: Math.ceil(size / factor) }, (_, i) => {
    const first = i * factor;
    const count = Math.min(factor, size - first);
    const weights = new Array<number>(count).fill(1 / factor);
    weights[count - 1]! += (factor - count) / factor;
    return { first, weights };
  });
}

/** Weights 1 − |distance| / scale around each output pixel's centre, in input pixels; beyond the edge, the edge. */
function triangle(size: number, count: number, scale: number): Tap[] | undefined {
  if (size === count && scale === 1) return undefined;
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale - 0.5;
    const from = Math.ceil(centre - scale);
    const to = Math.floor(centre + scale);
    const first = Math.max(0, from);
    const weights = new Array<number>(Math.min(size - 1, to) - first + 1).fill(0);
    let sum = 0;
    for (let at = from; at <= to; at++) {
      const weight = Math.max(0, 1 - Math.abs(at - centre) / scale);
      weights[Math.min(Math.max(at, 0), size - 1) - first]! += weight;
      sum += weight;
    }
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function alongY(pixels: Pixels, taps: readonly Tap[] | undefined): Pixels {
  if (taps === undefined) return pixels;
  const { width, channels, data } = pixels;
  const out = emptyPixels(pixels, taps.length, width, channels);
  const stride = width * channels;
  const line = new Float64Array(stride);
  for (const [y, { first, weights }] of taps.entries()) {
    line.fill(0);
    for (const [k, weight] of weights.entries()) {
      const from = (first + k) * stride;
      for (let i = 0; i < stride; i++) line[i]! += weight * data[from + i]!;
    }
    for (let i = 0; i < stride; i++) out.data[y * stride + i] = Math.round(line[i]!);
  }
  return out;
}

function alongX(pixels: Pixels, taps: readonly Tap[] | undefined): Pixels {
  if (taps === undefined) return pixels;
  const { height, width, channels, data } = pixels;
  const out = emptyPixels(pixels, height, taps.length, channels);
  for (let y = 0; y < height; y++) {
    const from = y * width * channels;
    const to = y * taps.length * channels;
    for (const [x, { first, weights }] of taps.entries()) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++)
          sum += weights[k]! * data[from + (first + k) * channels + c]!;
        out.data[to + x * channels + c] = Math.round(sum);
      }
    }
  }
  return out;
}
