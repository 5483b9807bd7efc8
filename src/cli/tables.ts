import Table from 'cli-table3';
import type { LayerReport } from '../analysis/layers.js';
import { count, escapeControls, percent, shapeOf } from './text.js';

/** Columns of plain text: aligned, without frames and colours, so that it reads the same in a file. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  rightFrom: number,
): string {
  const view = new Table({
    head: [...head],
    chars: NO_FRAME,
    colAligns: head.map((_, column) => (column < rightFrom ? 'left' : 'right')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  });
  for (const row of rows) view.push(row.map(escapeControls));
  return view
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** One line per prunable tensor: how much of it is kept, and which share of R its paths carry. */
export function layerTable(layers: readonly LayerReport[]): string {
  const rows = layers.map((layer) => [
    layer.name,
    shapeOf(layer.shape),
    layer.role === 'pruned' ? '' : layer.role,
    count(layer.weights),
    count(layer.kept),
    percent(layer.density),
    percent(layer.scoreShare),
  ]);
  return table(['tensor', 'shape', '', 'weights', 'kept (weights)', 'density', 'share of R'], rows, 3);
}

const NO_FRAME = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((part) => [part, '']),
);
