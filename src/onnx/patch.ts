/** Writes a pruned model: patch-pieces.ts says what changes; here it goes to the disk, external data beside it. */
import { PxError } from '../errors.js';
import type { AtomicWriter } from '../io/atomic.js';
import { openAtomic } from '../io/atomic.js';
import { copyExternal, planExternalFiles, refuseSameFile } from './patch-external.js';
import { prunedPieces } from './patch-pieces.js';
import type { OnnxModel } from './proto.js';
import type { MaskBits } from './zero-elements.js';

export { DENSITY_KEY } from './patch-pieces.js';

/** The largest message protobuf can read back. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Writes `model` to `path` with the masked elements of the named tensors zero (all bits 0, whatever their type). `masks` maps tensor
 * names to bits, bit j & 7 of byte j >> 3 for element j in stored order, 1 = kept. `metadata` is added to metadata_props together
 * with each tensor's density; entries under the same keys are replaced. External data go to new files of the same names
 * beside `path`. Every file is written atomically, the model last.
 *
 * @returns paths of the files written, the model first
 * @throws PxError ERR_OPTION where `path` or an external file would overwrite the input, ERR_MISMATCH where a mask does not fit,
 *   ERR_UNSUPPORTED for tensors that cannot be masked, ERR_IO
 */
export async function writePruned(
  model: OnnxModel,
  masks: ReadonlyMap<string, MaskBits>,
  path: string,
  metadata: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<string[]> {
  const pieces = prunedPieces(model, masks, metadata);
  const external = planExternalFiles(model, masks, path);
  if (model.file !== undefined) await refuseSameFile(model.file, path);

  const writers: AtomicWriter[] = [await openAtomic(path, signal)];
  try {
    for (const file of external) writers.push(await copyExternal(file, signal));
    await writePieces(writers[0]!, pieces);
    // The model last: what it refers to is there by then.
    for (const finished of writers.toReversed()) await finished.commit();
  } catch (error) {
    for (const unfinished of writers) await unfinished.discard();
    throw error;
  }
  return [path, ...external.map((file) => file.to)];
}

async function writePieces(writer: AtomicWriter, pieces: Iterable<Uint8Array>): Promise<void> {
  for (const piece of pieces) await writer.write(piece);
  if (writer.position > MAX_FILE_BYTES) {
    throw new PxError(
      'ERR_FILE',
      `${writer.path}: with metadata the model exceeds protobuf's 2 GiB; save it with external data first`,
    );
  }
}
