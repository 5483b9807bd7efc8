import type { NetworkBuilder, Value } from './builder.js';

/** How a stage's first block matches its input to fewer positions and more channels. */
export type Shortcut = 'projection' | 'padding';

/**
 * ResNet for 32×32 images (He et al. 2016, section 4.2): three stages of `blocks` basic blocks with 16, 32 and 64 channels;
 * depth = 6·blocks + 2. Shortcut "projection" is option B (1×1 convolution and BatchNorm), "padding" option A.
 */
export function cifarResnet(net: NetworkBuilder, classes: number, blocks: number, shortcut: Shortcut): Value {
  let x = net.conv('conv1', net.input, 16, { kernel: 3 });
  x = net.relu('relu', net.batchNorm('bn1', x));
  for (const [stage, channels] of [16, 32, 64].entries()) {
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      x = basicBlock(net, `layer${stage + 1}.${block}`, x, channels, stride, shortcut);
    }
  }
  x = net.flatten('flatten', net.globalAveragePool('avgpool', x));
  return net.linear('linear', x, classes);
}

/** Two 3×3 convolutions around a shortcut; shared with the ImageNet ResNets. */
export function basicBlock(
  net: NetworkBuilder,
  path: string,
  x: Value,
  channels: number,
  stride: number,
  shortcut: Shortcut = 'projection',
): Value {
  let y = net.conv(`${path}.conv1`, x, channels, { kernel: 3, stride });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y));
  y = net.conv(`${path}.conv2`, y, channels, { kernel: 3 });
  y = net.batchNorm(`${path}.bn2`, y);
  const identity =
    stride !== 1 && shortcut === 'padding'
      ? net.subsampleAndPad(`${path}.shortcut`, x, channels)
      : downsample(net, path, x, channels, stride);
  return net.relu(`${path}.relu2`, net.add(`${path}.add`, y, identity));
}

/** The identity where sizes agree, else a strided 1×1 convolution with BatchNorm. */
export function downsample(
  net: NetworkBuilder,
  path: string,
  x: Value,
  channels: number,
  stride: number,
): Value {
  if (stride === 1 && x.channels === channels) return x;
  const projected = net.conv(`${path}.downsample.0`, x, channels, { kernel: 1, stride });
  return net.batchNorm(`${path}.downsample.1`, projected);
}
