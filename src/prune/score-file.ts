import { writeSafetensors } from '../io/safetensors.js';
import type { PlanParam } from '../plan/plan.js';
import { scoreMetadata, scoreTensors } from './result-tensors.js';
import type { ScoreResult } from './score.js';

/** Writes S/R as safetensors, one F32 tensor per prunable parameter, log2 scalars in the metadata. @throws PxError ERR_IO */
export async function writeScores(
  path: string,
  params: readonly PlanParam[],
  modelSha256: string,
  result: ScoreResult,
): Promise<void> {
  await writeSafetensors(path, scoreTensors(params, result.scores), scoreMetadata(modelSha256, result));
}
