import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { PxError } from '../errors.js';
import { allocateBytes } from '../io/allocate.js';
import { type ExternalData, keeps, withoutFile } from './external-data.js';
import type { ExternalPayload, OnnxModel } from './proto.js';

/**
 * The real path of a tensor's external file. It must lie inside the model's folder, also after symbolic links are
 * followed: a model from a stranger must not make us read (or, for the writer, copy) files elsewhere.
 *
 * @param tensor name, for messages
 * @throws PxError ERR_FILE for an unsafe location or a file too short, ERR_IO when it cannot be read
 */
export function externalPath(
  model: Pick<OnnxModel, 'file'>,
  tensor: string,
  payload: ExternalPayload,
): string {
  const { location, offset, length } = payload;
  const of = keeps(tensor, payload);
  if (model.file === undefined) throw withoutFile(tensor, payload);
  const parts = location.split(/[\\/]/);
  if (
    path.isAbsolute(location) ||
    /^[A-Za-z]:/.test(location) ||
    parts.includes('..') ||
    location.includes('\0')
  ) {
    throw new PxError('ERR_FILE', `${model.file}: ${of}; only files inside the model's folder are read`);
  }
  const folder = path.dirname(path.resolve(model.file));
  let real: string;
  let size: number;
  let root: string;
  try {
    root = realpathSync(folder);
    real = realpathSync(path.join(folder, location));
    const stat = statSync(real);
    if (!stat.isFile()) throw new Error('it is not a regular file');
    size = stat.size;
  } catch (error) {
    throw new PxError('ERR_IO', `${model.file}: ${of}, which cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (!real.startsWith(root.endsWith(path.sep) ? root : root + path.sep)) {
    throw new PxError(
      'ERR_FILE',
      `${model.file}: ${of}, a link out of the model's folder; copy the file into it`,
    );
  }
  if (offset + length > size) {
    throw new PxError(
      'ERR_FILE',
      `${model.file}: ${of} at bytes ${offset} to ${offset + length}, but it has ${size} bytes`,
    );
  }
  return real;
}

/** The data files of the model at path `file`. */
export function externalFiles(file: string): ExternalData {
  return {
    readNow: (tensor, payload) => readNow(externalPath({ file }, tensor, payload), tensor, payload),
    read: async (tensor, payload) => read(externalPath({ file }, tensor, payload), tensor, payload),
  };
}

function readNow(file: string, tensor: string, payload: ExternalPayload): Uint8Array {
  const out = allocateBytes(payload.length, `${file}: tensor "${tensor}"`);
  const handle = openSync(file, 'r');
  try {
    for (let done = 0; done < out.length; ) {
      const bytesRead = readSync(handle, out, done, out.length - done, payload.offset + done);
      if (bytesRead === 0) throw cutOff(file, tensor);
      done += bytesRead;
    }
  } finally {
    closeSync(handle);
  }
  return out;
}

async function read(file: string, tensor: string, payload: ExternalPayload): Promise<Uint8Array> {
  const out = allocateBytes(payload.length, `${file}: tensor "${tensor}"`);
  const handle: FileHandle = await open(file, 'r');
  try {
    for (let done = 0; done < out.length; ) {
      const length = Math.min(out.length - done, 64 << 20);
      const { bytesRead } = await handle.read(out, done, length, payload.offset + done);
      if (bytesRead === 0) throw cutOff(file, tensor);
      done += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return out;
}

function cutOff(file: string, tensor: string): PxError {
  return new PxError(
    'ERR_FILE',
    `${file} ended while tensor "${tensor}" was read; was it changed meanwhile?`,
  );
}
