import { isIdentity } from '../graph/axis-map.js';
import type { Graph, GraphNode, Origin, WeightRef } from '../graph/graph.js';
import { isValue, weightOf } from '../graph/graph.js';
import { sizeOf, type Tensor } from '../graph/tensor.js';
import type { LooseEnd } from '../onnx/import.js';
import { type Problem, problemsError } from '../onnx/problem.js';
import type { Conflict } from './conflicts.js';
import { gatesInTheWay, noFactor } from './in-the-way.js';
import { lowerBinary, operand } from './lower-binary.js';
import { lowerConv, lowerDense } from './lower-linear.js';
import type { Plan, PlanParam, ValueId } from './plan.js';
import { findRoles, type Roles } from './roles.js';
import { type StepBody, StepBuilder } from './step-builder.js';

export interface BuiltPlan {
  readonly plan: Plan;
  readonly warnings: readonly string[];
}

/**
 * Lowers a graph to the steps that backends execute: tells signals from gates, drops the tail's activations, finds the
 * parameters that no path crosses, and leaves out what no output needs.
 *
 * @param where the model's name, for messages
 * @throws PxError ERR_UNSUPPORTED listing every node on a path that has no rule
 */
export function buildPlan(graph: Graph, where: string): BuiltPlan {
  const roles = findRoles(graph);
  const problems = planProblems(graph, roles);
  if (problems.length > 0) throw problemsError(where, problems);
  return new PlanBuilder(graph, roles).build();
}

/** Nodes on a path without a rule, and outputs that nothing on a path reaches, as data. */
export function planProblems(graph: Graph, roles: Roles = findRoles(graph)): Problem[] {
  const problems = roles.conflicts.map(({ origin, conflict }) => problemOf(origin, conflict));
  if (graph.outputs.some(({ value }) => roles.onPath.has(value))) return problems;
  return [...problems, ...gatesInTheWay(graph, roles).map(wayProblem)];
}

/**
 * The same of a graph that ends where nodes could not be treated.
 *
 * @param looseEnds values that such nodes would have taken
 */
export function partlyProblems(graph: Graph, looseEnds: readonly LooseEnd[]): Problem[] {
  const ends = looseEnds.map(({ value }) => ({ name: '', value }));
  const beforeWeights = looseEnds.filter(({ weights }) => weights).map(({ value }) => value);
  const roles = findRoles({ ...graph, outputs: [...graph.outputs, ...ends] }, beforeWeights);
  return [
    ...roles.conflicts.map(({ origin, conflict }) => problemOf(origin, conflict)),
    ...gatesInTheWay(
      { ...graph, outputs: [] },
      roles,
      ends.map(({ value }) => value),
    ).map(wayProblem),
  ];
}

function wayProblem(node: GraphNode): Problem {
  return problemOf(node.origin, {
    reason: `${noFactor(node)}, and it lies in the way of every path behind it`,
    remedy: 'use an activation of docs/operators.md, or choose other outputs',
  });
}

function problemOf({ name: node, op, opset }: Origin, conflict: Conflict): Problem {
  return { node, op, domain: '', opset, ...conflict, code: 'ERR_UNSUPPORTED' };
}

class PlanBuilder {
  private readonly steps = new StepBuilder();
  /** Plan value of every graph value made so far. */
  private readonly made = new Map<number, ValueId>();
  private readonly params = new Map<string, WeightRef>();
  private readonly paramIds = new Map<string, number>();

  constructor(
    private readonly graph: Graph,
    private readonly roles: Roles,
  ) {
    for (const node of graph.nodes) {
      const weight = weightOf(node);
      if (weight === undefined || this.params.has(weight.tensor)) continue;
      this.paramIds.set(weight.tensor, this.params.size);
      this.params.set(weight.tensor, weight);
    }
  }

  build(): BuiltPlan {
    const { graph, roles } = this;
    const { name, shape } = graph.values[graph.input]!;
    this.made.set(graph.input, this.steps.value(name, shape, roles.onPath.has(graph.input)));
    for (const node of graph.nodes) this.made.set(node.output, this.lower(node));
    const ids = graph.outputs.map((output) => this.value(output.value));
    const { values, steps, input, outputs } = this.steps.build(this.value(graph.input), ids);
    const crossed = new Set(
      graph.nodes.filter((node) => roles.onPath.has(node.output)).map((node) => weightOf(node)?.tensor),
    );
    const params = [...this.params.values()].map(
      ({ tensor, stored }): PlanParam => ({
        name: tensor,
        shape: stored,
        size: sizeOf(stored),
        gateOnly: !crossed.has(tensor),
      }),
    );
    const warnings = graph.outputs
      .filter(({ value }) => !roles.onPath.has(value))
      .map((output) => `output "${output.name}" is reached by no path (it is a gate); it does not count`);
    const named = graph.outputs.map((output, i) => ({ name: output.name, value: outputs[i] as ValueId }));
    return { plan: { version: 1, input, values, params, steps, outputs: named }, warnings };
  }

  private value(id: number): ValueId {
    return this.made.get(id) as ValueId;
  }

  private shape(id: number): readonly number[] {
    return this.graph.values[id]!.shape;
  }

  private lower(node: GraphNode): ValueId {
    if (this.roles.dropped.has(node) && 'input' in node) return this.value(node.input);
    if (node.kind === 'binary') return this.binary(node);
    if (node.kind === 'concat') return this.concat(node);
    if (node.kind === 'activation' && node.fn === 'clip' && (node.alpha > 0 || node.beta < 0))
      return this.shiftedClip(node);
    const body = this.body(node);
    return body === undefined ? this.value(node.input) : this.emit(node, body, [this.value(node.input)]);
  }

  private emit(node: GraphNode, body: StepBody, inputs: readonly ValueId[]): ValueId {
    const value = this.graph.values[node.output]!;
    return this.steps.step(node.origin.name, body, inputs, {
      ...value,
      signal: this.roles.onPath.has(node.output),
    });
  }

  /** The one step of a node with one input; undefined when it changes nothing. */
  private body(node: Exclude<GraphNode, { kind: 'binary' | 'concat' }>): StepBody | undefined {
    switch (node.kind) {
      case 'conv':
        return lowerConv(node, this.param(node.weight), this.shape(node.input), this.shape(node.output));
      case 'dense':
        return lowerDense(node, this.param(node.weight), this.shape(node.input));
      case 'map': {
        const { coefficient, fill } = node;
        const axes = node.axes.filter((map) => !isIdentity(map));
        return axes.length === 0 && coefficient === 1
          ? undefined
          : { kind: 'fixed', op: 'fixed', coefficient, axes, fill };
      }
      case 'max': {
        const axes = node.axes.filter((map) => !isIdentity(map));
        return axes.length === 0 ? undefined : { kind: 'gate', op: 'max', axes };
      }
      case 'activation': {
        const { fn, alpha, beta, slope } = node;
        return {
          kind: 'gate',
          op: 'activation',
          fn,
          alpha,
          beta,
          ...(slope === undefined ? {} : { slope: operand(slope) }),
        };
      }
      case 'unary':
        return { kind: 'f-only', op: 'unary', fn: node.fn, alpha: node.alpha, beta: node.beta };
      case 'softmax':
        return { kind: 'f-only', op: 'softmax', axis: node.axis, log: node.log };
      case 'batch-norm': {
        const { epsilon, scale, bias, mean, variance } = node;
        return { kind: 'norm', op: 'batch', epsilon, scale, bias, mean, variance };
      }
      case 'layer-norm': {
        const { epsilon, axes, scale, bias } = node;
        return {
          kind: 'norm',
          op: 'layer',
          epsilon,
          axes,
          scale: operand(scale),
          ...(bias === undefined ? {} : { bias: operand(bias) }),
        };
      }
      case 'group-norm': {
        const { epsilon, groups, scale, bias } = node;
        return { kind: 'norm', op: 'group', epsilon, groups, scale, bias };
      }
      case 'reshape':
        return { kind: 'view', op: 'reshape' };
      case 'transpose':
        return { kind: 'view', op: 'transpose', perm: node.perm };
    }
  }

  private param(weight: WeightRef): number {
    return this.paramIds.get(weight.tensor) as number;
  }

  private binary(node: GraphNode & { kind: 'binary' }): ValueId {
    const value = this.graph.values[node.output]!;
    const signal = this.roles.onPath.has(node.output);
    return lowerBinary({
      node,
      onPath: signal,
      isSignal: (id) => this.roles.onPath.has(id),
      outShape: value.shape,
      value: (id) => this.value(id),
      shape: (id) => this.shape(id),
      emit: (body, inputs) => this.emit(node, body, inputs),
      before: (body, inputs, shape) =>
        this.steps.step(node.origin.name, body, inputs, { name: `${value.name}/fitted`, shape, signal }),
    });
  }

  private concat(node: GraphNode & { kind: 'concat' }): ValueId {
    const inputs: ValueId[] = [];
    const parts = node.parts.map((part) =>
      isValue(part) ? inputs.push(this.value(part)) - 1 : operand(part),
    );
    return this.emit(node, { kind: 'sum', op: 'concat', axis: node.axis, parts }, inputs);
  }

  /** A Clip that moves zero, allowed inside gates alone: two bounds, one after the other. */
  private shiftedClip(node: GraphNode & { kind: 'activation' }): ValueId {
    const { name, shape } = this.graph.values[node.output]!;
    const bound = (value: number): Tensor => ({ dims: [], dtype: 'float32', data: Float32Array.of(value) });
    const step = (fn: 'min' | 'max', value: number): StepBody => ({
      kind: 'f-only',
      op: 'binary',
      fn,
      constant: operand(bound(value)),
      constantFirst: false,
    });
    const lower = this.steps.step(node.origin.name, step('max', node.alpha), [this.value(node.input)], {
      name: `${name}/lower`,
      shape,
      signal: false,
    });
    return this.emit(node, step('min', node.beta), [lower]);
  }
}
