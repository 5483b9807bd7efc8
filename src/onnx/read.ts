import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { PxError } from '../errors.js';
import { allocateBytes } from '../io/allocate.js';
import { openRegularFile } from '../io/open-file.js';
import { decodeModel } from './decode.js';
import { externalFiles, externalPath } from './external.js';
import type { OnnxModel } from './proto.js';

/** Protobuf messages end at 2 GiB; larger models keep their weights in external files. */
const MAX_FILE_BYTES = 2 ** 31 - 1;
const CHUNK_BYTES = 4 << 20;

/**
 * Reads and decodes an ONNX file.
 *
 * @param source a path, or the file's bytes (kept, not copied: they must not change)
 * @returns the model, and the SHA-256 that identifies it: of the file, and where there is external data of the file's digest
 *   followed by the digest of every external file in order of location
 * @throws PxError ERR_IO when it cannot be read, ERR_FILE when it is not a complete ONNX file
 */
export async function readModel(source: string | Uint8Array): Promise<{ model: OnnxModel; sha256: string }> {
  if (typeof source !== 'string') {
    const model = decodeModel(source);
    return { model, sha256: createHash('sha256').update(source).digest('hex') };
  }
  const { bytes, digest } = await readFile(source);
  const model = { ...decodeModel(bytes, source), external: externalFiles(source) };
  return { model, sha256: await withExternalFiles(model, digest) };
}

async function readFile(file: string): Promise<{ bytes: Uint8Array; digest: string }> {
  try {
    const { handle, size } = await openRegularFile(file);
    try {
      if (size === 0) throw new PxError('ERR_FILE', `${file} is empty`);
      if (size > MAX_FILE_BYTES) {
        throw new PxError(
          'ERR_FILE',
          `${file} has ${size} bytes; an ONNX file ends at 2 GiB and keeps larger weights in external data`,
        );
      }
      const bytes = allocateBytes(size, file);
      const hash = createHash('sha256');
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(
          bytes,
          done,
          Math.min(CHUNK_BYTES, bytes.length - done),
          done,
        );
        if (bytesRead === 0) throw new PxError('ERR_FILE', `${file} became shorter while it was read`);
        hash.update(bytes.subarray(done, done + bytesRead));
        done += bytesRead;
      }
      return { bytes, digest: hash.digest('hex') };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof PxError) throw error;
    throw new PxError('ERR_IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function withExternalFiles(model: OnnxModel, digest: string): Promise<string> {
  const files = new Map<string, string>();
  for (const tensor of model.tensors.values()) {
    if (tensor.payload.kind === 'external')
      files.set(tensor.payload.location, externalPath(model, tensor.name, tensor.payload));
  }
  if (files.size === 0) return digest;
  const all = createHash('sha256').update(digest);
  for (const [, file] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const hash = createHash('sha256');
    try {
      for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES }))
        hash.update(chunk as Uint8Array);
    } catch (error) {
      throw new PxError('ERR_IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
    }
    all.update(hash.digest('hex'));
  }
  return all.digest('hex');
}
