/** Histograms of scores: decades across, counts up. */
import { count } from '../../src/cli/text.js';
import { draw, make } from './dom.js';
import type { Bins, Histograms } from './protocol.js';

const HEIGHT = 220;
const TOP = 14;
const BOTTOM = 34;
const LEFT = 8;

/** Draws one histogram, or two of them one before the other, into `figure`, as wide as that is. */
export function drawHistogram(figure: HTMLElement, histograms: Histograms, of: readonly number[]): void {
  const before = total(histograms.before, of);
  const after = histograms.after && total(histograms.after, of);
  const width = Math.max(240, figure.clientWidth);
  const { start, step } = histograms;
  const bins = before.counts.length;
  const most = Math.max(1, ...before.counts, ...(after?.counts ?? []));
  const x = (bin: number) => LEFT + (bin / bins) * (width - 2 * LEFT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);

  const svg = draw('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: 'img',
    'aria-label': describe(before, after, start, step),
  });
  for (const { value, label } of levels(most)) {
    svg.append(draw('line', { class: 'grid', x1: LEFT, x2: width - LEFT, y1: y(value), y2: y(value) }));
    svg.append(draw('text', { x: LEFT, y: y(value) - 4 }, label));
  }
  for (const [className, series] of [
    [after ? 'before' : 'alone', before],
    ['after', after],
  ] as const) {
    series?.counts.forEach((value, bin) => {
      if (value === 0) return;
      const bar = { x: x(bin) + 0.5, width: Math.max(1, x(bin + 1) - x(bin) - 1) };
      svg.append(draw('rect', { class: className, ...bar, y: y(value), height: HEIGHT - BOTTOM - y(value) }));
    });
  }
  svg.append(draw('line', { class: 'axis', x1: LEFT, x2: width - LEFT, y1: y(0), y2: y(0) }));
  for (const decade of decades(start, step * bins, width)) {
    const at = x((decade - start) / step);
    svg.append(draw('line', { class: 'axis', x1: at, x2: at, y1: y(0), y2: y(0) + 4 }));
    svg.append(
      draw(
        'text',
        { x: at, y: y(0) + 19, 'text-anchor': 'middle' },
        '10',
        draw('tspan', { dy: -5, 'font-size': 9 }, String(decade).replace('-', '−')),
      ),
    );
  }
  figure.replaceChildren(svg, caption(before, after));
}

function total(all: readonly Bins[], of: readonly number[]): Bins {
  const counts = all[0]!.counts.map((_, bin) => of.reduce((sum, id) => sum + all[id]!.counts[bin]!, 0));
  return { counts, zeros: of.reduce((sum, id) => sum + all[id]!.zeros, 0) };
}

/** Two or three round counts to read heights by. */
function levels(most: number): { value: number; label: string }[] {
  const unit = 10 ** Math.floor(Math.log10(most));
  const step = most / unit >= 5 ? 2 * unit : most / unit >= 2 ? unit : unit / 2;
  const found = [];
  for (let value = step; value <= most; value += step) {
    if (Number.isInteger(value)) found.push({ value, label: count(value) });
  }
  return found;
}

/** Whole decades, as many as there is room for. */
function decades(start: number, length: number, width: number): number[] {
  const every = Math.max(1, Math.ceil((length * 46) / width));
  const found = [];
  for (let decade = Math.ceil(start); decade <= start + length; decade++)
    if (decade % every === 0) found.push(decade);
  return found;
}

function caption(before: Bins, after: Bins | undefined): HTMLElement {
  const key = (className: string) => make('span', { class: `key ${className}` });
  const axes = 'Weights by their score, their share S/R in the whole, on a logarithmic axis.';
  const zeros = ({ zeros: value }: Bins) => (value === 0 ? '' : ` (${count(value)} more of score 0)`);
  if (!after) return make('figcaption', {}, `${axes}${zeros(before)}`);
  return make(
    'figcaption',
    {},
    make('span', { class: 'entry' }, key('before'), `before pruning${zeros(before)}`),
    make('span', { class: 'entry' }, key('after'), 'what is left, scored again'),
    make('p', {}, axes),
  );
}

/** The same in words. */
function describe(before: Bins, after: Bins | undefined, start: number, step: number): string {
  const span = ({ counts }: Bins) => {
    const first = counts.findIndex((value) => value > 0);
    if (first < 0) return 'no score above 0';
    const last = counts.findLastIndex((value) => value > 0);
    const top = counts.indexOf(Math.max(...counts));
    const at = (bin: number) => `10^${(start + step * bin).toFixed(1)}`;
    return `from ${at(first)} to ${at(last + 1)}, most around ${at(top + 0.5)}`;
  };
  if (!after) return `Histogram of scores: ${span(before)}.`;
  return `Histograms of scores. Before pruning: ${span(before)}. What is left: ${span(after)}.`;
}
