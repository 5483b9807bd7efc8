/** The linear steps that networks are made of, by shape. */
import { normalArray, uniformSource } from '../models/random.js';
import type { LinearStep, SpatialAxis } from '../plan/plan.js';
import type { KernelCase } from './kernels.js';

interface ConvShape {
  readonly name: string;
  readonly channels: readonly [number, number];
  /** Height and width of the input. */
  readonly size: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
}

const CONVOLUTIONS: readonly ConvShape[] = [
  { name: '3×3, CIFAR', channels: [16, 16], size: 32, kernel: 3 },
  { name: '3×3', channels: [64, 64], size: 56, kernel: 3 },
  { name: '3×3, wide', channels: [256, 256], size: 14, kernel: 3 },
  { name: '3×3, stride 2', channels: [128, 128], size: 56, kernel: 3, stride: 2 },
  { name: '3×3, dilated', channels: [64, 64], size: 28, kernel: 3, dilation: 2 },
  { name: '1×1, narrowing', channels: [256, 64], size: 56, kernel: 1 },
  { name: '1×1, widening', channels: [64, 256], size: 56, kernel: 1 },
  { name: '1×1, wide', channels: [512, 2048], size: 7, kernel: 1 },
  { name: '1×1, stride 2', channels: [256, 512], size: 56, kernel: 1, stride: 2 },
  { name: '5×5', channels: [48, 64], size: 28, kernel: 5 },
  { name: '5×5, stride 2', channels: [48, 64], size: 56, kernel: 5, stride: 2 },
  { name: '7×7', channels: [32, 32], size: 28, kernel: 7 },
  { name: '7×7, stem', channels: [3, 64], size: 224, kernel: 7, stride: 2 },
  { name: '3×3, depthwise', channels: [144, 144], size: 56, kernel: 3, groups: 144 },
  { name: '3×3, depthwise, stride 2', channels: [144, 144], size: 56, kernel: 3, stride: 2, groups: 144 },
  { name: '3×3, 32 groups', channels: [128, 128], size: 56, kernel: 3, groups: 32 },
];

const DENSE: readonly (readonly [name: string, inputs: number, outputs: number])[] = [
  ['dense, first of VGG', 25088, 4096],
  ['dense, second of VGG', 4096, 4096],
];

/** Small ones of every kind, for trying whether everything works. */
const QUICK: readonly ConvShape[] = [
  { name: '3×3', channels: [16, 16], size: 14, kernel: 3 },
  { name: '3×3, stride 2', channels: [8, 12], size: 15, kernel: 3, stride: 2 },
  { name: '3×3, dilated', channels: [8, 8], size: 13, kernel: 3, dilation: 2 },
  { name: '1×1', channels: [24, 17], size: 7, kernel: 1 },
  { name: '5×5', channels: [6, 8], size: 11, kernel: 5 },
  { name: '7×7, stem', channels: [3, 8], size: 28, kernel: 7, stride: 2 },
  { name: '3×3, depthwise', channels: [16, 16], size: 9, kernel: 3, groups: 16 },
  { name: '3×3, groups', channels: [16, 24], size: 9, kernel: 3, groups: 4 },
];
const QUICK_DENSE: typeof DENSE = [['dense', 300, 70]];

/** Made one at a time: the largest weigh 400 MB. */
export type KernelMaker = {
  readonly name: string;
  readonly make: (samples: number, seed: number) => KernelCase;
};

export function kernelMakers(quick: boolean): KernelMaker[] {
  return [
    ...(quick ? QUICK : CONVOLUTIONS).map((shape) => maker(describe(shape), convolution(shape))),
    ...(quick ? QUICK_DENSE : DENSE).map(([name, inputs, outputs]) =>
      maker(`${name}, ${inputs}→${outputs}`, dense(inputs, outputs)),
    ),
  ];
}

function maker(name: string, { step, weights }: { step: LinearStep; weights: number }): KernelMaker {
  const make = (samples: number, seed: number) => ({
    name,
    step,
    weights: normalArray(weights, Math.sqrt(2 / step.inChannels), uniformSource(seed)),
    samples,
  });
  return { name, make };
}

function describe({ name, channels: [from, to], size }: ConvShape): string {
  return `${name}, ${from}→${to} at ${size}²`;
}

function convolution(shape: ConvShape): { step: LinearStep; weights: number } {
  const { kernel, stride = 1, dilation = 1, groups = 1, size } = shape;
  const [inChannels, outChannels] = shape.channels.map((count) => count / groups) as [number, number];
  const reach = dilation * (kernel - 1);
  const pad = reach / 2;
  const outSize = Math.floor((size + 2 * pad - reach - 1) / stride) + 1;
  const axis: SpatialAxis = { inSize: size, outSize, taps: kernel, stride, dilation, pad };
  const step: LinearStep = {
    ...{ kind: 'linear', op: 'conv', name: shape.name, inputs: [0], output: 1 },
    ...{ alpha: 1, groups, inChannels, outChannels, spatial: [axis, axis] },
    weight: {
      param: 0,
      groupStride: outChannels * inChannels * kernel ** 2,
      outStride: inChannels * kernel ** 2,
      inStride: kernel ** 2,
      tapStrides: [kernel, 1],
    },
    inLayout: { channelStride: size ** 2, spatialStrides: [size, 1] },
    outLayout: { channelStride: outSize ** 2, spatialStrides: [outSize, 1] },
  };
  return { step, weights: groups * outChannels * inChannels * kernel ** 2 };
}

function dense(inChannels: number, outChannels: number): { step: LinearStep; weights: number } {
  const layout = { channelStride: 1, spatialStrides: [] };
  const step: LinearStep = {
    ...{ kind: 'linear', op: 'dense', name: 'dense', inputs: [0], output: 1 },
    ...{ alpha: 1, groups: 1, inChannels, outChannels, spatial: [], inLayout: layout, outLayout: layout },
    weight: { param: 0, groupStride: 0, outStride: inChannels, inStride: 1, tapStrides: [] },
  };
  return { step, weights: inChannels * outChannels };
}
