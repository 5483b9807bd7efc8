import type { NetworkBuilder, Value } from './builder.js';

/** Expansion, channels, repeats and first stride of MobileNetV2's seven groups of inverted residuals. */
const GROUPS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** MobileNetV2 at width 1, tensors named as in torchvision. */
export function mobilenetV2(net: NetworkBuilder, classes: number): Value {
  let x = convBnRelu6(net, 'features.0', net.input, 32, { kernel: 3, stride: 2 });
  let index = 1;
  for (const [expansion, channels, repeats, firstStride] of GROUPS) {
    for (let i = 0; i < repeats; i++) {
      x = invertedResidual(net, `features.${index++}`, x, channels, i === 0 ? firstStride : 1, expansion);
    }
  }
  x = convBnRelu6(net, `features.${index}`, x, 1280, { kernel: 1 });
  x = net.flatten('flatten', net.globalAveragePool('avgpool', x));
  return net.linear('classifier.1', x, classes);
}

/** Widen by 1×1, filter each channel by 3×3, narrow by 1×1 without activation; added to the input where sizes agree. */
function invertedResidual(
  net: NetworkBuilder,
  path: string,
  x: Value,
  channels: number,
  stride: number,
  expansion: number,
): Value {
  const hidden = x.channels * expansion;
  let y = x;
  let index = 0;
  if (expansion !== 1) y = convBnRelu6(net, `${path}.conv.${index++}`, y, hidden, { kernel: 1 });
  y = convBnRelu6(net, `${path}.conv.${index++}`, y, hidden, { kernel: 3, stride, groups: hidden });
  y = net.conv(`${path}.conv.${index++}`, y, channels, { kernel: 1 });
  y = net.batchNorm(`${path}.conv.${index}`, y);
  return stride === 1 && x.channels === channels ? net.add(`${path}.add`, x, y) : y;
}

function convBnRelu6(
  net: NetworkBuilder,
  path: string,
  x: Value,
  channels: number,
  options: { kernel: number; stride?: number; groups?: number },
): Value {
  const y = net.conv(`${path}.0`, x, channels, options);
  return net.relu6(`${path}.2`, net.batchNorm(`${path}.1`, y));
}
