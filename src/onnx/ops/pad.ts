import { type AxisMap, selectMap } from '../../graph/axis-map.js';
import { checkAxis } from '../../graph/limits.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';

/** Which input element fills position i of the padded axis (before the first element i is negative); −1 for the fill value. */
const FILL: ReadonlyMap<string, (i: number, size: number) => number> = new Map(
  Object.entries({
    constant: () => -1,
    edge: (i: number, size: number) => Math.min(Math.max(i, 0), size - 1),
    reflect: (i: number, size: number) => {
      if (size === 1) return 0;
      const period = 2 * (size - 1);
      const at = ((i % period) + period) % period;
      return at < size ? at : period - at;
    },
    wrap: (i: number, size: number) => ((i % size) + size) % size,
  }),
);

function padMap(
  ctx: NodeContext,
  axis: number,
  size: number,
  begin: number,
  end: number,
  mode: string,
): AxisMap | undefined {
  if (begin === 0 && end === 0) return undefined;
  const fill = FILL.get(mode) ?? ctx.malformed(`mode "${mode}"`);
  const outSize = size + begin + end;
  if (!(outSize >= 1)) ctx.malformed(`padding ${begin} and ${end} around ${size} elements`);
  checkAxis(outSize);
  const picks = Array.from({ length: outSize }, (_, o) => {
    const i = o - begin;
    return i >= 0 && i < size ? i : fill(i, size);
  });
  return selectMap(axis, size, picks);
}

/** Old form: pads and value as attributes; since opset 11 inputs, since 18 with an axes input. */
const pad: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const rank = shape.length + 1;
  const pads = ctx.ints('pads') ?? ctx.intsInput(1, 'the pads') ?? ctx.malformed('it has no pads');
  const value = ctx.optionalTensor(2, 'the value')?.data[0] ?? ctx.float('value', 0);
  const axes = ctx.intsInput(3, 'the axes') ?? Array.from({ length: rank }, (_, i) => i);
  if (pads.length !== 2 * axes.length) ctx.malformed(`${pads.length} pads for ${axes.length} axes`);
  const mode = ctx.string('mode', 'constant');
  const maps: AxisMap[] = [];
  axes.forEach((full, i) => {
    const begin = pads[i] as number;
    const end = pads[i + axes.length] as number;
    if (begin === 0 && end === 0) return;
    const axis = ctx.axis(full, rank);
    const map = padMap(ctx, axis, shape[axis] as number, begin, end, mode);
    if (map !== undefined) maps.push(map);
  });
  if (maps.length === 0) return input;
  const out = [...shape];
  for (const map of maps) out[map.axis] = map.outSize;
  const fill = mode === 'constant' ? value : 0;
  return ctx.emit(
    { kind: 'map', input, coefficient: 1, axes: maps.sort((a, b) => a.axis - b.axis), fill },
    out,
  );
};

export const PAD_OPS: readonly OpRow[] = [{ op: 'Pad', since: 1, convert: pad }];
