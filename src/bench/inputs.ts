/** Seeded inputs: measurements repeat on the same numbers, and arithmetic does not get faster on zeros. */
import { type Uniform, uniformSource } from '../models/random.js';
import type { Plan, PlanParam } from '../plan/plan.js';
import { fullMask, maskBytes } from '../prune/masks.js';

/** Numbers of one sample of the Plan's input. */
export function inputSize(plan: Plan): number {
  return plan.values[plan.input]!.shape.reduce((product, size) => product * size, 1);
}

/** Uniform in [−1, 1). */
export function randomFloats(length: number, uniform: Uniform): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = 2 * uniform() - 1;
  return values;
}

/** Packed masks that keep each weight with the chance `density`; gate-only tensors stay whole. */
export function randomMasks(params: readonly PlanParam[], density: number, seed: number): Uint8Array[] {
  const uniform = uniformSource(seed);
  return params.map(({ size, gateOnly }) =>
    gateOnly || density === 1 ? fullMask(size) : randomMask(size, density, uniform),
  );
}

/** One packed mask. */
export function randomMask(size: number, density: number, uniform: Uniform): Uint8Array {
  const mask = new Uint8Array(maskBytes(size));
  for (let j = 0; j < size; j++) if (uniform() < density) mask[j >> 3]! |= 1 << (j & 7);
  return mask;
}

/** Numbers of input that a batch is filled up to: 128 images of 32×32, 16 of 224×224. */
const BATCH_NUMBERS = 16 * 3 * 224 * 224;

/** How many samples are measured together where nobody says. */
export function defaultBatch(plan: Plan): number {
  return Math.max(1, Math.min(128, Math.floor(BATCH_NUMBERS / inputSize(plan))));
}
