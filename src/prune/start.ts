import { PxError } from '../errors.js';
import type { PlanParam } from '../plan/plan.js';
import { fullMask, packMask, unpackMask } from './masks.js';
import type { MaskMap } from './options.js';

/**
 * Packed masks in parameter order from masks by name; tensors that are not named keep everything.
 *
 * @throws PxError ERR_MISMATCH where a name is no prunable tensor of the model, a length differs, or a value is not 0 or 1
 */
export function packMasks(params: readonly PlanParam[], masks: MaskMap | undefined): Uint8Array[] {
  const known = new Set(params.map((param) => param.name));
  const unknown = [...(masks?.keys() ?? [])].filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new PxError(
      'ERR_MISMATCH',
      `masks for ${unknown.map((name) => `'${name}'`).join(', ')}: the model has no such prunable tensor; ` +
        'use masks made for this model (px inspect lists its tensors)',
    );
  }
  return params.map((param) => {
    const mask = masks?.get(param.name);
    if (mask === undefined) return fullMask(param.size);
    if (mask.length !== param.size) {
      throw new PxError(
        'ERR_MISMATCH',
        `the mask of '${param.name}' has ${mask.length} elements, the tensor ${param.size}: use masks made for this model`,
      );
    }
    const odd = mask.findIndex((value) => value > 1);
    if (odd >= 0) {
      throw new PxError(
        'ERR_MISMATCH',
        `element ${odd} of the mask of '${param.name}' is ${mask[odd]}: masks hold 0 and 1 only`,
      );
    }
    return packMask(mask);
  });
}

/** The inverse of `packMasks`. */
export function unpackMasks(
  params: readonly PlanParam[],
  packed: readonly Uint8Array[],
): Map<string, Uint8Array> {
  return new Map(params.map((param, id) => [param.name, unpackMask(packed[id]!, param.size)]));
}
