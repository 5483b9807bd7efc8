import type { NodeContext } from '../context.js';

export interface SpatialPads {
  readonly begin: readonly number[];
  readonly end: readonly number[];
}

/**
 * Explicit padding of a convolution or pool from `pads` or `auto_pad`.
 *
 * @param sizes spatial input sizes
 * @param spans kernel extents with dilation
 */
export function spatialPads(
  ctx: NodeContext,
  sizes: readonly number[],
  spans: readonly number[],
  strides: readonly number[],
): SpatialPads {
  const count = sizes.length;
  const auto = ctx.string('auto_pad', 'NOTSET') || 'NOTSET';
  if (auto === 'NOTSET') {
    const pads = ctx.spatial('pads', 2 * count, 0);
    if (pads.some((pad) => pad >= 2 ** 31)) ctx.malformed(`pads [${pads}]`);
    if (pads.some((pad) => pad < 0)) ctx.refuse(`negative padding [${pads}]`, 'crop with a Slice instead');
    return { begin: pads.slice(0, count), end: pads.slice(count) };
  }
  if (auto === 'VALID') return { begin: sizes.map(() => 0), end: sizes.map(() => 0) };
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') return ctx.malformed(`auto_pad "${auto}"`);
  const total = sizes.map((size, i) => {
    const stride = strides[i] as number;
    return Math.max((Math.ceil(size / stride) - 1) * stride + (spans[i] as number) - size, 0);
  });
  const small = total.map((pad) => Math.floor(pad / 2));
  const large = total.map((pad) => Math.ceil(pad / 2));
  return auto === 'SAME_UPPER' ? { begin: small, end: large } : { begin: large, end: small };
}

/** Kernel extents with dilation. */
export function spansOf(kernel: readonly number[], dilations: readonly number[]): number[] {
  return kernel.map((k, i) => (k - 1) * (dilations[i] as number) + 1);
}

/** Strides and dilations must be positive; the rest of the arithmetic relies on it. */
export function positive(ctx: NodeContext, what: string, values: readonly number[]): readonly number[] {
  if (values.some((value) => !(value >= 1 && value < 2 ** 31))) ctx.malformed(`${what} [${values}]`);
  return values;
}
