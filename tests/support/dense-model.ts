import type { LinearStep, Plan, PlanParam, PlanValue } from '../../src/plan/plan.js';
import { uniform } from './random.js';

/** [name, outputs, inputs, gate-only?] of one dense layer. */
export type Layer = readonly [name: string, outputs: number, inputs: number, gateOnly?: boolean];

/**
 * A chain of dense layers as a Plan, with random weights. A gate-only layer branches off the chain: nothing reads it.
 */
export function denseModel(layers: readonly Layer[], seed = 1) {
  const next = uniform(seed);
  const values: PlanValue[] = [{ name: 'x', shape: [layers[0]![2]], signal: true }];
  const params: PlanParam[] = [];
  const steps: LinearStep[] = [];
  let input = 0;
  for (const [name, outputs, inputs, gateOnly = false] of layers) {
    const output = values.push({ name: `${name}.out`, shape: [outputs], signal: !gateOnly }) - 1;
    const param = params.push({ name, shape: [outputs, inputs], size: outputs * inputs, gateOnly }) - 1;
    steps.push({
      kind: 'linear',
      op: 'dense',
      name,
      inputs: [input],
      output,
      weight: { param, groupStride: 0, outStride: inputs, inStride: 1, tapStrides: [] },
      alpha: 1,
      groups: 1,
      inChannels: inputs,
      outChannels: outputs,
      spatial: [],
      inLayout: { channelStride: 1, spatialStrides: [] },
      outLayout: { channelStride: 1, spatialStrides: [] },
    });
    if (!gateOnly) input = output;
  }
  const plan: Plan = { version: 1, input: 0, values, params, steps, outputs: [{ name: 'y', value: input }] };
  const weights = params.map(({ size }) => Float32Array.from({ length: size }, () => next() * 2 - 1));
  return { plan, weights, sha256: `model-${seed}` };
}
