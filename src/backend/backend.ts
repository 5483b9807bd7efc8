import type { Plan } from '../plan/plan.js';

/** Which estimate of the NTK's trace is shared out among the weights; docs/mathematics.md. */
export type Method = 'px' | 'px-joint';
/** Where BatchNorm's statistics come from: measured on the micro-batch, or stored in the model. */
export type NormStatistics = 'batch' | 'running';

export interface CompileOptions {
  readonly method: Method;
  readonly norm: NormStatistics;
  /** CPU threads; results do not depend on it. Default: the machine's cores. */
  readonly threads?: number;
}

/** Executes Plans. A backend knows step kinds, not ONNX; the same Plan gives the same scores on every backend. */
export interface Backend {
  readonly name: 'cpu' | 'cuda' | 'webgpu';
  /** What run.json records, e.g. "cpu avx2 (2 threads)". */
  readonly description: string;
  /**
   * Prepares a Plan (slow, once). `weights[i]` are the values of `plan.params[i]` in stored layout: borrowed and never
   * written, they must not change while the program lives.
   */
  compile(plan: Plan, weights: readonly Float32Array[], options: CompileOptions): Promise<Program>;
}

/**
 * A compiled Plan. One round is: begin, push micro-batches in order, finish. Calls must not overlap: a second one while a promise is
 * pending is an ERR_STATE. A push or finish outside a round is one too: an abort, an error of a running call and setMasks end the
 * round, and the next begin() starts afresh. Arrays that are borrowed must not be transferred, detached or resized meanwhile.
 */
export interface Program {
  readonly backend: string;
  /** One bit per weight, packed as src/prune/masks.ts says; copied. Initially all ones. Gate-only entries count too (they may be masked by hand). */
  setMasks(masks: readonly Uint8Array[]): void;
  begin(options?: RoundOptions): void;
  /**
   * One micro-batch: `x` holds `samples` samples, contiguous, each of the Plan's input shape; borrowed until the promise settles. An f that
   * is not finite is an ERR_NUMERIC here, or in finish() where asking a device after every micro-batch would make it wait.
   */
  push(x: Float32Array, samples: number): Promise<PushResult>;
  finish(): Promise<RoundResult>;
  /** Stops the running call within 200 ms; its promise rejects with ERR_ABORTED. Harmless when idle. */
  abort(): void;
  memory(): MemoryReport;
  /** Frees everything, aborting a running call first; safe to call twice. */
  dispose(): void;
}

export interface RoundOptions {
  /** Return f's outputs from push. */
  readonly outputs?: boolean;
  /** Evaluate f alone: push returns outputs, there are no scores and finish() resolves without any. */
  readonly forwardOnly?: boolean;
  /** Where the scores go, one array per parameter: borrowed and worked in until the round ends. Default: new ones. */
  readonly scores?: readonly Float32Array[] | undefined;
}

export interface PushResult {
  /** f per plan output, [samples, ...shape] flattened; present when asked for. */
  readonly y?: readonly Float32Array[];
}

export interface RoundResult {
  /** S_j / R per parameter in stored layout; masked and gate-only weights are 0; all 0 where R is 0. */
  readonly scores: readonly Float32Array[];
  /** u_k = Σ_n h_k(x_n) per output, scaled so that the largest over all outputs is 1 (all 0 where the network is cut). px only. */
  readonly u?: readonly Float32Array[];
  readonly log2: Log2Scalars;
}

/** Base-2 logarithms, −Infinity for 0. `Jfv2` = ‖J_v f‖²_F and `Jvt2` = ‖J_θ v‖²_F exist for px alone. */
export interface Log2Scalars {
  readonly R: number;
  readonly Jfv2?: number;
  readonly Jvt2?: number;
}

export interface MemoryReport {
  /** Bytes of working buffers now, and the most there ever were; weights and input not counted. */
  readonly current: number;
  readonly peak: number;
}
