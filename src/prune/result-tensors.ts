/** What the files of masks and scores hold: docs/formats.md. */
import type { SafeTensor } from '../io/safetensors-bytes.js';
import type { PlanParam } from '../plan/plan.js';
import { VERSION } from '../version.js';
import type { Configuration } from './configuration.js';
import type { MaskMap } from './options.js';
import type { ScoreResult } from './score.js';

/** One U8 tensor of 0/1 per prunable parameter, in its shape. */
export function maskTensors(params: readonly PlanParam[], masks: MaskMap): Map<string, SafeTensor> {
  return new Map(params.map(({ name, shape }) => [name, { dtype: 'U8', shape, data: masks.get(name)! }]));
}

/** What a masks file says about its origin. `density` is the share of countable weights kept. */
export function maskMetadata(
  configuration: Configuration,
  density: number,
  roundsDone: number,
): Record<string, string> {
  const { version, modelSha256, method, norm, microBatch, dataDigest, backend } = configuration;
  return {
    version,
    model_sha256: modelSha256,
    method,
    density: String(density),
    rounds: String(roundsDone),
    norm,
    micro_batch: String(microBatch),
    data_digest: dataDigest,
    backend,
  };
}

/** One F32 tensor of S/R per prunable parameter, in its shape. */
export function scoreTensors(
  params: readonly PlanParam[],
  scores: ReadonlyMap<string, Float32Array>,
): Map<string, SafeTensor> {
  return new Map(params.map(({ name, shape }) => [name, { dtype: 'F32', shape, data: scores.get(name)! }]));
}

/** What a scores file says about its origin, and the log2 scalars. */
export function scoreMetadata(modelSha256: string, result: ScoreResult): Record<string, string> {
  const { R, Jfv2, Jvt2 } = result.log2;
  return {
    version: VERSION,
    model_sha256: modelSha256,
    method: result.method,
    norm: result.norm,
    micro_batch: String(Math.max(...result.microBatches)),
    samples: String(result.samples),
    data_digest: result.dataDigest,
    backend: result.backendDescription,
    log2_R: String(R),
    ...(Jfv2 !== undefined && { log2_Jfv2: String(Jfv2) }),
    ...(Jvt2 !== undefined && { log2_Jvt2: String(Jvt2) }),
  };
}
