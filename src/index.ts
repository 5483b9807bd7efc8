/**
 * path-exclusion: PX pruning of ONNX vision models.
 *
 *   const model = await loadModel('model.onnx');
 *   const data = await openDataset(['photos/'], { shape: model.inputShape });
 *   const { masks } = await prune(model, data, { density: 0.1, rounds: 100 });
 *   await writeModel(model, masks, 'pruned.onnx');
 */
import type { Backend } from './backend/backend.js';
import { cpuBackend } from './backend/native/cpu.js';
import { type DataSource, openDataset } from './io/data/open-dataset.js';
import type { Dataset } from './io/data/types.js';
import type { LoadedModel } from './plan/load.js';
import { isKept } from './prune/masks.js';
import { nodeHost } from './prune/node-host.js';
import type { MaskMap, PruneOptions, ScoreOptions } from './prune/options.js';
import { writePrunedModel } from './prune/output.js';
import { runPrune } from './prune/prune.js';
import type { PruneResult } from './prune/result.js';
import { runScore, type ScoreResult } from './prune/score.js';
import { packMasks } from './prune/start.js';

export type { LayerReport, Role } from './analysis/layers.js';
export type { Backend, Log2Scalars, Method, NormStatistics } from './backend/backend.js';
export { type NodeWebGpuOptions, webgpuBackend } from './backend/webgpu/node.js';
export type { WebGpuBackend } from './backend/webgpu/types.js';
export { EXIT_CODES, PxError, type PxErrorCode } from './errors.js';
export { type DataSource, openDataset } from './io/data/open-dataset.js';
export type { DatasetOptions } from './io/data/options.js';
export type { Dataset, SampleInfo } from './io/data/types.js';
export { MODEL_NAMES, type ModelName, type NewModelOptions, newModel } from './models/new-model.js';
export { inspectModel as inspect } from './plan/inspect.js';
export { type LoadedModel, type LoadOptions, loadModel } from './plan/load.js';
export type { Configuration } from './prune/configuration.js';
export { readMasks, writeMasks } from './prune/mask-file.js';
export type { MaskMap, PruneOptions, ScoreOptions } from './prune/options.js';
export type { Progress } from './prune/progress.js';
export type { PruneResult } from './prune/result.js';
export type { RoundRecord } from './prune/rounds.js';
export type { ScoreResult } from './prune/score.js';
export { type MappedMask, type MappedMasks, mapMasks } from './prune/state-dict/map.js';
export { VERSION } from './version.js';

/** An open data set, or what to make one of: paths, arrays or (async) iterables of samples, with default options. */
export type Data = Dataset | DataSource | readonly DataSource[];

/**
 * Scores every prunable weight once: its share S_j / R in the bound of the NTK's trace.
 *
 * @param data samples of the model's input shape; what is given as path or iterable is opened, walked and closed here
 * @throws PxError ERR_OPTION, ERR_DATA, ERR_MISMATCH (masks of another model), ERR_MEMORY, ERR_ABORTED, ERR_BACKEND, ERR_NUMERIC
 */
export async function score(
  model: LoadedModel,
  data: Data,
  options: ScoreOptions = {},
): Promise<ScoreResult> {
  return withDataset(model, data, options.signal, (dataset) =>
    runScore(model, dataset, withBackend(options), nodeHost),
  );
}

/**
 * Prunes the model in rounds to the given density: score, keep the best, repeat. The model itself does not change.
 *
 * With `options.out` the folder holds a checkpoint after every round and masks, pruned model and run.json in the end.
 *
 * @param data as for `score`
 * @throws PxError as `score`; ERR_NETWORK_CUT (the last good masks are its `cause.masks`), ERR_STATE (folder in use), ERR_IO
 */
export async function prune(model: LoadedModel, data: Data, options: PruneOptions): Promise<PruneResult> {
  return withDataset(model, data, options.signal, (dataset) =>
    runPrune(model, dataset, withBackend(options)),
  );
}

/**
 * The weights a pruned model has: copies of the model's prunable tensors, stored layout, with 0 where the mask is 0.
 *
 * @param masks one byte a weight by tensor name; tensors that are not named keep everything
 * @throws PxError ERR_MISMATCH where masks do not fit the model
 */
export function applyMasks(model: LoadedModel, masks: MaskMap): Map<string, Float32Array> {
  const packed = packMasks(model.plan.params, masks);
  return new Map(
    model.plan.params.map(({ name }, id) => [
      name,
      model.weights[id]!.map((weight, j) => (isKept(packed[id]!, j) ? weight : 0)),
    ]),
  );
}

/**
 * Writes the pruned model: the input file with masked weights zeroed in place, everything else byte for byte as it was, and each
 * tensor's density in the metadata.
 *
 * @returns paths of all files written; external data lies beside the model
 * @throws PxError ERR_MISMATCH where masks do not fit the model, ERR_OPTION where `path` is the input model, ERR_IO
 */
export async function writeModel(model: LoadedModel, masks: MaskMap, path: string): Promise<string[]> {
  packMasks(model.plan.params, masks);
  return writePrunedModel(model, masks, path);
}

function withBackend<T extends { readonly backend?: Backend | undefined }>(
  options: T,
): T & { backend: Backend } {
  return { ...options, backend: options.backend ?? cpuBackend() };
}

async function withDataset<T>(
  model: LoadedModel,
  data: Data,
  signal: AbortSignal | undefined,
  use: (dataset: Dataset) => Promise<T>,
): Promise<T> {
  if (isDataset(data)) return use(data);
  const sources = Array.isArray(data) ? (data as readonly DataSource[]) : [data as DataSource];
  const target = { shape: model.plan.values[model.plan.input]!.shape };
  const dataset = await openDataset(sources, target, signal ? { signal } : {});
  try {
    return await use(dataset);
  } finally {
    await dataset.close();
  }
}

function isDataset(data: Data): data is Dataset {
  return typeof data === 'object' && 'batches' in data && 'digest' in data;
}
