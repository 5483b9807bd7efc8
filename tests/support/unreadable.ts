import type { Plan } from '../../src/plan/plan.js';

/** Arrays for the scores, as a round before may leave them: whatever they hold has to be replaced. */
export function unreadable(plan: Plan): Float32Array[] {
  return plan.params.map(({ size }) => new Float32Array(size).fill(Number.NaN));
}
