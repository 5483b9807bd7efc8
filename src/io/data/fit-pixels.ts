/**
 * Resizing and cropping to the model's input size, bilinear and antialiased. libvips shrinks; it enlarges with a shift of half a
 * pixel, so enlarging is done here (enlarge.ts).
 */
import { fitWith } from './enlarge.js';
import { loadSharp, toPixels } from './load-sharp.js';
import { emptyPixels, type FitPixels, type Pixels } from './pixels.js';

/** By libvips. */
export const fitPixels: FitPixels = (pixels, preprocessing) => fitWith(shrink, pixels, preprocessing);

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
