/** safetensors files: opened lazily (any size), and written atomically as a stream. */

import { type AtomicWriter, writeAtomic } from './atomic.js';
import { withFileAccess } from './file-access.js';
import { layOut, type SafeTensor } from './safetensors-bytes.js';
import { readSafetensorsHeader, type SafetensorsFile } from './safetensors-reader.js';

export { decodeSafetensors, encodeSafetensors, type SafeTensor } from './safetensors-bytes.js';
export type { TensorInfo } from './safetensors-header.js';
export type { SafetensorsFile } from './safetensors-reader.js';

/** Opens a file and validates its header. ERR_IO, ERR_FILE. */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return withFileAccess(path, readSafetensorsHeader);
}

/** Reads all tensors of a file of moderate size. ERR_IO, ERR_FILE. */
export async function readSafetensors(
  path: string,
): Promise<{ tensors: Map<string, SafeTensor>; metadata: Readonly<Record<string, string>> }> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, SafeTensor>();
    for (const name of file.names) {
      const { dtype, shape } = file.info(name);
      tensors.set(name, { dtype, shape, data: await file.read(name) });
    }
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
}

/** Writes a file atomically, tensor by tensor: no second copy of the data is made. ERR_IO, ERR_OPTION. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<void> {
  const { header, parts } = layOut(tensors, metadata);
  const fill = async (writer: AtomicWriter) => {
    await writer.write(header);
    for (const part of parts) await writer.write(part);
  };
  await writeAtomic(path, fill, signal);
}
