import { access, constants } from 'node:fs/promises';
import { PxError } from '../../errors.js';
import { ioError } from '../os-error.js';
import { loadSharp } from './load-sharp.js';
import { type Pixels, toPixels } from './pixels.js';

/**
 * Decodes an image file to upright RGB pixels: EXIF orientation applied, CMYK converted, grey repeated, palette resolved, first page
 * of several. Colour profiles are left aside and alpha is dropped without blending (or kept, with `alpha`), because that is how
 * models see images in training. 16-bit images stay 16-bit. ERR_DATA names `file` where it cannot be decoded; ERR_IO.
 */
export async function decodeImage(file: string, alpha: boolean): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    const image = sharp(file, { failOn: 'error', ignoreIcc: true });
    const wide = (await image.metadata()).depth === 'ushort';
    image.autoOrient().toColourspace(wide ? 'rgb16' : 'srgb');
    if (!alpha) image.removeAlpha();
    const raw = image.raw({ depth: wide ? 'ushort' : 'uchar' });
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    return toPixels(data, info, wide);
  } catch (error) {
    throw await readError(error, file);
  }
}

/** libvips reports a missing file in words only; the system knows the reason. */
async function readError(error: unknown, file: string): Promise<PxError> {
  try {
    await access(file, constants.R_OK);
  } catch (refusal) {
    return ioError(refusal, 'read', file);
  }
  const reason = error instanceof Error ? error.message.trim().split('\n')[0] : String(error);
  return new PxError('ERR_DATA', `${file}: cannot be decoded as an image (${reason}); replace or remove it`, {
    cause: error,
  });
}
