import type { Plan, ValueId } from '../plan/plan.js';

/**
 * Which tensors without a weight left cut the network: those that alone separate the input from every output, else all that
 * are empty (together they cut), else none (no tensor is empty, but the kept weights do not meet).
 *
 * @param kept weights left, one count per plan parameter
 * @returns names in parameter order
 */
export function cutTensors(plan: Plan, kept: readonly number[]): string[] {
  const empty = plan.params.flatMap((param, id) => (!param.gateOnly && kept[id] === 0 ? [id] : []));
  const alone = empty.filter((id) => !reachesOutput(plan, id));
  return (alone.length > 0 ? alone : empty).map((id) => plan.params[id]!.name);
}

/** Whether some path leads from the input to an output when every use of one parameter is taken out. */
function reachesOutput(plan: Plan, removed: number): boolean {
  const reached = new Set<ValueId>([plan.input]);
  for (const step of plan.steps) {
    if (step.kind === 'linear' && step.weight.param === removed) continue;
    if (plan.values[step.output]!.signal && step.inputs.some((id) => reached.has(id)))
      reached.add(step.output);
  }
  return plan.outputs.some(({ value }) => reached.has(value));
}
