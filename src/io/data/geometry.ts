/** Where an image's pixels go: resized first, then cropped at the centre to the model's input size. */
import { PxError } from '../../errors.js';
import type { PixelSize } from './options.js';

export interface Placement {
  /** Size after resizing; equal to the image's own where nothing is resized. */
  readonly height: number;
  readonly width: number;
  /** First row and column of the crop. */
  readonly top: number;
  readonly left: number;
}

/**
 * Without `size`, an image of the input's size is taken as it is; any other is resized, its proportions kept, to cover `ratio`
 * times the input. A single number is the length of the shorter side after resizing, a pair the exact size. The rounding is that of
 * torchvision's Resize and CenterCrop. ERR_OPTION where the resized image does not cover the crop.
 */
export function place(
  image: PixelSize,
  crop: PixelSize,
  size: number | PixelSize | undefined,
  ratio: number,
): Placement {
  const [height, width] = resized(image, crop, size, ratio);
  if (height < crop[0] || width < crop[1]) {
    const sizes = `${height}×${width} pixels, smaller than the model's input of ${crop[0]}×${crop[1]}`;
    throw new PxError('ERR_OPTION', `size makes the image ${sizes}; choose a larger size`);
  }
  return { height, width, top: halfToEven(height - crop[0]), left: halfToEven(width - crop[1]) };
}

function resized(
  image: PixelSize,
  crop: PixelSize,
  size: number | PixelSize | undefined,
  ratio: number,
): PixelSize {
  if (typeof size === 'object') return size;
  const shorter = image[0] < image[1] ? 0 : 1;
  if (size !== undefined) return scaleTo(image, shorter, size);
  if (image[0] === crop[0] && image[1] === crop[1]) return image;
  // The side that needs the larger factor to reach the crop decides.
  const factors = [crop[0] / image[0], crop[1] / image[1]] as const;
  const deciding = factors[0] === factors[1] ? shorter : factors[0] > factors[1] ? 0 : 1;
  const [height, width] = scaleTo(image, deciding, Math.round(crop[deciding] * ratio));
  return [Math.max(height, crop[0]), Math.max(width, crop[1])];
}

/** Proportional size whose `side` (0 height, 1 width) has the given length. */
function scaleTo(image: PixelSize, side: 0 | 1, length: number): PixelSize {
  const other = Math.max(1, Math.floor((length * image[1 - side]!) / image[side]));
  return side === 0 ? [length, other] : [other, length];
}

function halfToEven(difference: number): number {
  const half = Math.floor(difference / 2);
  return difference % 2 === 0 ? half : half + (half % 2);
}
