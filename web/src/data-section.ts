/** Step 2: what the network is shown. */
import { plural } from '../../src/cli/text.js';
import type { Preset } from '../../src/io/data/options.js';
import { byId, make } from './dom.js';
import { acceptChoice, acceptDrops, type PathFile } from './files.js';
import type { DataChoice, News } from './protocol.js';

/** Samples of noise where nothing was given. */
const NOISE = 32;

export class DataSection {
  readonly #summary = byId('data-summary');
  readonly #none = byId<HTMLButtonElement>('data-none');
  #files: readonly PathFile[] = [];
  #sample = false;

  constructor() {
    for (const id of ['data-files', 'data-folder']) acceptChoice(id, (files) => this.take(files));
    byId('data-sample').addEventListener('click', () => this.#choose([], true));
    this.#none.addEventListener('click', () => {
      this.#choose([], false);
      document.querySelector<HTMLElement>('[data-opens="data-files"]')?.focus(); // the button that had the focus is gone
    });
    acceptDrops(byId('data-drop'), (files) => this.take(files));
    this.#show();
  }

  /** Adds files to those there are. */
  take(files: readonly PathFile[]): void {
    if (files.length === 0) return;
    const all = new Map([...this.#files, ...files].map((file) => [file.path, file]));
    this.#choose([...all.values()], false);
  }

  choice(preset: Preset | undefined): DataChoice {
    if (this.#sample) return { kind: 'sample' };
    if (this.#files.length === 0) return { kind: 'noise', count: NOISE };
    return { kind: 'files', files: this.#files, ...(preset && { preset }) };
  }

  /** What the worker made of it. */
  opened({ samples, notes, skipped }: Extract<News, { kind: 'data' }>): void {
    const lines = [...notes, ...skipped.map(({ id, reason }) => `left out ${id}: ${reason}`)];
    this.#summary.replaceChildren(
      make('span', { class: 'name' }, plural(samples, 'sample')),
      ...(lines.length > 0 ? [make('ul', {}, ...lines.map((line) => make('li', {}, line)))] : []),
    );
  }

  #choose(files: readonly PathFile[], sample: boolean): void {
    this.#files = files;
    this.#sample = sample;
    this.#show();
  }

  #show(): void {
    this.#none.hidden = this.#files.length === 0 && !this.#sample;
    this.#summary.replaceChildren(...this.#text());
  }

  #text(): (Node | string)[] {
    const named = (name: string) => make('span', { class: 'name' }, name);
    if (this.#sample)
      return [
        named('100 drawn samples'),
        ': gratings, blobs and rings in ten classes, fitted to the model’s input.',
      ];
    if (this.#files.length === 0)
      return [
        named('No images yet'),
        `: ${NOISE} samples of random noise would stand in for them. That shows how it works; masks worth keeping need images.`,
      ];
    const [first] = this.#files;
    const more = this.#files.length - 1;
    return [named(first!.path), more > 0 ? ` and ${plural(more, 'more file', 'more files')}` : ''];
  }
}
