import { median, medianSeconds } from '../src/bench/sampling.js';
import { milliseconds } from '../src/cli/bench-tables.js';
import { table } from '../src/cli/tables.js';
import { type Comparison, ratios } from './peer.js';

/** Ratios of one run; below 1, ours is faster. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => {
    const { method, threads, ours, peers } = comparison;
    const { forward, styles } = ratios(comparison);
    const style = (name: 'published' | 'lean') => styles.get(name)?.toFixed(2) ?? '';
    return [
      method,
      String(threads),
      milliseconds(medianSeconds(ours)),
      milliseconds(median(peers.flatMap(({ forwards }) => forwards))),
      forward.toFixed(2),
      style('published'),
      style('lean'),
    ];
  });
  const head = ['method', 'threads', 'ours ms', 'forward ms', '/ forward', '/ published', '/ lean'];
  return table(head, rows, 1);
}
