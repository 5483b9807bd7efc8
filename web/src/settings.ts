/** Step 3: the settings of a run, read from the form and checked where they are written. */
import type { Method, NormStatistics } from '../../src/backend/backend.js';
import { count } from '../../src/cli/text.js';
import type { Preset } from '../../src/io/data/options.js';
import { keepCount } from '../../src/prune/schedule.js';
import { byId } from './dom.js';
import type { ModelSummary, RunOptions } from './protocol.js';

const HELP: Readonly<Record<string, string>> = {
  px: 'the paper’s bound: one pass over the data',
  'px-joint': 'path by path: also back over the data',
  batch: 'statistics of each micro-batch, measured anew',
  running: 'statistics stored in the model',
};

export class Settings {
  readonly form = byId<HTMLFormElement>('settings');
  /** Of all tensors that can be pruned. */
  #weights = 0;

  constructor() {
    for (const name of ['method', 'norm']) {
      const select = byId<HTMLSelectElement>(name);
      const explain = () => {
        byId(`${name}-help`).textContent = HELP[select.value] ?? '';
      };
      select.addEventListener('change', explain);
      explain();
    }
    this.form.addEventListener('input', ({ target }) => (target as Element).removeAttribute('aria-invalid'));
    byId('density').addEventListener('input', () => this.#explainDensity());
  }

  /** Tells what the density means for the model that is loaded. */
  setModel(model: ModelSummary | undefined): void {
    const open = model?.tensors.filter((tensor) => !tensor.gateOnly) ?? [];
    this.#weights = open.reduce((sum, { weights }) => sum + weights, 0);
    this.#explainDensity();
  }

  #explainDensity(): void {
    const share = byId<HTMLInputElement>('density').valueAsNumber / 100;
    const known = this.#weights > 0 && share > 0 && share <= 1;
    byId('density-help').textContent = known
      ? `of the weights: ${count(keepCount(this.#weights, share, 1, 1))} of ${count(this.#weights)}`
      : 'of the weights, in percent';
  }

  get preset(): Preset | undefined {
    return (this.#select('preset') || undefined) as Preset | undefined;
  }

  /** @throws Error naming the first field that is wrong, which gets the focus */
  options(): RunOptions {
    const microBatch = this.#number('micro-batch', true);
    const perClass = this.#number('per-class', true);
    const limit = this.#number('limit', true);
    const exclude = byId<HTMLInputElement>('exclude')
      .value.split(',')
      .map((glob) => glob.trim())
      .filter((glob) => glob !== '');
    return {
      method: this.#select('method') as Method,
      norm: this.#select('norm') as NormStatistics,
      ...(microBatch !== undefined && { microBatch }),
      ...(perClass !== undefined && { perClass }),
      ...(limit !== undefined && { limit }),
      skipBad: byId<HTMLInputElement>('skip-bad').checked,
      density: this.#number('density', false)! / 100,
      rounds: this.#number('rounds', true)!,
      keepFirstLast: byId<HTMLInputElement>('keep-first-last').checked,
      floor: this.#number('floor', true) ?? 0,
      ...(exclude.length > 0 && { exclude }),
    };
  }

  #select(id: string): string {
    return byId<HTMLSelectElement>(id).value;
  }

  /** Undefined where an optional field is empty: one with a placeholder is optional. */
  #number(id: string, whole: boolean): number | undefined {
    const input = byId<HTMLInputElement>(id);
    const { validity, value, min, max, placeholder } = input;
    const empty = value === '' && !validity.badInput;
    if (empty && placeholder !== '') return undefined;
    const number = Number(value);
    const low = Number(min);
    const high = max === '' ? Number.POSITIVE_INFINITY : Number(max);
    if (
      !empty &&
      !validity.badInput &&
      number >= low &&
      number <= high &&
      (!whole || Number.isInteger(number))
    ) {
      return number;
    }
    input.setAttribute('aria-invalid', 'true');
    const more = input.closest('details');
    if (more) more.open = true;
    input.focus();
    const label = this.form.querySelector(`label[for="${id}"]`)?.textContent ?? id;
    const kind = whole ? 'a whole number' : 'a number';
    const bounds = max === '' ? `${min} or more` : `from ${min} to ${max}`;
    throw new Error(`“${label}” must be ${kind}, ${bounds}.`);
  }
}
