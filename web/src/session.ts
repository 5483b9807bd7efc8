/** The worker's side of the page: one model, one run at a time, the last result. */
import type { Backend } from '../../src/backend/backend.js';
import {
  type BrowserModel,
  type BrowserPruneResult,
  type Dataset,
  loadModel,
  masksFile,
  newModel,
  openDataset,
  PxError,
  prune,
  prunedModel,
  randomSamples,
  type ScoreResult,
  score,
  scoresFile,
  syntheticImages,
} from '../../src/browser.js';
import { histograms } from './histogram.js';
import { openBackend } from './open-backend.js';
import type {
  DataChoice,
  Device,
  Download,
  ModelChoice,
  ModelSummary,
  News,
  ResultFile,
  RunOptions,
  RunRequest,
  RunSummary,
} from './protocol.js';
import { watched } from './watch.js';

const EXAMPLE = 'resnet20.onnx';
const SEED = 1;
/** Ten images of each of ten classes, as `npm run demo` takes. */
const SAMPLES_PER_CLASS = 10;

type Result = ScoreResult | BrowserPruneResult;

export class Session {
  #model: { readonly loaded: BrowserModel; readonly name: string } | undefined;
  #result: Result | undefined;
  #backend: Backend | undefined;
  #running: AbortController | undefined;

  constructor(private readonly tell: (news: News) => void) {}

  async device(): Promise<Device> {
    const opened = await openBackend();
    if (!('backend' in opened)) return opened;
    this.#backend = opened.backend;
    const { description, software } = opened.backend;
    return { present: true, description, software };
  }

  async load(choice: ModelChoice): Promise<ModelSummary> {
    this.#result = undefined;
    const name = choice.kind === 'example' ? EXAMPLE : choice.model.name;
    const loaded =
      choice.kind === 'example'
        ? await loadModel(newModel('resnet20', { seed: SEED }), { name })
        : await loadModel(choice.model, {
            name,
            externalData: new Map(choice.external.map((file) => [file.name, file])),
          });
    this.#model = { loaded, name };
    return summarize(loaded, name);
  }

  cancel(): void {
    this.#running?.abort();
  }

  /** @throws PxError ERR_STATE where no model is loaded, no device open or another run goes on; and what the run raises */
  async run({ action, data: choice, options }: RunRequest): Promise<RunSummary> {
    const { loaded: model } = this.#need();
    if (this.#running) throw new PxError('ERR_STATE', 'a run is going on; cancel it first');
    const running = new AbortController();
    this.#running = running;
    this.#result = undefined;
    try {
      this.#backend ??= await this.#open();
      const data = await openData(choice, model, options, running.signal);
      this.tell({ kind: 'data', samples: data.length, notes: data.notes, skipped: data.skipped });
      return await this.#execute(action, choice.kind === 'noise', model, data, options, running.signal);
    } catch (error) {
      // What a device did once it is lost, it does not do again: the next run opens it anew.
      if (error instanceof PxError && error.code === 'ERR_BACKEND') this.#backend = undefined;
      throw error;
    } finally {
      this.#running = undefined;
    }
  }

  async #execute(
    action: RunRequest['action'],
    noise: boolean,
    model: BrowserModel,
    data: Dataset,
    options: RunOptions,
    signal: AbortSignal,
  ): Promise<RunSummary> {
    let first: readonly Float32Array[] | undefined;
    const backend = watched(this.#backend!, {
      masks: (kept) => this.tell({ kind: 'kept', kept }),
      // Pruning uses the arrays of one round again in the next.
      scored: ({ scores }) =>
        (first ??= action === 'score' ? scores : scores.map((values) => values.slice())),
    });
    const { method, norm, microBatch, density, rounds, keepFirstLast, floor, exclude } = options;
    const scoring = {
      backend,
      method,
      norm,
      microBatch,
      signal,
      onProgress: (progress: Extract<News, { kind: 'progress' }>['progress']) =>
        this.tell({ kind: 'progress', progress }),
    };
    const result =
      action === 'score'
        ? await score(model, data, scoring)
        : await prune(model, data, { ...scoring, density, rounds, keepFirstLast, floor, exclude });
    this.#result = result;
    const after = 'masks' in result ? [...result.scores.values()] : undefined;
    return {
      action,
      layers: result.layers,
      ...counts(result),
      log2: result.log2,
      samples: data.length,
      noise,
      backend: result.backend,
      seconds: result.seconds,
      histograms: histograms(first!, after),
    };
  }

  /** @throws PxError ERR_STATE where there is no such result */
  file(what: ResultFile): Download[] {
    const { loaded, name } = this.#need();
    const result = this.#result;
    if (result === undefined) throw new PxError('ERR_STATE', 'there is no result yet; score or prune first');
    const stem = name.replace(/\.onnx$/i, '');
    if (what === 'scores') return [download(`${stem}-scores.safetensors`, scoresFile(loaded, result))];
    if (!('masks' in result)) throw new PxError('ERR_STATE', 'nothing was pruned yet; prune first');
    if (what === 'masks') return [download(`${stem}-masks.safetensors`, masksFile(loaded, result))];
    const { model, externalFiles } = prunedModel(loaded, result.masks);
    // A data file keeps its name: the model refers to it.
    const data = [...externalFiles].map(([location, bytes]) =>
      download(location.replace(/^.*\//, ''), bytes),
    );
    return [download(`${stem}-pruned.onnx`, model), ...data];
  }

  #need() {
    if (this.#model === undefined) throw new PxError('ERR_STATE', 'no model is loaded; choose one first');
    return this.#model;
  }

  async #open(): Promise<Backend> {
    const opened = await openBackend();
    if ('backend' in opened) return opened.backend;
    throw new PxError('ERR_BACKEND', opened.message);
  }
}

function openData(
  choice: DataChoice,
  model: BrowserModel,
  { perClass, limit, skipBad }: RunOptions,
  signal: AbortSignal,
): Promise<Dataset> {
  const target = { shape: model.inputShape };
  const common = {
    signal,
    skipBad,
    ...(perClass !== undefined && { perClass }),
    ...(limit !== undefined && { limit }),
  };
  switch (choice.kind) {
    case 'noise':
      return openDataset([randomSamples(target, choice.count, SEED)], target, { signal });
    case 'sample': {
      const bytes = syntheticImages(SAMPLES_PER_CLASS, SEED) as Uint8Array<ArrayBuffer>;
      return openDataset([{ path: 'images.bin', blob: new Blob([bytes]) }], target, common);
    }
    case 'files':
      return openDataset(choice.files, target, {
        ...common,
        ...(choice.preset && { preset: choice.preset }),
      });
  }
}

function counts(result: Result): Pick<RunSummary, 'kept' | 'countable' | 'rounds'> {
  if ('masks' in result) return { kept: result.kept, countable: result.countable, rounds: result.rounds };
  const competing = result.layers.filter((layer) => layer.role === 'pruned');
  const sum = (of: 'kept' | 'weights') => competing.reduce((total, layer) => total + layer[of], 0);
  return { kept: sum('kept'), countable: sum('weights'), rounds: [] };
}

function summarize(
  { plan, onnx, inputShape, warnings, externalFiles }: BrowserModel,
  name: string,
): ModelSummary {
  const ops = new Map<number, string>();
  for (const step of plan.steps) {
    if (step.kind === 'linear' && !ops.has(step.weight.param)) ops.set(step.weight.param, step.op);
  }
  const external = [...externalFiles.values()].reduce((sum, file) => sum + file.length, 0);
  return {
    name,
    bytes: onnx.bytes.length + external,
    inputShape,
    tensors: plan.params.map(({ name: tensor, shape, size, gateOnly }, id) => ({
      name: tensor,
      shape,
      weights: size,
      op: ops.get(id) ?? '',
      gateOnly,
    })),
    warnings,
  };
}

function download(name: string, bytes: Uint8Array): Download {
  return { name, blob: new Blob([bytes as Uint8Array<ArrayBuffer>], { type: 'application/octet-stream' }) };
}
