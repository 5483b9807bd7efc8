/** From decoded pixels to a model's input: which channels, which size, which affine map of the values. */
import { PxError } from '../../errors.js';
import { optionName } from '../../option-name.js';
import type { Placement } from './geometry.js';
import { place } from './geometry.js';
import type { ImageLayout } from './input-layout.js';
import { inputLayout } from './input-layout.js';
import type { DatasetOptions, Preset } from './options.js';
import { toPixelSize } from './options.js';
import type { InputTarget } from './types.js';

interface PresetValues {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Resized size over crop size, for images that are not of the input's size already. */
  readonly ratio: number;
}

const PRESET_VALUES: Readonly<Record<Preset, PresetValues>> = {
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], ratio: 256 / 224 },
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616], ratio: 1 },
  none: { mean: [0, 0, 0], std: [1, 1, 1], ratio: 1 },
};

export interface Preprocessing {
  readonly image: ImageLayout;
  /** Index into RGBA per model channel, or 'grey'. */
  readonly channels: readonly (0 | 1 | 2 | 3 | 'grey')[];
  readonly needsAlpha: boolean;
  /** Value = (pixel · scale − mean[c]) / std[c], pixel from 0 to 255, per model channel. */
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  place(height: number, width: number): Placement;
  /** One clause for the notes: what is done to an image, and whose choice it was. */
  readonly description: string;
}

/**
 * Settles what happens to images on their way into `target`. `fallback` is the preset for this kind of file where the user
 * chose none. ERR_DATA where the input is no image, ERR_OPTION where options contradict it.
 */
export function resolvePreprocessing(
  target: InputTarget,
  options: DatasetOptions,
  fallback: Preset,
): Preprocessing {
  const image = inputLayout(target.shape, target.layout);
  if (!image) {
    const shape = `[N, ${target.shape.join(', ')}]`;
    throw new PxError(
      'ERR_DATA',
      `the model's input ${shape} is no image; give tensors (.npy or .safetensors) instead`,
    );
  }
  const custom = options.mean ?? options.std ?? options.scale;
  const preset = options.preset ?? (custom === undefined ? fallback : 'none');
  const values = PRESET_VALUES[preset];
  const channels = resolveChannels(image, options);
  const needsAlpha = channels.includes(3);
  if (needsAlpha && preset !== 'none' && !(options.mean && options.std)) {
    throw new PxError(
      'ERR_OPTION',
      `preset ${preset} knows no mean and std of the alpha channel; give mean and std per channel`,
    );
  }
  const crop = checkCrop(image, options);
  return {
    image,
    channels,
    needsAlpha,
    scale: options.scale ?? 1 / 255,
    mean:
      perChannel('mean', options.mean, image.channels) ?? channels.map((c) => presetValue(values.mean, c)),
    std: perChannel('std', options.std, image.channels) ?? channels.map((c) => presetValue(values.std, c)),
    place: (height, width) => place([height, width], crop, options.size, values.ratio),
    description: describe(image, channels, options, preset, values.ratio),
  };
}

function resolveChannels({ channels }: ImageLayout, options: DatasetOptions): Preprocessing['channels'] {
  const wanted = options.channels ?? (channels === 3 ? 'rgb' : channels === 1 ? 'grey' : undefined);
  if (wanted === undefined) {
    const example = Array.from({ length: channels }, (_, c) => [0, 1, 2, 1][c % 4]).join(',');
    const remedy = `say which image channels they are with ${optionName('channels')}, for example ${example}`;
    throw new PxError('ERR_OPTION', `the model's input has ${channels} channels; ${remedy}, or give tensors`);
  }
  const list =
    { rgb: [0, 1, 2], bgr: [2, 1, 0], grey: ['grey'] }[wanted as string] ?? (wanted as readonly number[]);
  if (list.length !== channels) {
    const got = `${Array.isArray(wanted) ? wanted.join(',') : wanted} (${list.length})`;
    throw new PxError('ERR_OPTION', `channels ${got} do not match the model's input, which has ${channels}`);
  }
  return list as Preprocessing['channels'];
}

function checkCrop({ height, width }: ImageLayout, options: DatasetOptions): readonly [number, number] {
  if (options.crop !== undefined) {
    const [h, w] = toPixelSize(options.crop);
    if (h !== height || w !== width) {
      throw new PxError(
        'ERR_OPTION',
        `crop ${h}×${w} is not the model's input size, ${height}×${width} (height×width)`,
      );
    }
  }
  return [height, width];
}

function perChannel(
  name: string,
  given: readonly number[] | undefined,
  channels: number,
): readonly number[] | undefined {
  if (given === undefined || given.length === channels) return given;
  if (given.length === 1) return new Array<number>(channels).fill(given[0]!);
  throw new PxError(
    'ERR_OPTION',
    `${name} has ${given.length} numbers; the model's input has ${channels} channels`,
  );
}

/** A preset speaks of R, G and B; grey gets their average, alpha (preset none only) the first. */
function presetValue(values: readonly [number, number, number], channel: 0 | 1 | 2 | 3 | 'grey'): number {
  if (channel === 'grey') return (values[0] + values[1] + values[2]) / 3;
  return channel === 3 ? values[0] : values[channel];
}

function describe(
  { height, width, layout }: ImageLayout,
  channels: Preprocessing['channels'],
  options: DatasetOptions,
  preset: Preset,
  ratio: number,
): string {
  const names = channels.map((c) => (c === 'grey' ? 'grey' : 'RGBA'[c])).join('');
  const input = `${height}×${width}`;
  const size =
    options.size === undefined
      ? `fitted to ${input} pixels (resized to cover ${Math.round(height * ratio)}×${Math.round(width * ratio)}, centre crop; as is if of that size)`
      : `resized to ${typeof options.size === 'number' ? `${options.size} pixels on the shorter side` : `${options.size.join('×')} pixels`}, centre crop ${input}`;
  const whose = options.preset
    ? 'as asked'
    : options.mean || options.std || options.scale
      ? 'with the given values'
      : 'the default';
  return `${names} ${layout}, ${size}, preset ${preset} (${whose})`;
}
