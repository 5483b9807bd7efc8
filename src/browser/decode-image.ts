/** Images through the browser's own decoders. */
import { PxError } from '../errors.js';
import { IMAGE_HEAD, isImageContent } from '../io/data/image-kind.js';
import type { Pixels } from '../io/data/pixels.js';
import { readBlob } from './blob-access.js';

/** Of one image: a header of some bytes can claim any size. */
const MAX_PIXELS = 2 ** 26;

/**
 * Decodes an image file to upright RGB pixels of 8 bits, as decode-image.ts of the data sets does: EXIF orientation applied, colour
 * profiles left aside, alpha dropped without blending (or kept). ERR_DATA names the file where it cannot be decoded.
 */
export async function decodeBlob(blob: Blob, name: string, alpha: boolean): Promise<Pixels> {
  const fail = (reason: string, cause?: unknown) =>
    new PxError('ERR_DATA', `${name}: cannot be decoded as an image (${reason}); replace or remove it`, {
      cause,
    });
  if (!isImageContent(await readBlob(blob.slice(0, IMAGE_HEAD), name))) throw fail('not a JPEG, PNG or WebP');
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
  try {
    return bitmapPixels(bitmap, name, alpha);
  } finally {
    bitmap.close();
  }
}

/** RGB (with `alpha` RGBA) of a bitmap. A canvas multiplies colours by alpha, so where that is low, colours come back coarse. */
export function bitmapPixels(bitmap: ImageBitmap, name: string, alpha: boolean): Pixels {
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS)
    throw new PxError(
      'ERR_DATA',
      `${name}: ${width}×${height} pixels, more than ${MAX_PIXELS}; make it smaller`,
    );
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null)
    throw new PxError(
      'ERR_DATA',
      `${name}: this browser gives no canvas to read pixels from; use another one`,
    );
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const rgba = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return alpha
    ? { data: rgba, height, width, channels: 4 }
    : { data: withoutAlpha(rgba), height, width, channels: 3 };
}

function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from]!;
    rgb[to + 1] = rgba[from + 1]!;
    rgb[to + 2] = rgba[from + 2]!;
  }
  return rgb;
}
