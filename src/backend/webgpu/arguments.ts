import { PxError } from '../../errors.js';
import type { PlanParam } from '../../plan/plan.js';

/** @throws PxError ERR_OPTION unless there is one mask a parameter, each of its length */
export function checkMasks(params: readonly PlanParam[], masks: readonly Uint8Array[]): void {
  if (masks.length !== params.length)
    throw new PxError('ERR_OPTION', `setMasks: ${params.length} masks expected, ${masks.length} given`);
  params.forEach(({ name, size }, i) => {
    const mask: unknown = masks[i];
    const bytes = Math.ceil(size / 8);
    if (mask instanceof Uint8Array && mask.length === bytes) return;
    const given = mask instanceof Uint8Array ? `${mask.length} bytes` : typeof mask;
    const wanted = `a Uint8Array of ${bytes} bytes (packMask makes one)`;
    throw new PxError('ERR_OPTION', `setMasks: the mask of '${name}' must be ${wanted}, not ${given}`);
  });
}

/** @throws PxError ERR_OPTION unless `x` holds `samples` samples of `size` numbers */
export function checkSamples(x: unknown, samples: number, size: number): void {
  if (!Number.isInteger(samples) || samples < 1)
    throw new PxError('ERR_OPTION', `push: samples is ${samples}; it must be a whole number, 1 or more`);
  if (x instanceof Float32Array && x.length === samples * size) return;
  const given = x instanceof Float32Array ? `${x.length}` : typeof x;
  throw new PxError(
    'ERR_OPTION',
    `push: ${samples} samples take a Float32Array of ${samples * size} numbers, not ${given}`,
  );
}
