import type { NetworkBuilder, Value } from './builder.js';
import { basicBlock, downsample } from './resnet-cifar.js';

/** ResNet-18 for ImageNet-sized images, tensors named as in torchvision. */
export function resnet18(net: NetworkBuilder, classes: number): Value {
  return imagenetResnet(net, classes, [2, 2, 2, 2], basicBlock, 1);
}

/** ResNet-50 (v1.5: the stride sits in the 3×3 convolution), tensors named as in torchvision. */
export function resnet50(net: NetworkBuilder, classes: number): Value {
  return imagenetResnet(net, classes, [3, 4, 6, 3], bottleneck, 4);
}

type Block = (net: NetworkBuilder, path: string, x: Value, channels: number, stride: number) => Value;

function imagenetResnet(
  net: NetworkBuilder,
  classes: number,
  depths: readonly number[],
  block: Block,
  expansion: number,
): Value {
  let x = net.conv('conv1', net.input, 64, { kernel: 7, stride: 2 });
  x = net.relu('relu', net.batchNorm('bn1', x));
  x = net.maxPool('maxpool', x, 3, 2, 1);
  for (const [stage, depth] of depths.entries()) {
    const channels = 64 * 2 ** stage * expansion;
    for (let i = 0; i < depth; i++) {
      x = block(net, `layer${stage + 1}.${i}`, x, channels, stage > 0 && i === 0 ? 2 : 1);
    }
  }
  x = net.flatten('flatten', net.globalAveragePool('avgpool', x));
  return net.linear('fc', x, classes);
}

function bottleneck(net: NetworkBuilder, path: string, x: Value, channels: number, stride: number): Value {
  const width = channels / 4;
  let y = net.conv(`${path}.conv1`, x, width, { kernel: 1 });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y));
  y = net.conv(`${path}.conv2`, y, width, { kernel: 3, stride });
  y = net.relu(`${path}.relu2`, net.batchNorm(`${path}.bn2`, y));
  y = net.conv(`${path}.conv3`, y, channels, { kernel: 1 });
  y = net.batchNorm(`${path}.bn3`, y);
  const identity = downsample(net, path, x, channels, stride);
  return net.relu(`${path}.relu3`, net.add(`${path}.add`, y, identity));
}
