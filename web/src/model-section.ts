/** Step 1: the model, and what of it can be pruned. */
import { bytes, count, plural, shapeOf } from '../../src/cli/text.js';
import { breakable, byId, make } from './dom.js';
import type { Engine } from './engine.js';
import { acceptChoice, acceptDrops, type PathFile } from './files.js';
import { clearError, showError } from './message.js';
import type { ModelChoice, ModelSummary, TensorSummary } from './protocol.js';

const OPS: Readonly<Record<string, string>> = {
  conv: 'convolution',
  'conv-transpose': 'transposed convolution',
  dense: 'dense',
};

export class ModelSection {
  readonly #summary = byId('model-summary');
  readonly #error = byId('model-error');
  readonly #tensors = byId<HTMLDetailsElement>('tensors');
  /** The newest choice; answers to older ones come too late. */
  #latest = 0;

  /** @param onModel gets the model once it is read; undefined while there is none */
  constructor(
    private readonly engine: Engine,
    private readonly onModel: (model: ModelSummary | undefined) => void,
  ) {
    acceptChoice('model-file', (files) => this.take(files));
    byId('example').addEventListener('click', () => this.#load({ kind: 'example' }, 'the example'));
    acceptDrops(byId('model-drop'), (files) => this.take(files));
  }

  /** Of several files the .onnx is the model (else the only one), the others are its data. */
  take(files: readonly PathFile[]): void {
    const onnx = files.filter(({ path }) => /\.onnx$/i.test(path));
    const model = onnx[0] ?? (files.length === 1 ? files[0] : undefined);
    if (files.length === 0) return;
    if (model === undefined || onnx.length > 1) {
      const what =
        onnx.length > 1 ? `${onnx.length} .onnx files` : `${files.length} files, none of them an .onnx`;
      showError(
        this.#error,
        'Which one is the model?',
        `These are ${what}: give one .onnx file, with its data files.`,
      );
      return;
    }
    const external = files.filter((file) => file !== model).map(({ blob }) => blob);
    this.#load({ kind: 'files', model: model.blob, external }, model.blob.name);
  }

  async #load(choice: ModelChoice, name: string): Promise<void> {
    const turn = ++this.#latest;
    clearError(this.#error);
    this.#tensors.hidden = true;
    this.#summary.textContent = `Reading ${name}…`;
    this.onModel(undefined);
    try {
      const model = await this.engine.ask('load', choice);
      if (turn !== this.#latest) return;
      this.#show(model);
      this.onModel(model);
    } catch (error) {
      if (turn !== this.#latest) return;
      this.#summary.textContent = '';
      showError(this.#error, `${name} cannot be used.`, error);
    }
  }

  #show({ name, bytes: size, inputShape, tensors, warnings }: ModelSummary): void {
    const open = tensors.filter((tensor) => !tensor.gateOnly);
    const weights = open.reduce((sum, tensor) => sum + tensor.weights, 0);
    this.#summary.replaceChildren(
      make(
        'p',
        {},
        make('span', { class: 'name' }, name),
        ` · ${bytes(size)} · input ${shapeOf(inputShape)} · ${plural(weights, 'weight')} in ${plural(open.length, 'tensor')} can be pruned`,
      ),
      ...warnings.map((warning) => make('p', { class: 'warn' }, warning)),
    );
    this.#tensors.hidden = tensors.length === 0;
    this.#tensors.querySelector('summary')!.textContent = `The ${plural(tensors.length, 'tensor')}`;
    this.#tensors.querySelector('tbody')!.replaceChildren(...tensors.map(tensorRow));
  }
}

function tensorRow({ name, shape, weights, op, gateOnly }: TensorSummary): HTMLTableRowElement {
  const layer = OPS[op] ?? op;
  const role = gateOnly ? `${layer}, gate-only: stays dense` : layer;
  return make(
    'tr',
    {},
    make('th', { scope: 'row' }, ...breakable(name)),
    // On a phone the role goes below the shape (style.css).
    make('td', { class: 'shape', 'data-role': role }, shapeOf(shape)),
    make('td', { class: 'figure' }, count(weights)),
    make('td', { class: gateOnly ? 'wide dim' : 'wide' }, role),
  );
}
