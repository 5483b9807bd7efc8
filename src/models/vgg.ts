import type { NetworkBuilder, Value } from './builder.js';

/** Channels of the thirteen convolutions; "pool" halves the size. */
const LAYERS = [
  64,
  64,
  'pool',
  128,
  128,
  'pool',
  256,
  256,
  256,
  'pool',
  512,
  512,
  512,
  'pool',
  512,
  512,
  512,
  'pool',
] as const;

/**
 * VGG-16 with BatchNorm for 32×32 images: the thirteen convolutions of the original under torchvision's names, and one dense
 * layer behind a global average in place of the three large ones.
 */
export function vgg16Bn(net: NetworkBuilder, classes: number): Value {
  let x = net.input;
  let index = 0;
  for (const layer of LAYERS) {
    if (layer === 'pool') {
      x = net.maxPool(`features.${index}`, x, 2, 2);
      index += 1;
    } else {
      x = net.conv(`features.${index}`, x, layer, { kernel: 3, bias: true });
      x = net.batchNorm(`features.${index + 1}`, x);
      x = net.relu(`features.${index + 2}`, x);
      index += 3;
    }
  }
  x = net.flatten('flatten', net.globalAveragePool('avgpool', x));
  return net.linear('classifier', x, classes);
}
