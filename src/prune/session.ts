import { estimateMemory, largestMicroBatch } from '../analysis/memory.js';
import type { Backend, Program } from '../backend/backend.js';
import { PxError } from '../errors.js';
import type { Dataset } from '../io/data/types.js';
import type { Plan } from '../plan/plan.js';
import type { ValidScoreOptions } from './options.js';
import type { MicroBatch } from './round.js';

/** What scoring needs of a model: `LoadedModel` (plan/load.ts) is one. */
export interface ScorableModel {
  readonly plan: Plan;
  /** Values of `plan.params`, in that order, stored layout. */
  readonly weights: readonly Float32Array[];
  readonly sha256: string;
}

/** What scoring needs of a data set. */
export type ScoringData = Pick<Dataset, 'length' | 'samples' | 'notes' | 'skipped' | 'digest' | 'batches'>;

/**
 * @param available bytes of memory that are free; unknown: only a limit that was asked for is checked
 * @throws PxError ERR_MEMORY naming the micro-batch that would fit, where the largest of `sizes` does not
 */
export function checkMemory(
  plan: Plan,
  sizes: readonly number[],
  options: ValidScoreOptions,
  available: number | undefined,
): void {
  const microBatch = Math.max(...sizes);
  // A GPU's memory is not the machine's: its backend says itself what it cannot hold.
  if (options.memoryLimit === undefined && options.backend?.name === 'webgpu') return;
  const limit = options.memoryLimit ?? available ?? Number.POSITIVE_INFINITY;
  const needed = estimateMemory(plan, { method: options.method, microBatch }).total;
  if (needed <= limit) return;
  const fits = largestMicroBatch(plan, options.method, microBatch, limit);
  const where = options.memoryLimit === undefined ? 'are available' : 'is the limit';
  const remedy =
    fits > 0
      ? `--micro-batch ${fits} would fit${options.norm === 'batch' ? " (under norm 'batch' it changes the result, so it is never changed unasked)" : ''}`
      : 'even a micro-batch of 1 does not fit: use a machine with more memory or a smaller input size';
  throw new PxError(
    'ERR_MEMORY',
    `a micro-batch of ${microBatch} samples needs up to ${decimal(needed)}, but ${decimal(limit)} ${where}; ${remedy}`,
  );
}

/** Pairs the data's micro-batches with their sizes. */
export async function* microBatches(
  data: ScoringData,
  sizes: readonly number[],
  signal: AbortSignal | undefined,
): AsyncGenerator<MicroBatch> {
  let i = 0;
  for await (const x of data.batches(sizes, signal)) yield { x, samples: sizes[i++]! };
  if (i !== sizes.length)
    throw new PxError('ERR_DATA', `the data set gave ${i} micro-batches instead of ${sizes.length}`);
}

/** Compiles the model for one run; the caller disposes the program. */
export function compile(
  model: ScorableModel,
  backend: Backend,
  options: ValidScoreOptions,
): Promise<Program> {
  const { method, norm, threads } = options;
  return backend.compile(model.plan, model.weights, {
    method,
    norm,
    ...(threads !== undefined && { threads }),
  });
}

function decimal(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}
