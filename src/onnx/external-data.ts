/** Weights that a model keeps in other files, wherever these are. */
import { PxError } from '../errors.js';
import type { ExternalPayload } from './proto.js';

/** Reads a tensor's bytes from the file its payload names. `tensor` is for messages. */
export interface ExternalData {
  /** At once: for the small constants the importer needs while it walks the graph. @throws PxError ERR_FILE, ERR_IO, ERR_OPTION */
  readNow(tensor: string, payload: ExternalPayload): Uint8Array;
  /** Without blocking: for weights. @throws PxError as readNow */
  read(tensor: string, payload: ExternalPayload): Promise<Uint8Array>;
}

/** For a model that came as bytes alone. */
export const noExternalData: ExternalData = {
  readNow: (tensor, payload) => {
    throw withoutFile(tensor, payload);
  },
  read: async (tensor, payload) => noExternalData.readNow(tensor, payload),
};

/** Files held in memory, by the location that the model gives them, "/" between parts. */
export function externalBytes(files: ReadonlyMap<string, Uint8Array>): ExternalData {
  const readNow = (tensor: string, payload: ExternalPayload): Uint8Array => {
    const { location, offset, length } = payload;
    const bytes = files.get(location);
    if (bytes === undefined) {
      throw new PxError(
        'ERR_OPTION',
        `${keeps(tensor, payload)}, which was not given; give that file together with the model`,
      );
    }
    if (offset + length > bytes.length) {
      throw new PxError(
        'ERR_FILE',
        `${keeps(tensor, payload)} at bytes ${offset} to ${offset + length}, but it has ${bytes.length} bytes`,
      );
    }
    return bytes.slice(offset, offset + length);
  };
  return { readNow, read: async (tensor, payload) => readNow(tensor, payload) };
}

/** There is no folder to look into. */
export function withoutFile(tensor: string, payload: ExternalPayload): PxError {
  const remedy = 'but the model was given as bytes; give its path instead';
  return new PxError('ERR_OPTION', `${keeps(tensor, payload)}, ${remedy}`);
}

/** How messages about a tensor elsewhere begin. */
export function keeps(tensor: string, { location }: ExternalPayload): string {
  return `tensor "${tensor}" keeps its data in "${location}"`;
}
