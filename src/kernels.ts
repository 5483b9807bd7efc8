/**
 * path-exclusion/kernels: the parts other tools call directly, below files and options.
 *
 *   const program = await cpuBackend().compile(plan, weights, { method: 'px', norm: 'batch' });
 *   program.setMasks(masks);
 *   const { scores, log2 } = await scoreRound(program, [{ x, samples }]);
 *   const next = selectTopK(scores, masks, keepCount(n, 0.1, 1, 100));
 *   program.dispose();
 */
export type {
  Backend,
  CompileOptions,
  Log2Scalars,
  MemoryReport,
  Method,
  NormStatistics,
  Program,
  PushResult,
  RoundOptions,
  RoundResult,
} from './backend/backend.js';
export { cpuBackend } from './backend/native/cpu.js';
export { type NodeWebGpuOptions, webgpuBackend } from './backend/webgpu/node.js';
export type { WebGpuBackend } from './backend/webgpu/types.js';
export { PxError, type PxErrorCode } from './errors.js';
export { splitMicroBatches } from './io/data/micro-batch.js';
export { type LoadedModel, type LoadOptions, loadModel } from './plan/load.js';
export type * from './plan/plan.js';
export {
  countKept,
  forEachKept,
  fullMask,
  isKept,
  maskBytes,
  masksEqual,
  packMask,
  unpackMask,
} from './prune/masks.js';
export { type MicroBatch, type RoundControl, scoreRound } from './prune/round.js';
export { keepCount, keepSchedule } from './prune/schedule.js';
export { type SelectOptions, selectTopK } from './prune/select.js';
