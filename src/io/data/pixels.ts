import type { Preprocessing } from './preprocess.js';

/** Brightness of an RGB pixel (ITU-R BT.601), as image libraries define grey. */
const LUMA = [0.299, 0.587, 0.114] as const;

/** Pixels of one image, interleaved by channel, row-major. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  /** Values a pixel: RGB or RGBA; 1 is a single band. */
  readonly channels: 1 | 3 | 4;
  /** 0 to 255, or 0 to 65535 for 16-bit images. */
  readonly data: Uint8Array | Uint16Array;
}

/** Pixels of the model's input size; those that have it already pass through. */
export type FitPixels = (pixels: Pixels, preprocessing: Preprocessing) => Promise<Pixels>;

/** Zeros with the element type of `like`. */
export function emptyPixels(
  like: Pixels,
  height: number,
  width: number,
  channels: Pixels['channels'],
): Pixels {
  const length = height * width * channels;
  const data = like.data instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
  return { data, height, width, channels };
}

/** Writes pixels of the input's exact size into `out` as the model wants them. */
export function writeInput(
  pixels: Pixels,
  { image, channels, scale, mean, std }: Preprocessing,
  out: Float32Array,
): void {
  const { data, channels: stride } = pixels;
  const count = image.height * image.width;
  const factor = data instanceof Uint16Array ? scale / 257 : scale;
  const [pixelStride, channelStride] = image.layout === 'CHW' ? [1, count] : [image.channels, 1];
  for (const [c, channel] of channels.entries()) {
    const [shift, spread] = [mean[c]!, std[c]!];
    for (let p = 0; p < count; p++) {
      const at = p * stride;
      const value =
        channel === 'grey'
          ? LUMA[0] * data[at]! + LUMA[1] * data[at + 1]! + LUMA[2] * data[at + 2]!
          : channel < stride
            ? data[at + channel]!
            : opaque(data);
      out[c * channelStride + p * pixelStride] = (value * factor - shift) / spread;
    }
  }
}

/** An image without alpha is opaque everywhere. */
function opaque(data: Uint8Array | Uint16Array): number {
  return data instanceof Uint16Array ? 65535 : 255;
}
