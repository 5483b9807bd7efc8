import { PxError } from '../errors.js';
import type { RandomAccess } from '../io/random-access.js';

/** A file that a browser holds; `name` is for messages. */
export function blobAccess(blob: Blob, name: string): RandomAccess {
  return {
    name,
    size: blob.size,
    read: async (position, length) => {
      const bytes = await readBlob(blob.slice(position, position + length), name);
      if (bytes.length < length) {
        const end = position + bytes.length;
        throw new PxError(
          'ERR_FILE',
          `${name}: ends at byte ${end}, before ${position + length}; is it truncated?`,
        );
      }
      return bytes;
    },
    close: async () => {},
  };
}

/** @throws PxError ERR_IO where the file changed or went away since it was chosen, or is too large */
export async function readBlob(blob: Blob, name: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PxError('ERR_IO', `cannot read ${name}: ${reason}; choose it again`, { cause: error });
  }
}
