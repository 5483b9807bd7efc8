/** The classic networks of `px new`, as ONNX bytes. */
import { PxError } from '../errors.js';
import type { GraphSpec } from '../onnx/encode.js';
import { encodeModel } from '../onnx/encode.js';
import type { Value } from './builder.js';
import { NetworkBuilder } from './builder.js';
import type { StateDict } from './fill-weights.js';
import { fillWeights } from './fill-weights.js';
import { mobilenetV2 } from './mobilenet.js';
import { uniformSource } from './random.js';
import { resnet18, resnet50 } from './resnet.js';
import type { Shortcut } from './resnet-cifar.js';
import { cifarResnet } from './resnet-cifar.js';

import { vgg16Bn } from './vgg.js';

/** The oldest opset with all that the builder writes is 13; 17 is read by every current runtime. */
const OPSET = 17;
const IR_VERSION = 8;
const MAX_SIZE = 4096;
const MAX_CLASSES = 1_000_000;

interface ModelEntry {
  readonly classes: number;
  /** Default and smallest input height and width, in pixels. */
  readonly size: number;
  readonly minSize: number;
  readonly build: (net: NetworkBuilder, classes: number, shortcut: Shortcut) => Value;
}

const cifar = (blocks: number): ModelEntry => ({
  classes: 10,
  size: 32,
  minSize: 4,
  build: (net, classes, shortcut) => cifarResnet(net, classes, blocks, shortcut),
});

const MODELS = {
  resnet20: cifar(3),
  resnet32: cifar(5),
  resnet56: cifar(9),
  vgg16_bn: { classes: 10, size: 32, minSize: 32, build: vgg16Bn },
  resnet18: { classes: 1000, size: 224, minSize: 32, build: resnet18 },
  resnet50: { classes: 1000, size: 224, minSize: 32, build: resnet50 },
  mobilenet_v2: { classes: 1000, size: 224, minSize: 32, build: mobilenetV2 },
} as const satisfies Record<string, ModelEntry>;

export type ModelName = keyof typeof MODELS;
export const MODEL_NAMES = Object.keys(MODELS) as readonly ModelName[];

export interface NewModelOptions {
  /** 32-bit seed of the initial weights; default 0. */
  readonly seed?: number;
  /** Width of the output; default 10 (CIFAR networks) or 1000. */
  readonly classes?: number;
  /** Height and width of the input in pixels; default 32 (CIFAR networks) or 224. */
  readonly size?: number;
  /** Input channels; default 3. */
  readonly channels?: number;
  /** For resnet20/32/56: option B of the paper (1×1 convolutions, the default) or option A (zero padding). */
  readonly shortcut?: Shortcut;
  /** Trained tensors by state_dict name; must name exactly the network's tensors, in their shapes. */
  readonly weights?: StateDict;
}

/**
 * Makes a freshly initialised network (or, with `weights`, a trained one) as ONNX bytes: input "input" [N, channels, size,
 * size], output "logits" [N, classes]; the same bytes for the same seed on every machine. ERR_OPTION for an unknown name or a value
 * out of range, ERR_MISMATCH where `weights` do not fit.
 */
export function newModel(name: string, options: NewModelOptions = {}): Uint8Array {
  if (!Object.hasOwn(MODELS, name)) {
    throw new PxError('ERR_OPTION', `unknown network "${name}"; known are ${MODEL_NAMES.join(', ')}`);
  }
  const entry: ModelEntry = MODELS[name as ModelName];
  const seed = integer('seed', options.seed ?? 0, -(2 ** 31), 2 ** 32 - 1);
  const classes = integer('classes', options.classes ?? entry.classes, 1, MAX_CLASSES);
  const size = integer('size', options.size ?? entry.size, entry.minSize, MAX_SIZE);
  const channels = integer('channels', options.channels ?? 3, 1, 1024);

  const net = new NetworkBuilder(name, channels, size, uniformSource(seed));
  let graph: GraphSpec = net.finish(entry.build(net, classes, checkShortcut(name, options.shortcut)));
  if (options.weights) graph = fillWeights(name, graph, options.weights);
  return encodeModel({
    irVersion: IR_VERSION,
    opset: OPSET,
    producer: 'path-exclusion',
    graph,
  });
}

function integer(option: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new PxError('ERR_OPTION', `${option} must be an integer from ${min} to ${max}, not ${value}`);
}

function checkShortcut(name: string, shortcut: Shortcut | undefined): Shortcut {
  if (shortcut === undefined) return 'projection';
  if (shortcut !== 'projection' && shortcut !== 'padding') {
    throw new PxError('ERR_OPTION', `shortcut must be "projection" or "padding", not "${shortcut}"`);
  }
  if (!['resnet20', 'resnet32', 'resnet56'].includes(name)) {
    throw new PxError(
      'ERR_OPTION',
      `shortcut is a choice of resnet20, resnet32 and resnet56, not of ${name}`,
    );
  }
  return shortcut;
}
