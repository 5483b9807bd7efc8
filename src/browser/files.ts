/** What a run leaves, as the bytes of files: the same formats that `px` writes. */
import { encodeSafetensors } from '../io/safetensors-bytes.js';
import { prunedExternal } from '../onnx/masked-range.js';
import { prunedPieces } from '../onnx/patch-pieces.js';
import type { MaskMap } from '../prune/options.js';
import type { PruneResult } from '../prune/result.js';
import { maskMetadata, maskTensors, scoreMetadata, scoreTensors } from '../prune/result-tensors.js';
import type { ScoreResult } from '../prune/score.js';
import { packMasks } from '../prune/start.js';
import type { BrowserModel } from './load-model.js';
import type { BrowserPruneResult } from './run.js';

/** masks.safetensors: one U8 tensor of 0/1 per prunable parameter. */
export function masksFile({ plan }: BrowserModel, result: PruneResult): Uint8Array {
  const { configuration, kept, countable, rounds } = result;
  const metadata = maskMetadata(configuration, kept / countable, rounds.length);
  return encodeSafetensors(maskTensors(plan.params, result.masks), metadata);
}

/** scores.safetensors: S/R, one F32 tensor per prunable parameter, of a scoring or of what pruning left. */
export function scoresFile(model: BrowserModel, result: ScoreResult | BrowserPruneResult): Uint8Array {
  const origin = 'configuration' in result ? { ...result, ...originOf(result) } : result;
  return encodeSafetensors(
    scoreTensors(model.plan.params, result.scores),
    scoreMetadata(model.sha256, origin),
  );
}

function originOf({ configuration }: PruneResult) {
  const { method, norm, samples, dataDigest, backend } = configuration;
  return { method, norm, samples, dataDigest, backendDescription: backend };
}

export interface PrunedModel {
  /** The input file with masked weights zeroed, everything else byte for byte as it was. */
  readonly model: Uint8Array;
  /** Its data files, where it has any, by location. */
  readonly externalFiles: ReadonlyMap<string, Uint8Array>;
}

/**
 * The pruned model: masked weights zero, each tensor's density in the metadata.
 *
 * @throws PxError ERR_MISMATCH where masks do not fit the model, ERR_UNSUPPORTED where tensors share bytes
 */
export function prunedModel(model: BrowserModel, masks: MaskMap): PrunedModel {
  const { params } = model.plan;
  const packed = packMasks(params, masks);
  const bits = new Map(params.map(({ name }, id) => [name, packed[id]!]));
  return {
    model: concatenate([...prunedPieces(model.onnx, bits)]),
    externalFiles: prunedExternal(model.onnx, bits, model.externalFiles),
  };
}

function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
