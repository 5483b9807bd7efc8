import { readModel } from '../onnx/read.js';
import { type LoadedModel, type LoadOptions, prepareModel } from './prepare.js';

export type { LoadedModel, LoadOptions } from './prepare.js';

/**
 * Reads an ONNX model and prepares it for scoring.
 *
 * @param source path, or the file's bytes (which must not change while the model is in use)
 * @throws PxError ERR_IO (unreadable), ERR_FILE (malformed), ERR_UNSUPPORTED (every node that cannot be treated, at once), ERR_OPTION
 *   (unknown output, input size open), ERR_NUMERIC (a weight that is NaN or infinite)
 */
export async function loadModel(
  source: string | Uint8Array,
  options: LoadOptions = {},
): Promise<LoadedModel> {
  const { model, sha256 } = await readModel(source);
  return prepareModel(model, sha256, options);
}
