import { join } from 'node:path';
import { PxError } from '../errors.js';
import { writePruned } from '../onnx/patch.js';
import type { OnnxModel } from '../onnx/proto.js';
import { inPieces } from '../pieces.js';
import { type Configuration, requireSameConfiguration } from './configuration.js';
import { FILES } from './folder.js';
import { readMasks, writeMasks } from './mask-file.js';
import { packMask } from './masks.js';
import type { MaskMap } from './options.js';
import type { PruneResult, RunSummary } from './result.js';
import { maskMetadata } from './result-tensors.js';
import { type RecordedData, readRunRecord, writeRunRecord } from './run-record.js';
import type { ScorableModel } from './session.js';

/** What pruning needs of a model: `LoadedModel` (plan/load.ts) is one. */
export interface PrunableModel extends ScorableModel {
  readonly onnx: OnnxModel;
}

/** Writes masks, pruned model and, last, run.json into the run's folder. @throws PxError ERR_IO, ERR_ABORTED */
export async function writeFinishedRun(
  folder: string,
  model: PrunableModel,
  data: RecordedData,
  result: PruneResult,
  signal?: AbortSignal,
): Promise<void> {
  const { masks, kept, log2, layers, ...summary } = result;
  const masksPath = join(folder, FILES.masks);
  const metadata = maskMetadata(summary.configuration, kept / summary.countable, summary.rounds.length);
  await writeMasks(masksPath, model.plan.params, masks, metadata, signal);
  const written = await writePrunedModel(model, masks, join(folder, FILES.model), signal);
  const outcome = { status: 'done', kept, log2, layers } as const;
  await writeRunRecord(folder, model.onnx, data, summary, outcome, [masksPath, ...written], signal);
}

/** Writes the last good masks of a run whose network was cut, and a run.json that says so. @throws PxError ERR_IO */
export async function writeCutRun(
  folder: string,
  model: PrunableModel,
  data: RecordedData,
  summary: RunSummary,
  { masks, kept, reason }: { masks: MaskMap; kept: number; reason: string },
): Promise<void> {
  const path = join(folder, FILES.lastGood);
  const metadata = maskMetadata(summary.configuration, kept / summary.countable, summary.rounds.length - 1);
  await writeMasks(path, model.plan.params, masks, metadata);
  await writeRunRecord(folder, model.onnx, data, summary, { status: 'cut', reason }, [path]);
}

/**
 * The result of a run that had already ended when it was asked to resume; undefined where it had not.
 *
 * @throws PxError ERR_MISMATCH where it was started differently, ERR_NETWORK_CUT where it ended so
 */
export async function readFinishedRun(
  folder: string,
  model: PrunableModel,
  configuration: Configuration,
): Promise<PruneResult | undefined> {
  const record = await readRunRecord(folder);
  if (record === undefined) return undefined;
  requireSameConfiguration(folder, record.configuration, configuration);
  if (record.status === 'cut') {
    throw new PxError(
      'ERR_NETWORK_CUT',
      `the run in ${folder} has ended, the network was cut: ${record.reason}. Its last good masks are in ${FILES.lastGood}`,
    );
  }
  const { rounds, countable, microBatches, backend, seconds, kept, log2, layers } = record;
  if (kept === undefined || log2 === undefined || layers === undefined) {
    throw new PxError('ERR_FILE', `${join(folder, FILES.run)} is incomplete: prune again with --force`);
  }
  const masks = await readMasks(join(folder, FILES.masks), model.plan.params);
  return { masks, configuration, rounds, countable, microBatches, backend, seconds, kept, log2, layers };
}

/**
 * Writes the model with masked weights zeroed; each tensor's density goes into its metadata.
 *
 * @returns paths of all files written (external data lies beside the model)
 * @throws PxError ERR_IO, ERR_OPTION where `path` is the input model, ERR_ABORTED
 */
export async function writePrunedModel(
  model: PrunableModel,
  masks: MaskMap,
  path: string,
  signal?: AbortSignal,
): Promise<string[]> {
  return writePruned(model.onnx, await inPieces(packAll(masks), signal), path, {}, signal);
}

function* packAll(masks: MaskMap): Generator<undefined, Map<string, Uint8Array>> {
  const packed = new Map<string, Uint8Array>();
  for (const [name, mask] of masks) {
    packed.set(name, packMask(mask));
    yield;
  }
  return packed;
}
