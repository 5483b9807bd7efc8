import { PxError } from '../errors.js';
import { decodeModel } from '../onnx/decode.js';
import { externalBytes } from '../onnx/external-data.js';
import type { OnnxModel } from '../onnx/proto.js';
import { type LoadedModel, type LoadOptions, prepareModel } from '../plan/prepare.js';
import { readBlob } from './blob-access.js';
import { sha256 } from './sha256.js';

export interface BrowserLoadOptions extends LoadOptions {
  /** The file's name, for messages. */
  readonly name?: string;
  /** The model's data files, by the location the model gives them or by their bare name. Those it does not name are left aside. */
  readonly externalData?: ReadonlyMap<string, Blob | Uint8Array>;
}

export interface BrowserModel extends LoadedModel {
  /** The data files the model names and that were given, by location. */
  readonly externalFiles: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads an ONNX model and prepares it for scoring. What it keeps of `source` must not change while the model is in use.
 *
 * @throws PxError ERR_FILE (malformed), ERR_UNSUPPORTED (every node that cannot be treated, at once), ERR_OPTION (unknown output, input
 *   size open, data file not given), ERR_NUMERIC (a weight that is NaN or infinite), ERR_IO
 */
export async function loadModel(
  source: Blob | Uint8Array | ArrayBuffer,
  options: BrowserLoadOptions = {},
): Promise<BrowserModel> {
  const { name, externalData, ...loadOptions } = options;
  const what = name ?? 'the model';
  const bytes = await bytesOf(source, what);
  if (bytes.length === 0) throw new PxError('ERR_FILE', `${what} is empty`);
  const decoded = decodeModel(bytes, name);
  const externalFiles = await findExternal(decoded, externalData ?? new Map());
  const model = { ...decoded, external: externalBytes(externalFiles) };
  return { ...(await prepareModel(model, identify(bytes, externalFiles), loadOptions)), externalFiles };
}

/** As readModel (onnx/read.ts) identifies a model: files in order of location. */
function identify(bytes: Uint8Array, externalFiles: ReadonlyMap<string, Uint8Array>): string {
  const digest = digestOf(bytes);
  if (externalFiles.size === 0) return digest;
  const all = sha256();
  all.update(digest);
  for (const [, file] of [...externalFiles].sort(([a], [b]) => (a < b ? -1 : 1))) all.update(digestOf(file));
  return all.digest('hex');
}

function digestOf(bytes: Uint8Array): string {
  const hash = sha256();
  hash.update(bytes);
  return hash.digest('hex');
}

async function findExternal(
  model: OnnxModel,
  given: ReadonlyMap<string, Blob | Uint8Array>,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const { payload } of model.tensors.values()) {
    if (payload.kind !== 'external' || found.has(payload.location)) continue;
    const { location } = payload;
    const file = given.get(location) ?? given.get(location.slice(location.lastIndexOf('/') + 1));
    if (file !== undefined) found.set(location, await bytesOf(file, location));
  }
  return found;
}

async function bytesOf(source: Blob | Uint8Array | ArrayBuffer, name: string): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return source instanceof ArrayBuffer ? new Uint8Array(source) : readBlob(source, name);
}
