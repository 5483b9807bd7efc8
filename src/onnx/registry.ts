import { ACTIVATION_OPS } from './ops/activation.js';
import { ARITHMETIC_OPS } from './ops/arithmetic.js';
import { CONV_OPS } from './ops/conv.js';
import type { Converter, OpRow } from './ops/converter.js';
import { DENSE_OPS } from './ops/dense.js';
import { NORM_OPS } from './ops/norm.js';
import { PAD_OPS } from './ops/pad.js';
import { POOL_OPS } from './ops/pool.js';
import { REDUCE_OPS } from './ops/reduce.js';
import { RESIZE_OPS } from './ops/resize.js';
import { SELECT_OPS } from './ops/select.js';
import { VIEW_OPS } from './ops/view.js';

/** The oldest opset that is read; before it, broadcasting and BatchNormalization meant something else. */
export const OLDEST_OPSET = 7;
/** The newest opset whose operator changes were looked at; newer files are read with a warning. */
export const NEWEST_OPSET = 28;

const ROWS: readonly OpRow[] = [
  ...CONV_OPS,
  ...DENSE_OPS,
  ...NORM_OPS,
  ...POOL_OPS,
  ...REDUCE_OPS,
  ...RESIZE_OPS,
  ...PAD_OPS,
  ...ARITHMETIC_OPS,
  ...ACTIVATION_OPS,
  ...SELECT_OPS,
  ...VIEW_OPS,
];

const byOp = new Map<string, OpRow[]>();
for (const row of ROWS) {
  const key = `${row.domain ?? ''}::${row.op}`;
  byOp.set(
    key,
    [...(byOp.get(key) ?? []), row].sort((a, b) => b.since - a.since),
  );
}

/** The converter of an operator at an opset of its domain: the row with the latest `since` not after it. */
export function findConverter(domain: string, op: string, opset: number): Converter | undefined {
  return byOp.get(`${domain}::${op}`)?.find((row) => row.since <= opset)?.convert;
}

/** Every operator with a converter, for documentation and tests. */
export function knownOps(): { readonly domain: string; readonly op: string; readonly since: number }[] {
  return ROWS.map(({ op, domain = '', since }) => ({ domain, op, since }));
}
