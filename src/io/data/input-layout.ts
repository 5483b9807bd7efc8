/** How an image lies in a model's per-sample input array. */
export interface ImageLayout {
  readonly layout: 'CHW' | 'HWC';
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Channel counts that images have; anything else on an axis is taken for a height or width. */
const IMAGE_CHANNELS = [1, 3, 4];

/**
 * Reads a per-sample input shape as an image: [C, H, W] or [H, W, C] ([H, W] has one channel). Without a given layout, the axis
 * with 1, 3 or 4 entries holds the channels, the first axis if both or neither do. Undefined where the shape is no image.
 */
export function inputLayout(shape: readonly number[], layout?: 'CHW' | 'HWC'): ImageLayout | undefined {
  if (shape.length === 2) return { layout: 'CHW', channels: 1, height: shape[0]!, width: shape[1]! };
  if (shape.length !== 3) return undefined;
  const [a, b, c] = shape as [number, number, number];
  const last = layout ? layout === 'HWC' : !IMAGE_CHANNELS.includes(a) && IMAGE_CHANNELS.includes(c);
  return last
    ? { layout: 'HWC', channels: c, height: a, width: b }
    : { layout: 'CHW', channels: a, height: b, width: c };
}
