/** What shrinking leaves to do: enlarging and cropping, pixel centres aligned as in the training libraries. */
import type { Placement } from './geometry.js';
import { emptyPixels, type Pixels } from './pixels.js';
import type { Preprocessing } from './preprocess.js';

/** Makes pixels smaller along one or both axes, antialiased. */
export type Shrink = (pixels: Pixels, height: number, width: number) => Pixels | Promise<Pixels>;

/** Pixels of the input's size; those that have it already pass through. */
export async function fitWith(
  shrink: Shrink,
  pixels: Pixels,
  { image, place }: Preprocessing,
): Promise<Pixels> {
  const placement = place(pixels.height, pixels.width);
  const height = Math.min(pixels.height, placement.height);
  const width = Math.min(pixels.width, placement.width);
  const small =
    height === pixels.height && width === pixels.width ? pixels : await shrink(pixels, height, width);
  return enlargeAndCrop(small, placement, image.height, image.width);
}

/** Interpolates between the four nearest pixels; only the crop is computed. */
function enlargeAndCrop(
  pixels: Pixels,
  { height, width, top, left }: Placement,
  cropHeight: number,
  cropWidth: number,
): Pixels {
  if (
    pixels.height === cropHeight &&
    pixels.width === cropWidth &&
    height === cropHeight &&
    width === cropWidth
  ) {
    return pixels;
  }
  const { channels, data } = pixels;
  const out = emptyPixels(pixels, cropHeight, cropWidth, channels);
  const rows = neighbours(pixels.height, height, top, cropHeight);
  const columns = neighbours(pixels.width, width, left, cropWidth);
  let at = 0;
  for (const [y0, y1, v] of rows) {
    for (const [x0, x1, u] of columns) {
      for (let c = 0; c < channels; c++) {
        const pixel = (y: number, x: number): number => data[(y * pixels.width + x) * channels + c]!;
        const upper = pixel(y0, x0) * (1 - u) + pixel(y0, x1) * u;
        const lower = pixel(y1, x0) * (1 - u) + pixel(y1, x1) * u;
        out.data[at++] = Math.round(upper * (1 - v) + lower * v);
      }
    }
  }
  return out;
}

/** For each of `count` places from `first` on, along an axis stretched from `from` to `to`: two source indices, weight of the second. */
function neighbours(from: number, to: number, first: number, count: number): [number, number, number][] {
  return Array.from({ length: count }, (_, i) => {
    const position = ((first + i + 0.5) * from) / to - 0.5;
    const lower = Math.floor(position);
    return [Math.max(lower, 0), Math.min(lower + 1, from - 1), position - lower];
  });
}
