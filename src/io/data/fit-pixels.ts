/**
 * Resizing and cropping to the model's input size, bilinear and antialiased, pixel centres aligned as in the training
 * libraries. libvips shrinks; it enlarges with a shift of half a pixel, so enlarging is done here.
 */
import type { Placement } from './geometry.js';
import { loadSharp } from './load-sharp.js';
import { emptyPixels, type Pixels, toPixels } from './pixels.js';
import type { Preprocessing } from './preprocess.js';

/** Pixels of the input's size; those that have it already pass through. */
export async function fitPixels(pixels: Pixels, { image, place }: Preprocessing): Promise<Pixels> {
  const placement = place(pixels.height, pixels.width);
  const height = Math.min(pixels.height, placement.height);
  const width = Math.min(pixels.width, placement.width);
  const small =
    height === pixels.height && width === pixels.width ? pixels : await shrink(pixels, height, width);
  return enlargeAndCrop(small, placement, image.height, image.width);
}

async function shrink(pixels: Pixels, height: number, width: number): Promise<Pixels> {
  if (pixels.channels !== 4) return shrinkBands(pixels, height, width);
  // Apart, so that alpha is one more band of values and not a weight on the colours.
  const colour = await shrinkBands(bands(pixels, 0, 3), height, width);
  const alpha = await shrinkBands(bands(pixels, 3, 1), height, width);
  return joinAlpha(colour, alpha);
}

async function shrinkBands(pixels: Pixels, height: number, width: number): Promise<Pixels> {
  const sharp = await loadSharp();
  const { data, channels } = pixels;
  const wide = data instanceof Uint16Array;
  const image = sharp(data, {
    raw: { height: pixels.height, width: pixels.width, channels },
    limitInputPixels: false, // the limit was applied when the file was decoded
  }).resize(width, height, { fit: 'fill', kernel: 'linear' });
  if (channels === 1) image.extractChannel(0);
  if (wide) image.toColourspace(channels === 1 ? 'grey16' : 'rgb16');
  const raw = image.raw({ depth: wide ? 'ushort' : 'uchar' });
  const result = await raw.toBuffer({ resolveWithObject: true });
  return toPixels(result.data, result.info, wide);
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

/** `count` neighbouring bands as an image of their own. */
function bands(pixels: Pixels, first: number, count: 1 | 3): Pixels {
  const out = emptyPixels(pixels, pixels.height, pixels.width, count);
  for (let p = 0; p < pixels.height * pixels.width; p++) {
    for (let c = 0; c < count; c++) out.data[p * count + c] = pixels.data[p * pixels.channels + first + c]!;
  }
  return out;
}

function joinAlpha(colour: Pixels, alpha: Pixels): Pixels {
  const out = emptyPixels(colour, colour.height, colour.width, 4);
  for (let p = 0; p < colour.height * colour.width; p++) {
    for (let c = 0; c < 3; c++) out.data[p * 4 + c] = colour.data[p * 3 + c]!;
    out.data[p * 4 + 3] = alpha.data[p]!;
  }
  return out;
}
