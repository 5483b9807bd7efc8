import type { PlanParam } from '../plan/plan.js';

/** What a run does with a tensor: `pruned` ones compete, the others stay as they are and count for nothing. */
export type Role = 'pruned' | 'gate-only' | 'excluded';

/** One prunable tensor in a report. */
export interface LayerReport {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: Role;
  readonly weights: number;
  readonly kept: number;
  /** kept / weights. */
  readonly density: number;
  /** Σ S_j / R over the tensor: the share of R that its paths carry. A layer that all paths cross once has 1. */
  readonly scoreShare: number;
}

/** One row per prunable tensor, in parameter order. `kept[i]` and `scores[i]` belong to `params[i]`. */
export function reportLayers(
  params: readonly PlanParam[],
  roles: readonly Role[],
  kept: readonly number[],
  scores: readonly Float32Array[],
): LayerReport[] {
  return params.map((param, id) => ({
    name: param.name,
    shape: param.shape,
    role: roles[id]!,
    weights: param.size,
    kept: kept[id]!,
    density: kept[id]! / param.size,
    scoreShare: sum(scores[id]!),
  }));
}

function sum(values: Float32Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
