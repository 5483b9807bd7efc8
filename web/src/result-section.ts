/** Step 4: what came out, and its files. */
import { count, duration, percent, plural } from '../../src/cli/text.js';
import { drawHistogram } from './chart.js';
import { breakable, byId, make } from './dom.js';
import type { Engine } from './engine.js';
import { clearError, showError } from './message.js';
import type { Download, ResultFile, RunSummary } from './protocol.js';

export class ResultSection {
  readonly #section = byId('result');
  readonly #rows = byId('layers').querySelector('tbody')!;
  readonly #figure = byId('histogram');
  readonly #of = byId<HTMLSelectElement>('histogram-of');
  #shown: RunSummary | undefined;

  constructor(private readonly engine: Engine) {
    for (const button of byId('downloads').querySelectorAll('button')) {
      button.addEventListener('click', () => this.#download(button.dataset.file as ResultFile));
    }
    this.#of.addEventListener('change', () => this.#draw());
    let width = 0;
    new ResizeObserver(() => {
      if (this.#figure.clientWidth === width) return;
      width = this.#figure.clientWidth;
      this.#draw();
    }).observe(this.#figure);
  }

  hide(): void {
    this.#shown = undefined;
    this.#section.hidden = true;
  }

  show(run: RunSummary): void {
    this.#shown = run;
    this.#section.hidden = false;
    clearError(byId('download-error'));
    const pruned = run.action === 'prune';
    byId('result-name').textContent = pruned ? 'The pruned network' : 'The scores';
    byId('result-summary').textContent = summary(run);
    byId('result-figures').replaceChildren(...facts(run));
    for (const button of byId('downloads').querySelectorAll('button')) {
      button.hidden = !pruned && button.dataset.file !== 'scores';
      button.classList.toggle('primary', button.dataset.file === (pruned ? 'model' : 'scores'));
    }
    this.#rows.replaceChildren(...run.layers.map(layerRow));
    this.#of.replaceChildren(
      make('option', { value: 'all' }, 'all tensors'),
      ...run.layers.map(({ name }, id) => make('option', { value: id }, name)),
    );
    this.#draw();
    byId('result-title').focus();
  }

  #draw(): void {
    const run = this.#shown;
    if (run === undefined) return;
    const of = this.#of.value === 'all' ? run.layers.map((_, id) => id) : [Number(this.#of.value)];
    drawHistogram(this.#figure, run.histograms, of);
  }

  async #download(what: ResultFile): Promise<void> {
    const place = byId('download-error');
    clearError(place);
    try {
      for (const file of await this.engine.ask('file', what)) save(file);
    } catch (error) {
      showError(place, 'The file cannot be made.', error);
    }
  }
}

/** Hands a file to the browser's downloads. */
function save({ name, blob }: Download): void {
  const url = URL.createObjectURL(blob);
  const link = make('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has opened it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function summary({ action, samples, noise, seconds, backend, rounds }: RunSummary): string {
  const on = noise ? `${plural(samples, 'sample')} of random noise` : plural(samples, 'sample');
  const what = action === 'prune' ? `Pruned in ${plural(rounds.length, 'round')}` : 'Scored once';
  const caution = noise ? ' Noise is no data: for masks worth keeping, give images.' : '';
  return `${what} on ${on}, in ${duration(seconds)}, by ${backend}.${caution}`;
}

function facts({ kept, countable, log2 }: RunSummary): HTMLElement[] {
  const fact = (name: readonly Part[], ...value: Part[]) =>
    make('div', {}, make('dt', {}, ...name), make('dd', {}, ...value));
  const norm = (of: string) => ['‖J', make('sub', {}, of), of === 'v' ? ' f‖²' : ' v‖²'];
  return [
    fact(['Weights kept'], count(kept), make('small', {}, `of ${count(countable)}`)),
    fact(['Density'], percent(kept / countable)),
    fact(['R'], ...power(log2.R)),
    ...(log2.Jfv2 === undefined ? [] : [fact(norm('v'), ...power(log2.Jfv2))]),
    ...(log2.Jvt2 === undefined ? [] : [fact(norm('θ'), ...power(log2.Jvt2))]),
  ];
}

type Part = Node | string;

/** A number too large to be written out, as a power of 2. */
function power(log2: number): Part[] {
  return log2 === Number.NEGATIVE_INFINITY
    ? ['0']
    : ['2', make('sup', {}, log2.toFixed(2).replace('-', '−'))];
}

function layerRow({
  name,
  role,
  weights,
  kept,
  density,
  scoreShare,
}: RunSummary['layers'][number]): HTMLElement {
  const filled = make('span');
  filled.style.width = `${100 * density}%`;
  const bar = make('span', { class: role === 'pruned' ? 'bar' : 'bar still', 'aria-hidden': 'true' }, filled);
  return make(
    'tr',
    {},
    make(
      'th',
      { scope: 'row' },
      ...breakable(name),
      role === 'pruned' ? undefined : make('span', { class: 'dim' }, ` (${role})`),
    ),
    make('td', {}, bar, make('span', { class: 'percent' }, percent(density))),
    make('td', { class: 'figure wide' }, `${count(kept)} of ${count(weights)}`),
    make('td', { class: 'figure wide' }, percent(scoreShare)),
  );
}
