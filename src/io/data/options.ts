import { PxError } from '../../errors.js';
import { optionName } from '../../option-name.js';

export type Preset = 'imagenet' | 'cifar10' | 'none';
/** What the model's channels are, in order: names, or indices into red 0, green 1, blue 2, alpha 3. */
export type Channels = 'rgb' | 'bgr' | 'grey' | readonly number[];
/** Height and width in pixels. */
export type PixelSize = readonly [height: number, width: number];

/** Image options have no effect on tensor files (.npy, safetensors) and iterables, which are used as they are. */
export interface DatasetOptions {
  /** Default: imagenet for images, cifar10 for CIFAR files; none where mean, std or scale is given. */
  readonly preset?: Preset;
  /** Subtracted after scaling: one number, or one per model channel. Overrides the preset's. */
  readonly mean?: readonly number[];
  /** Divided by, after the mean: one number, or one per model channel. Overrides the preset's. */
  readonly std?: readonly number[];
  /** Factor on pixel values of 0 to 255 (16-bit images are brought to that range first); default 1/255. */
  readonly scale?: number;
  /** Resize to this before cropping: a number is the length of the shorter side. */
  readonly size?: number | PixelSize;
  /** Centre crop; must be the model's input size, which is its default. */
  readonly crop?: number | PixelSize;
  /** Default: rgb for 3 channels, grey for 1. */
  readonly channels?: Channels;
  /** Samples drawn per class; default 10 where labels exist. 'all' takes every sample. */
  readonly perClass?: number | 'all';
  /** Seed of the draw, a 32-bit integer; default 0. */
  readonly seed?: number;
  /** Leave unreadable samples out and list them, instead of failing. Reads every candidate once in advance. */
  readonly skipBad?: boolean;
  /** Keep only the first so many of the chosen samples. */
  readonly limit?: number;
  /** Decoded samples are kept in memory up to this many bytes in total; default 1 GiB. */
  readonly cacheBytes?: number;
  readonly signal?: AbortSignal;
}

export const PRESETS: readonly Preset[] = ['imagenet', 'cifar10', 'none'];

/** Checks every option once. ERR_OPTION names the option and what it takes. */
export function checkOptions(options: DatasetOptions): void {
  const { preset, mean, std, scale, size, crop, channels, perClass, seed, limit, cacheBytes } = options;
  if (preset !== undefined && !PRESETS.includes(preset))
    fail('preset', `one of ${PRESETS.join(', ')}`, preset);
  if (mean !== undefined) numbers('mean', mean, () => true, 'finite numbers');
  if (std !== undefined) numbers('std', std, (x) => x > 0, 'positive numbers');
  if (scale !== undefined && !(Number.isFinite(scale) && scale !== 0))
    fail('scale', 'a number other than 0', scale);
  if (size !== undefined) pixels('size', size);
  if (crop !== undefined) pixels('crop', crop);
  if (typeof channels === 'object') {
    numbers('channels', channels, (x) => [0, 1, 2, 3].includes(x), 'indices 0 (red), 1, 2, 3 (alpha)');
  } else if (channels !== undefined && !['rgb', 'bgr', 'grey'].includes(channels)) {
    fail('channels', 'rgb, bgr, grey or a list of indices', channels);
  }
  if (perClass !== undefined && perClass !== 'all') count('perClass', perClass);
  if (seed !== undefined && !(Number.isInteger(seed) && seed >= -(2 ** 31) && seed < 2 ** 32)) {
    fail('seed', 'a 32-bit integer', seed);
  }
  if (limit !== undefined) count('limit', limit);
  if (cacheBytes !== undefined && !(cacheBytes >= 0)) fail('cacheBytes', 'a number of bytes', cacheBytes);
}

/** [height, width] of a size option. */
export function toPixelSize(size: number | PixelSize): PixelSize {
  return typeof size === 'number' ? [size, size] : size;
}

function numbers(name: string, list: readonly number[], test: (x: number) => boolean, what: string): void {
  const good = Array.isArray(list) && list.length > 0 && list.every((x) => Number.isFinite(x) && test(x));
  if (!good) fail(name, `a list of ${what}`, list);
}

function pixels(name: string, size: number | PixelSize): void {
  const sides = typeof size === 'number' ? [size, size] : size;
  const good = Array.isArray(sides) && sides.length === 2;
  if (!good || !sides.every((side) => Number.isInteger(side) && side >= 1 && side <= 65535)) {
    fail(name, 'a number of pixels, or height and width', size);
  }
}

function count(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) fail(name, 'a positive integer', value);
}

function fail(name: string, wants: string, got: unknown): never {
  throw new PxError('ERR_OPTION', `${optionName(name)} must be ${wants}, not ${JSON.stringify(got)}`);
}
