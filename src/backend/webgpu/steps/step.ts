import type { Plan, Step, ValueId } from '../../../plan/plan.js';
import type { NormStatistics } from '../../backend.js';
import { dense, sum } from '../kernels.js';
import { sizeOf } from '../places.js';
import type { Recorder, Scaled, Tensor } from '../recorder.js';
import type { Store } from '../store.js';

/** What every step may ask for. */
export interface Env {
  readonly plan: Plan;
  readonly store: Store;
  readonly norm: NormStatistics;
  /** Workgroups that keep the device busy. */
  readonly workgroups: number;
}

/** h, g or j: forward values, and upstream values on the way back. g carries two upstreams as columns. */
export class Walk {
  readonly values: (Scaled | undefined)[] = [];
  /** By column, then by value. */
  readonly upstream: (Scaled | undefined)[][] = [[], []];
  /** What a step leaves for its way back. */
  readonly records = new Map<Step, unknown>();
  /** By parameter: ∂(upstream of column 0 · outputs)/∂θ², in terms of (θ·2^shift)². */
  readonly gradients = new Map<number, Scaled>();
  /** Pairs whose products' totals add up to ‖J_θ v‖². */
  readonly totals: (readonly [Scaled, Scaled])[] = [];

  constructor(
    readonly recorder: Recorder,
    readonly net: 'h' | 'g' | 'j',
    readonly samples: number,
    /** A way back will follow: steps leave their records. */
    readonly adjoint: boolean,
  ) {}

  value(id: ValueId): Scaled {
    return this.values[id]!;
  }

  /** Adds a contribution to the upstream of a value. */
  addUpstream(column: number, id: ValueId, contribution: Scaled): void {
    const before = this.upstream[column]![id];
    this.upstream[column]![id] = before ? this.plus(before, contribution) : contribution;
  }

  addGradient(param: number, contribution: Scaled): void {
    const before = this.gradients.get(param);
    this.gradients.set(param, before ? this.plus(before, contribution) : contribution);
  }

  plus(a: Scaled, b: Scaled): Scaled {
    const count = a.tensor.elements;
    return sum(this.recorder, a, b, this.recorder.scaled(count), dense(count));
  }
}

/** A micro-batch: f, and beside it h or j. */
export interface DataPass {
  readonly recorder: Recorder;
  readonly samples: number;
  readonly f: (Tensor | undefined)[];
  readonly companion: Walk | undefined;
}

/** What a step kind implements. One object per step of the Plan, as long as the program lives. */
export abstract class StepExec<S extends Step = Step> {
  /** What the status slot holds if f of this step is the first that is not finite: larger for earlier steps. */
  readonly status: number;

  constructor(
    readonly step: S,
    protected readonly env: Env,
  ) {
    this.status = env.plan.steps.length - env.plan.steps.indexOf(step);
  }

  /** One micro-batch forward: f, and h or j where the output is a signal. Kinds whose halves share nothing leave this as it is. */
  forward(pass: DataPass): void {
    this.f(pass);
    if (pass.companion && this.signal) this.up(pass.companion);
  }

  abstract f(pass: DataPass): void;
  /** h, g or j forward; only where the output is a signal. */
  abstract up(walk: Walk): void;
  /** Adjoint of g or j: takes the output's upstream, adds to those of the inputs, and to the gradients. */
  abstract down(walk: Walk, column: number): void;

  get signal(): boolean {
    return this.env.plan.values[this.step.output]!.signal;
  }

  protected get outShape(): readonly number[] {
    return this.shape(this.step.output);
  }

  protected inShape(i = 0): readonly number[] {
    return this.shape(this.step.inputs[i]!);
  }

  protected get outSize(): number {
    return sizeOf(this.outShape);
  }

  protected shape(id: ValueId): readonly number[] {
    return this.env.plan.values[id]!.shape;
  }

  /** f of an input. */
  protected input(pass: DataPass, i = 0): Tensor {
    return pass.f[this.step.inputs[i]!]!;
  }

  /** A new tensor for f's output. */
  protected output(pass: DataPass): Tensor {
    const tensor = pass.recorder.tensor(pass.samples * this.outSize);
    pass.f[this.step.output] = tensor;
    return tensor;
  }

  /** A new tensor for the output of h, g or j. */
  protected outputOf(walk: Walk): Scaled {
    const scaled = walk.recorder.scaled(walk.samples * this.outSize);
    walk.values[this.step.output] = scaled;
    return scaled;
  }
}
