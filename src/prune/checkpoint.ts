import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PxError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { ioError, systemCode } from '../io/os-error.js';
import { encodeSafetensors, readSafetensors, type SafeTensor } from '../io/safetensors.js';
import type { PlanParam } from '../plan/plan.js';
import { type Configuration, requireSameConfiguration } from './configuration.js';
import { FILES } from './folder.js';
import { maskBytes } from './masks.js';
import type { PruneState, RoundRecord } from './rounds.js';

/**
 * A checkpoint is one safetensors file, so that it is replaced as a whole or not at all: packed masks by parameter index, and the
 * configuration and round records as JSON in its metadata.
 */

/** Replaces the folder's checkpoint. @throws PxError ERR_IO */
export async function writeCheckpoint(
  folder: string,
  configuration: Configuration,
  state: PruneState,
): Promise<void> {
  const tensors = new Map<string, SafeTensor>();
  const add = (prefix: string, masks: readonly Uint8Array[] | undefined) =>
    masks?.forEach((data, id) => {
      tensors.set(`${prefix}/${id}`, { dtype: 'U8', shape: [data.length], data });
    });
  add('masks', state.masks);
  add('last-good', state.lastGood);
  const metadata = { configuration: JSON.stringify(configuration), rounds: JSON.stringify(state.rounds) };
  await writeFileAtomic(join(folder, FILES.checkpoint), encodeSafetensors(tensors, metadata));
}

/**
 * Reads the state to go on from; undefined where the folder holds no checkpoint.
 *
 * @throws PxError ERR_MISMATCH where its run was started with another configuration, ERR_FILE where it is damaged, ERR_IO
 */
export async function readCheckpoint(
  folder: string,
  params: readonly PlanParam[],
  wanted: Configuration,
): Promise<PruneState | undefined> {
  const path = join(folder, FILES.checkpoint);
  let content: Awaited<ReturnType<typeof readSafetensors>>;
  try {
    content = await readSafetensors(path);
  } catch (error) {
    if (error instanceof PxError && systemCode(error.cause) === 'ENOENT') return undefined;
    throw error;
  }
  const { tensors, metadata } = content;
  requireSameConfiguration(folder, parseJson(metadata.configuration, path), wanted);
  const masks = collect(tensors, 'masks', params, path);
  if (masks === undefined) throw damaged(path);
  const rounds = parseJson(metadata.rounds, path) as RoundRecord[];
  return { masks, lastGood: collect(tensors, 'last-good', params, path), rounds };
}

/** Removes the folder's checkpoint, where there is one. @throws PxError ERR_IO */
export async function removeCheckpoint(folder: string): Promise<void> {
  const path = join(folder, FILES.checkpoint);
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw ioError(error, 'remove', path);
  }
}

function collect(
  tensors: ReadonlyMap<string, SafeTensor>,
  prefix: string,
  params: readonly PlanParam[],
  path: string,
) {
  if (!tensors.has(`${prefix}/0`)) return undefined;
  return params.map(({ size }, id) => {
    const data = tensors.get(`${prefix}/${id}`)?.data;
    if (!(data instanceof Uint8Array) || data.length !== maskBytes(size)) throw damaged(path);
    return data;
  });
}

function parseJson(text: string | undefined, path: string): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    throw damaged(path);
  }
}

function damaged(path: string): PxError {
  return new PxError('ERR_FILE', `${path} is damaged: start over with --force or in another folder`);
}
