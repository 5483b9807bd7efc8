/**
 * path-exclusion/browser: PX scoring and pruning without Node; for a page, better still its worker.
 *
 *   const backend = await webgpuBackend(navigator.gpu);
 *   const model = await loadModel(file);                                    // a Blob, or bytes
 *   const data = await openDataset([{ path: 'cat.jpg', blob }], { shape: model.inputShape });
 *   const result = await prune(model, data, { backend, density: 0.1, rounds: 20 });
 *   const bytes = prunedModel(model, result.masks).model;                   // masksFile(model, result) for the masks
 *
 * Nothing here reads or sends anything by itself: what goes in is what you pass, and results come back as bytes.
 */
export type { LayerReport, Role } from './analysis/layers.js';
export type { Backend, Log2Scalars, Method, NormStatistics } from './backend/backend.js';
export { type WebGpuBackend, type WebGpuOptions, webgpuBackend } from './backend/webgpu/index.js';
export { masksFile, type PrunedModel, prunedModel, scoresFile } from './browser/files.js';
export { type BrowserLoadOptions, type BrowserModel, loadModel } from './browser/load-model.js';
export { type BrowserSource, type GivenFile, openDataset, type Samples } from './browser/open-dataset.js';
export { randomSamples } from './browser/random-samples.js';
export {
  type BrowserPruneOptions,
  type BrowserPruneResult,
  type BrowserScoreOptions,
  prune,
  score,
} from './browser/run.js';
export { EXIT_CODES, PxError, type PxErrorCode } from './errors.js';
export type { DatasetOptions } from './io/data/options.js';
export type { Dataset, SampleInfo } from './io/data/types.js';
export { MODEL_NAMES, type ModelName, type NewModelOptions, newModel } from './models/new-model.js';
export { syntheticImages } from './models/synthetic-images.js';
export type { MaskMap } from './prune/options.js';
export type { Progress } from './prune/progress.js';
export type { RoundRecord } from './prune/rounds.js';
export type { ScoreResult } from './prune/score.js';
export { VERSION } from './version.js';
