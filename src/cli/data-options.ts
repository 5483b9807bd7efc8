import { type Command, InvalidArgumentError } from 'commander';
import {
  type Channels,
  type DatasetOptions,
  type PixelSize,
  type Preset,
  toPixelSize,
} from '../io/data/options.js';
import { number, numbers, repeated, wholeNumber } from './arguments.js';

/** What the data options of a command line parse to; the data set checks their ranges. */
export interface DataFlags {
  readonly data: string[];
  readonly preset?: string;
  readonly mean?: number[];
  readonly std?: number[];
  readonly scale?: number;
  readonly size?: number | PixelSize;
  readonly crop?: PixelSize;
  readonly channels?: Channels;
  readonly perClass?: number | 'all';
  readonly limit?: number;
  readonly seed?: number;
  readonly skipBad?: boolean;
}

const DATA =
  'images (file or folder, classes are sub-folders), CIFAR-10/100 .bin, .npy, .safetensors {x[, y]}; repeatable';

export function addDataOptions(command: Command): Command {
  return addImageOptions(command.requiredOption('--data <path>', DATA, repeated));
}

/** For a command that can do without data. */
export function addOptionalData(command: Command, otherwise: string): Command {
  return addImageOptions(command.option('--data <path>', `${DATA} (default: ${otherwise})`, repeated));
}

function addImageOptions(command: Command): Command {
  return command
    .option(
      '--preset <name>',
      'imagenet, cifar10 or none (default: imagenet for images, cifar10 for CIFAR files)',
    )
    .option('--mean <list>', 'subtracted after scaling, one number or one per channel', numbers)
    .option('--std <list>', 'divided by after the mean, one number or one per channel', numbers)
    .option('--scale <factor>', 'factor on pixel values of 0 to 255 (default: 1/255)', number)
    .option('--size <pixels>', 'resize before cropping: N for the shorter side, or HxW', resizing)
    .option('--crop <pixels>', "centre crop: the model's input size, N or HxW", pixelSize)
    .option(
      '--channels <order>',
      'rgb, bgr, grey or a list such as 0,1,2,1 (default: rgb for 3 channels, grey for 1)',
      channels,
    )
    .option(
      '--per-class <count>',
      'samples drawn per class, or "all" (default: 10 where labels exist)',
      perClass,
    )
    .option('--limit <count>', 'keep only the first so many of the chosen samples', wholeNumber)
    .option('--seed <integer>', 'seed of the draw (default: 0)', wholeNumber)
    .option('--skip-bad', 'leave unreadable samples out and list them, instead of failing');
}

/** The data set's options from the flags. */
export function datasetOptions(flags: DataFlags, signal: AbortSignal): DatasetOptions {
  const {
    preset,
    mean,
    std,
    scale,
    size,
    crop,
    channels: order,
    perClass: draw,
    limit,
    seed,
    skipBad,
  } = flags;
  return {
    signal,
    ...(preset !== undefined && { preset: preset as Preset }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...(scale !== undefined && { scale }),
    ...(size !== undefined && { size }),
    ...(crop && { crop }),
    ...(order !== undefined && { channels: order }),
    ...(draw !== undefined && { perClass: draw }),
    ...(limit !== undefined && { limit }),
    ...(seed !== undefined && { seed }),
    ...(skipBad !== undefined && { skipBad }),
  };
}

/** Height and width that the command line asks a model for whose file leaves them open. */
export function askedInputSize({ crop, size }: Partial<DataFlags>): PixelSize | undefined {
  return crop ?? (size === undefined ? undefined : toPixelSize(size));
}

/** "224", the length of the shorter side, stays a number; "224x224" is height and width, whatever the proportions. */
function resizing(text: string): number | PixelSize {
  return text.includes('x') ? pixelSize(text) : wholeNumber(text);
}

/** "224" or "224x320". */
export function pixelSize(text: string): PixelSize {
  const sides = text.split('x').map(wholeNumber);
  const [height, width] = sides;
  if (height === undefined || sides.length > 2)
    throw new InvalidArgumentError(`'${text}' is neither N nor HxW.`);
  return [height, width ?? height];
}

function channels(text: string): Channels {
  return text === 'rgb' || text === 'bgr' || text === 'grey' ? text : text.split(',').map(wholeNumber);
}

function perClass(text: string): number | 'all' {
  return text === 'all' ? 'all' : wholeNumber(text);
}
