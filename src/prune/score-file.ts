import { type SafeTensor, writeSafetensors } from '../io/safetensors.js';
import type { PlanParam } from '../plan/plan.js';
import { VERSION } from '../version.js';
import type { ScoreResult } from './score.js';

/** Writes S/R as safetensors, one F32 tensor per prunable parameter, log2 scalars in the metadata. @throws PxError ERR_IO */
export async function writeScores(
  path: string,
  params: readonly PlanParam[],
  modelSha256: string,
  result: ScoreResult,
): Promise<void> {
  const tensors = new Map<string, SafeTensor>(
    params.map(({ name, shape }) => [name, { dtype: 'F32', shape, data: result.scores.get(name)! }]),
  );
  const { R, Jfv2, Jvt2 } = result.log2;
  await writeSafetensors(path, tensors, {
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
  });
}
