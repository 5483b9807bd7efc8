import type { Method } from '../backend/backend.js';
import type { LinearStep, Plan } from '../plan/plan.js';

/** Multiply-accumulates of one linear step on one sample; taps that fall into the padding count too. */
export function linearMacs(step: LinearStep): number {
  const perPosition = step.groups * step.inChannels * step.outChannels;
  const taps = step.spatial.reduce((product, axis) => product * axis.taps, 1);
  // A transposed convolution scatters every input position, the others gather every output position.
  const positions = step.spatial.reduce(
    (p, axis) => p * (step.op === 'conv-transpose' ? axis.inSize : axis.outSize),
    1,
  );
  return perPosition * taps * positions;
}

/** Multiply-accumulates of f on one sample, over all linear steps. */
export function forwardMacs(plan: Plan): number {
  return plan.steps.reduce((sum, step) => sum + (step.kind === 'linear' ? linearMacs(step) : 0), 0);
}

/**
 * Multiply-accumulates of one scoring round.
 *
 * px: f and h on every sample, then g once: forward, and backward with two upstreams (adjoint and parameter gradient).
 * px-joint: f and j on every sample, and j backward (adjoint and parameter gradient).
 */
export function roundMacs(plan: Plan, method: Method, samples: number): number {
  const once = forwardMacs(plan);
  return method === 'px' ? once * (2 * samples + 1 + 2 * 2) : once * 4 * samples;
}
