/** Image files to pixels: decoding, orientation and resizing by `sharp` (libvips), loaded when the first image needs it. */
import { PxError } from '../../errors.js';
import { ioError, systemCode } from '../os-error.js';
import type { Pixels } from './pixels.js';
import type { Preprocessing } from './preprocess.js';

type Sharp = typeof import('sharp').default;
let loading: Promise<Sharp> | undefined;

/** Without sharp everything but images works. */
function loadSharp(): Promise<Sharp> {
  loading ??= import('sharp').then(
    (module) => module.default,
    (error: unknown) => {
      loading = undefined;
      const remedy = 'install it (npm install sharp), or give tensors (.npy, .safetensors)';
      throw new PxError('ERR_DATA', `images need the package "sharp", which cannot be loaded: ${remedy}`, {
        cause: error,
      });
    },
  );
  return loading;
}

/** Decodes an image file into pixels of the model's input size. ERR_DATA names `file` where it cannot be decoded, ERR_IO. */
export async function readImage(file: string, preprocessing: Preprocessing): Promise<Pixels> {
  const sharp = await loadSharp();
  const pixels = await decode(sharp, file, preprocessing.needsAlpha);
  return fitPixels(pixels, preprocessing);
}

/**
 * Upright sRGB pixels: EXIF orientation applied, embedded profiles and CMYK converted, grey repeated, palette resolved, first page of
 * several; alpha dropped, not blended, unless asked for. 16-bit images stay 16-bit.
 */
async function decode(sharp: Sharp, file: string, alpha: boolean): Promise<Pixels> {
  try {
    const image = sharp(file, { failOn: 'error' });
    const wide = (await image.metadata()).depth === 'ushort';
    image.autoOrient().toColourspace(wide ? 'rgb16' : 'srgb');
    if (!alpha) image.removeAlpha();
    const { data, info } = await image
      .raw({ depth: wide ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return toPixels(data, info, wide);
  } catch (error) {
    throw await readError(error, file);
  }
}

/** Resizes (bilinear, antialiased) and crops to the model's input size; pixels of that size pass through. */
export async function fitPixels(pixels: Pixels, preprocessing: Preprocessing): Promise<Pixels> {
  const { height, width } = preprocessing.image;
  const placement = preprocessing.place(pixels.height, pixels.width);
  const kept = placement.height === pixels.height && placement.width === pixels.width;
  if (kept && height === pixels.height && width === pixels.width) return pixels;
  const sharp = await loadSharp();
  if (pixels.channels === 3) return resize(sharp, pixels, placement, height, width);
  // Apart, so that alpha is one more band of values and not a weight on the colours.
  const colour = await resize(sharp, bands(pixels, 0, 3), placement, height, width);
  const alpha = await resize(sharp, bands(pixels, 3, 1), placement, height, width);
  return joinAlpha(colour, alpha);
}

async function resize(
  sharp: Sharp,
  { data, height, width, channels }: Pixels,
  placement: ReturnType<Preprocessing['place']>,
  cropHeight: number,
  cropWidth: number,
): Promise<Pixels> {
  const wide = data instanceof Uint16Array;
  const image = sharp(data, { raw: { height, width, channels }, limitInputPixels: false })
    .resize(placement.width, placement.height, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false })
    .extract({ left: placement.left, top: placement.top, width: cropWidth, height: cropHeight });
  if (channels === 1) image.extractChannel(0);
  if (wide) image.toColourspace(channels === 1 ? 'grey16' : 'rgb16');
  const result = await image.raw({ depth: wide ? 'ushort' : 'uchar' }).toBuffer({ resolveWithObject: true });
  return toPixels(result.data, result.info, wide);
}

function toPixels(
  bytes: Buffer,
  info: { width: number; height: number; channels: number },
  wide: boolean,
): Pixels {
  const data = wide ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) : bytes;
  return { data, height: info.height, width: info.width, channels: info.channels as Pixels['channels'] };
}

/** `count` neighbouring bands as an image of their own. */
function bands({ data, height, width, channels }: Pixels, first: number, count: 1 | 3): Pixels {
  const out =
    data instanceof Uint16Array
      ? new Uint16Array(height * width * count)
      : new Uint8Array(height * width * count);
  for (let p = 0; p < height * width; p++) {
    for (let c = 0; c < count; c++) out[p * count + c] = data[p * channels + first + c]!;
  }
  return { data: out, height, width, channels: count };
}

function joinAlpha(colour: Pixels, alpha: Pixels): Pixels {
  const { height, width } = colour;
  const out =
    colour.data instanceof Uint16Array
      ? new Uint16Array(height * width * 4)
      : new Uint8Array(height * width * 4);
  for (let p = 0; p < height * width; p++) {
    for (let c = 0; c < 3; c++) out[p * 4 + c] = colour.data[p * 3 + c]!;
    out[p * 4 + 3] = alpha.data[p]!;
  }
  return { data: out, height, width, channels: 4 };
}

/** libvips reports a missing file in words only; ask the system for the reason. */
async function readError(error: unknown, file: string): Promise<PxError> {
  if (error instanceof PxError) return error;
  const { access, constants } = await import('node:fs/promises');
  try {
    await access(file, constants.R_OK);
  } catch (refusal) {
    if (systemCode(refusal)) return ioError(refusal, 'read', file);
  }
  const reason = error instanceof Error ? error.message.trim().split('\n')[0] : String(error);
  return new PxError('ERR_DATA', `${file}: cannot be decoded as an image (${reason}); replace or remove it`, {
    cause: error,
  });
}
