import { PxError } from '../errors.js';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../io/safetensors.js';
import type { PlanParam } from '../plan/plan.js';
import type { MaskMap } from './options.js';
import { maskTensors } from './result-tensors.js';

/** Writes masks as safetensors: one U8 tensor of 0/1 per prunable parameter, in its shape. @throws PxError ERR_IO */
export async function writeMasks(
  path: string,
  params: readonly PlanParam[],
  masks: MaskMap,
  metadata: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  await writeSafetensors(path, maskTensors(params, masks), metadata, signal);
}

/** Masks as a file holds them. */
export interface MaskFile {
  /** In the order of the file. */
  readonly masks: ReadonlyMap<string, Uint8Array>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Prunable tensors of the model that the file does not name. */
  readonly missing: readonly string[];
}

/**
 * Reads masks for a model's prunable tensors; a tensor that the file does not name counts as all ones.
 *
 * @throws PxError ERR_MISMATCH listing every tensor that is not the model's or has another shape or type, ERR_FILE, ERR_IO
 */
export async function readMasks(
  path: string,
  params: readonly PlanParam[],
): Promise<Map<string, Uint8Array>> {
  return new Map((await readMaskFile(path, params, { partial: true })).masks);
}

/**
 * As `readMasks`, with what else the file says; unless `partial`, a prunable tensor that it does not name is a mismatch too.
 *
 * @throws PxError as `readMasks`
 */
export async function readMaskFile(
  path: string,
  params: readonly PlanParam[],
  { partial }: { readonly partial: boolean },
): Promise<MaskFile> {
  const file = await openSafetensors(path);
  try {
    const missing = params.map((param) => param.name).filter((name) => !file.has(name));
    const problems = [
      ...misfits(file, params),
      ...(partial ? [] : missing.map((name) => `prunable tensor '${name}' has no mask`)),
    ];
    if (problems.length > 0) {
      const shown = problems.slice(0, LISTED);
      if (problems.length > LISTED) shown.push(`and ${problems.length - LISTED} more`);
      throw new PxError(
        'ERR_MISMATCH',
        `${path} does not fit the model (px inspect lists its tensors); use masks made for this model:\n  ${shown.join('\n  ')}`,
      );
    }
    const masks = new Map<string, Uint8Array>();
    for (const name of file.names) {
      const values = await file.read(name);
      masks.set(name, new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength));
    }
    return { masks, metadata: file.metadata, missing };
  } finally {
    await file.close();
  }
}

/** Most tensors one message names. */
const LISTED = 20;

/** What is wrong with the file's tensors, one line each. */
function misfits(file: SafetensorsFile, params: readonly PlanParam[]): string[] {
  const shapes = new Map(params.map((param) => [param.name, param.shape]));
  return file.names.flatMap((name) => {
    const { dtype, shape } = file.info(name);
    const expected = shapes.get(name);
    const fits = String(expected) === String(shape) && (dtype === 'U8' || dtype === 'BOOL');
    if (expected !== undefined && fits) return [];
    const wanted = expected ? `U8 [${expected.join(', ')}]` : 'no prunable tensor of that name';
    return [`mask '${name}' is ${dtype} [${shape.join(', ')}], the model has ${wanted}`];
  });
}
