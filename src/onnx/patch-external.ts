/** External data of a pruned model: every data file is copied beside the new model, masked elements zeroed on the way. */
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PxError } from '../errors.js';
import type { AtomicWriter } from '../io/atomic.js';
import { openAtomic } from '../io/atomic.js';
import { ioError, systemCode } from '../io/os-error.js';
import { readRange } from '../io/read-range.js';
import { externalPath } from './external.js';
import { type MaskedRange, refuseSharedBytes, zeroOverlap } from './masked-range.js';
import type { ExternalPayload, OnnxModel, TensorRecord } from './proto.js';
import type { MaskBits } from './zero-elements.js';

/** Bytes copied at a time. */
const PIECE = 16 * 1024 * 1024;

export interface ExternalFile {
  readonly from: string;
  readonly to: string;
  readonly masked: readonly MaskedRange[];
}

/**
 * One entry per data file that any tensor of the model refers to; targets lie beside `path`. ERR_OPTION where a target would be the
 * new model itself, ERR_UNSUPPORTED where a masked tensor shares bytes with another one.
 */
export function planExternalFiles(
  model: OnnxModel,
  masks: ReadonlyMap<string, MaskBits>,
  path: string,
): ExternalFile[] {
  const files = new Map<
    string,
    { from: string; tensors: { tensor: TensorRecord; payload: ExternalPayload }[] }
  >();
  for (const tensor of model.tensors.values()) {
    const { payload } = tensor;
    if (payload.kind !== 'external') continue;
    const to = join(dirname(path), payload.location);
    if (resolve(to) === resolve(path)) {
      throw new PxError(
        'ERR_OPTION',
        `${path} is also the name of the model's external data; choose another name`,
      );
    }
    const file = files.get(to) ?? { from: externalPath(model, tensor.name, payload), tensors: [] };
    file.tensors.push({ tensor, payload });
    files.set(to, file);
  }
  return [...files].map(([to, { from, tensors }]) => {
    tensors.sort((a, b) => a.payload.offset - b.payload.offset);
    refuseSharedBytes(from, tensors, masks);
    const masked = tensors.flatMap(({ tensor, payload }) => {
      const mask = masks.get(tensor.name);
      return mask ? [{ tensor, payload, mask }] : [];
    });
    return { from, to, masked };
  });
}

/** Copies a data file; the writer returned is complete but not committed. ERR_OPTION where source and target are one file, ERR_IO. */
export async function copyExternal(
  { from, to, masked }: ExternalFile,
  signal?: AbortSignal,
): Promise<AtomicWriter> {
  await refuseSameFile(from, to);
  await mkdir(dirname(to), { recursive: true }).catch((error: unknown) => {
    throw ioError(error, 'write', to);
  });
  const source = await open(from, 'r').catch((error: unknown) => {
    throw ioError(error, 'read', from);
  });
  let writer: AtomicWriter | undefined;
  try {
    const { size } = await source.stat();
    writer = await openAtomic(to, signal);
    for (let at = 0; at < size; at += PIECE) {
      const bytes = await readRange(source, from, at, Math.min(PIECE, size - at));
      for (const range of masked) zeroOverlap(bytes, at, range);
      await writer.write(bytes);
    }
    return writer;
  } catch (error) {
    await writer?.discard();
    throw ioError(error, 'copy', from);
  } finally {
    await source.close();
  }
}

/** Input files are never modified, whatever names or links lead to them. ERR_OPTION. */
export async function refuseSameFile(input: string, output: string): Promise<void> {
  const identity = async (path: string): Promise<string | undefined> => {
    try {
      const { dev, ino } = await stat(path, { bigint: true });
      return `${dev}:${ino}`;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw ioError(error, 'read', path);
    }
  };
  const existing = await identity(output);
  if (existing !== undefined && existing === (await identity(input))) {
    throw new PxError(
      'ERR_OPTION',
      `writing ${output} would overwrite the input ${input}; choose another folder`,
    );
  }
}
