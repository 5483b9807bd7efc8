import type { PlanValue, Step, ValueId } from './plan.js';

type WithoutPlace<T> = T extends unknown ? Omit<T, 'name' | 'inputs' | 'output'> : never;
/** A step before it has a place in a plan. */
export type StepBody = WithoutPlace<Step>;

/** Collects values and steps in execution order, then drops what no output needs. */
export class StepBuilder {
  readonly values: PlanValue[] = [];
  private readonly steps: Step[] = [];

  value(name: string, shape: readonly number[], signal: boolean): ValueId {
    this.values.push({ name, shape, signal });
    return this.values.length - 1;
  }

  step(name: string, body: StepBody, inputs: readonly ValueId[], value: PlanValue): ValueId {
    const output = this.value(value.name, value.shape, value.signal);
    this.steps.push({ ...body, name, inputs, output } as Step);
    return output;
  }

  /** Values and steps that the outputs (and the input) need, renumbered in order. */
  build(input: ValueId, outputs: readonly ValueId[]) {
    const needed = new Set<ValueId>([input, ...outputs]);
    const kept: Step[] = [];
    for (const step of [...this.steps].reverse()) {
      if (!needed.has(step.output)) continue;
      kept.push(step);
      for (const id of step.inputs) needed.add(id);
    }
    const number = new Map<ValueId, ValueId>();
    const values = this.values.filter((_, id) => {
      if (!needed.has(id)) return false;
      number.set(id, number.size);
      return true;
    });
    const at = (id: ValueId) => number.get(id) as ValueId;
    const steps = kept
      .toReversed()
      .map((step): Step => ({ ...step, inputs: step.inputs.map(at), output: at(step.output) }));
    return { values, steps, input: at(input), outputs: outputs.map(at) };
  }
}
