import { access, constants } from 'node:fs/promises';
import { PxError } from '../../errors.js';
import { openRegularFile } from '../open-file.js';
import { ioError } from '../os-error.js';
import { readRange } from '../read-range.js';
import { IMAGE_HEAD, isImageContent } from './image-kind.js';
import { loadSharp, toPixels } from './load-sharp.js';
import type { Pixels } from './pixels.js';

/** Of one image: a header of some bytes can claim any size. Four images are decoded at a time. */
const MAX_PIXELS = 2 ** 26;
/** For one image, on one thread; photographs take less than one. */
const MAX_SECONDS = 60;

/**
 * Decodes an image file to upright RGB pixels: EXIF orientation applied, CMYK converted, grey repeated, palette resolved, first page
 * of several. Colour profiles are left aside and alpha is dropped without blending (or kept, with `alpha`), because that is how
 * models see images in training. 16-bit images stay 16-bit. ERR_DATA names `file` where it cannot be decoded; ERR_IO.
 */
export async function decodeImage(file: string, alpha: boolean): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    await checkKind(file);
    const image = sharp(file, { failOn: 'error', ignoreIcc: true, limitInputPixels: MAX_PIXELS });
    image.timeout({ seconds: MAX_SECONDS });
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

/**
 * The decoder goes by content, not by name, and knows formats that are programs in themselves (SVG) or name other files: none but the
 * three documented ones gets to it. ERR_DATA.
 */
async function checkKind(file: string): Promise<void> {
  const { handle, size } = await openRegularFile(file);
  try {
    if (!isImageContent(await readRange(handle, file, 0, Math.min(size, IMAGE_HEAD))))
      throw new PxError(
        'ERR_DATA',
        `${file}: cannot be decoded as an image (not a JPEG, PNG or WebP); replace or remove it`,
      );
  } finally {
    await handle.close();
  }
}

/** libvips reports a missing file in words only; the system knows the reason. */
async function readError(error: unknown, file: string): Promise<Error> {
  if (error instanceof PxError) return error;
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
