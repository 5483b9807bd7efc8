/** What the device has summed up, as the numbers of a RoundResult. */
import { PxError } from '../../errors.js';
import type { Plan } from '../../plan/plan.js';
import { TOTAL_WORDS } from './kernels.js';
import { lift, ScaledSum } from './numbers.js';
import { sizeOf } from './places.js';

/** @throws PxError ERR_NUMERIC, by the status slot, naming the first node of f that was not finite */
export function checkFinite({ steps }: Plan, slots: ArrayBuffer): void {
  const status = new Uint32Array(slots, 0, 1)[0]!;
  if (status === 0) return;
  const culprit = status > steps.length ? undefined : steps[steps.length - status];
  const what = culprit
    ? `node '${culprit.name}' is the first to produce NaN or infinity`
    : 'the input holds NaN or infinity';
  throw new PxError(
    'ERR_NUMERIC',
    `f is not finite: ${what}; check the preprocessing (--mean, --std, --scale) and the weights`,
  );
}

/** The totals with these numbers, each an exponent and the parts of a sum. @throws PxError ERR_NUMERIC */
export function sumOfTotals(totals: DataView, indices: readonly number[]): ScaledSum {
  const all = new ScaledSum();
  for (const i of indices) {
    const at = 4 * TOTAL_WORDS * i;
    let sum = 0;
    for (let p = 1; p < TOTAL_WORDS; p++) sum += totals.getFloat32(at + 4 * p, true);
    if (!Number.isFinite(sum))
      throw new PxError('ERR_NUMERIC', 'R is not finite; check the weights for NaN or infinity');
    all.add(sum, totals.getInt32(at, true));
  }
  return all;
}

/** u per output, the largest over all of them 1. slots: per slot, the largest value as float32, and an exponent. */
export function scaledOutputs(
  plan: Plan,
  sums: readonly ({ readonly values: Float32Array; readonly slot: number } | undefined)[],
  slots: DataView,
): Float32Array[] {
  const exponents = sums.map((s) => {
    if (!s) return Number.NEGATIVE_INFINITY;
    const largest = slots.getFloat32(8 * s.slot, true);
    return largest > 0 ? slots.getInt32(8 * s.slot + 4, true) - lift(largest) : Number.NEGATIVE_INFINITY;
  });
  const top = Math.max(...exponents);
  const scaled = sums.map((s, k) => {
    const size = sizeOf(plan.values[plan.outputs[k]!.value]!.shape);
    if (!s || exponents[k] === Number.NEGATIVE_INFINITY) return new Float64Array(size);
    const power = slots.getInt32(8 * s.slot + 4, true) - top;
    return Float64Array.from(s.values, (v) => v * 2 ** Math.max(power, -1000));
  });
  let largest = 0;
  for (const values of scaled) for (const v of values) largest = Math.max(largest, v);
  return scaled.map((values) => Float32Array.from(values, (v) => (largest > 0 ? v / largest : 0)));
}
