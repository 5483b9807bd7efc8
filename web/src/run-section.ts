/** Step 3, at work: starting, watching and cancelling a run. */
import { count, duration, percent } from '../../src/cli/text.js';
import type { DataSection } from './data-section.js';
import { byId } from './dom.js';
import { type Engine, EngineError } from './engine.js';
import { clearError, showError } from './message.js';
import type { Device, ModelSummary, News, RunRequest } from './protocol.js';
import type { ResultSection } from './result-section.js';
import type { Settings } from './settings.js';

export class RunSection {
  readonly #prune = byId<HTMLButtonElement>('prune');
  readonly #score = byId<HTMLButtonElement>('score');
  readonly #cancel = byId<HTMLButtonElement>('cancel');
  readonly #progress = byId('progress');
  readonly #bar = this.#progress.querySelector('progress')!;
  readonly #figures = this.#progress.querySelector('p')!;
  readonly #status = byId('status');
  readonly #error = byId('run-error');
  #model: ModelSummary | undefined;
  #device = false;
  #name = 'Looking for a graphics device…';
  #running = false;
  #left = '';
  #announced = 0;

  constructor(
    private readonly engine: Engine,
    private readonly data: DataSection,
    private readonly settings: Settings,
    private readonly result: ResultSection,
  ) {
    settings.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#start('prune');
    });
    this.#score.addEventListener('click', () => this.#start('score'));
    this.#cancel.addEventListener('click', () => {
      this.#figures.textContent = 'Stopping…';
      engine.cancel();
    });
  }

  setModel(model: ModelSummary | undefined): void {
    this.#model = model;
    this.settings.setModel(model);
    this.result.hide();
    this.#enable();
  }

  setDevice(device: Device): void {
    this.#device = device.present;
    this.#name = device.present
      ? `on ${device.description}${device.software ? ', software and so slow' : ''}`
      : 'no graphics device';
    this.#enable();
  }

  news(news: News): void {
    if (!this.#running) return;
    if (news.kind === 'data') this.data.opened(news);
    else if (news.kind === 'kept') this.#noteKept(news.kept);
    else this.#show(news.progress);
  }

  #enable(): void {
    const ready = this.#model !== undefined && this.#device && !this.#running;
    const hint = this.#device && this.#model === undefined ? ' · choose a model first' : '';
    byId('device').textContent = this.#name + hint;
    this.#prune.disabled = !ready;
    this.#score.disabled = !ready;
    this.#cancel.hidden = !this.#running;
    this.#progress.hidden = !this.#running;
  }

  async #start(action: RunRequest['action']): Promise<void> {
    if (this.#model === undefined || !this.#device || this.#running) return;
    clearError(this.#error);
    let request: RunRequest;
    try {
      request = { action, data: this.data.choice(this.settings.preset), options: this.settings.options() };
    } catch (error) {
      showError(this.#error, 'A setting is not right.', error);
      return;
    }
    this.result.hide();
    this.#begin();
    try {
      const run = await this.engine.ask('run', request);
      this.#end(`${action === 'prune' ? 'Pruned' : 'Scored'} in ${duration(run.seconds)}.`);
      this.result.show(run);
    } catch (error) {
      const cancelled = error instanceof EngineError && error.code === 'ERR_ABORTED';
      this.#end(cancelled ? 'Cancelled.' : 'Stopped by an error.');
      if (cancelled) this.#figures.textContent = 'Cancelled.';
      else showError(this.#error, action === 'prune' ? 'Pruning stopped.' : 'Scoring stopped.', error);
      (action === 'prune' ? this.#prune : this.#score).focus();
    }
  }

  #begin(): void {
    this.#running = true;
    this.#left = '';
    this.#announced = 0;
    this.#bar.removeAttribute('value');
    this.#figures.textContent = 'Reading the data and preparing the device…';
    this.#enable();
    this.#cancel.focus(); // the button that was pressed is disabled now
    this.#status.textContent = 'Started.';
  }

  #end(words: string): void {
    this.#running = false;
    this.#enable();
    this.#status.textContent = words;
  }

  #noteKept(kept: readonly number[]): void {
    const tensors = this.#model!.tensors;
    const all = tensors.reduce((sum, { weights }) => sum + weights, 0);
    const left = kept.reduce((sum, value) => sum + value, 0);
    this.#left = `${count(left)} weights left (${percent(left / all)})`;
  }

  #show({
    phase,
    round,
    rounds,
    done,
    total,
    elapsedSeconds,
    remainingSeconds,
  }: Extract<News, { kind: 'progress' }>['progress']): void {
    this.#bar.value = done / total;
    const where =
      phase === 'check' ? 'Scoring what is left' : rounds === 1 ? 'Scoring' : `Round ${round} of ${rounds}`;
    const time =
      remainingSeconds === undefined
        ? `${duration(elapsedSeconds)} gone`
        : `${duration(elapsedSeconds)} gone, about ${duration(remainingSeconds)} left`;
    this.#figures.textContent = [where, this.#left, time].filter((part) => part !== '').join(' · ');
    // Aloud only now and then.
    const tenth = Math.floor((10 * done) / total);
    if (tenth > this.#announced && tenth < 10) this.#status.textContent = `${where}, ${10 * tenth} percent.`;
    this.#announced = tenth;
  }
}
