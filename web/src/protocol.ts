/** What the page and its worker say to each other. Everything here passes through structured cloning. */
import type { LayerReport } from '../../src/analysis/layers.js';
import type { Log2Scalars, Method, NormStatistics } from '../../src/backend/backend.js';
import type { PxErrorCode } from '../../src/errors.js';
import type { Preset } from '../../src/io/data/options.js';
import type { SkippedSample } from '../../src/io/data/types.js';
import type { Progress } from '../../src/prune/progress.js';
import type { RoundRecord } from '../../src/prune/rounds.js';

/** What one request asks for, and what its answer is. */
export interface Requests {
  /** Opens the graphics device. */
  readonly device: { readonly ask: null; readonly answer: Device };
  readonly load: { readonly ask: ModelChoice; readonly answer: ModelSummary };
  readonly run: { readonly ask: RunRequest; readonly answer: RunSummary };
  /** One file of the last result. */
  readonly file: { readonly ask: ResultFile; readonly answer: readonly Download[] };
}

export type RequestKind = keyof Requests;

export type ToWorker =
  | {
      [K in RequestKind]: { readonly kind: K; readonly id: number; readonly ask: Requests[K]['ask'] };
    }[RequestKind]
  | { readonly kind: 'cancel' };

export type FromWorker =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: Failure }
  | { readonly kind: 'news'; readonly news: News };

/** An error in words: a class does not survive the passage. */
export interface Failure {
  /** Absent where it is a fault of the page itself. */
  readonly code?: PxErrorCode;
  readonly message: string;
}

export type Device =
  | {
      readonly present: true;
      readonly description: string;
      /** No graphics processor: the driver computes on the CPU. */
      readonly software: boolean;
    }
  | {
      readonly present: false;
      readonly why: 'insecure' | 'absent' | 'no adapter' | 'failed';
      readonly message: string;
    };

export type ModelChoice =
  | { readonly kind: 'example' }
  | { readonly kind: 'files'; readonly model: File; readonly external: readonly File[] };

export interface ModelSummary {
  readonly name: string;
  readonly bytes: number;
  /** Shape of one sample. */
  readonly inputShape: readonly number[];
  readonly tensors: readonly TensorSummary[];
  readonly warnings: readonly string[];
}

export interface TensorSummary {
  readonly name: string;
  readonly shape: readonly number[];
  readonly weights: number;
  /** The layer that uses it first. */
  readonly op: string;
  readonly gateOnly: boolean;
}

export type DataChoice =
  | {
      readonly kind: 'files';
      readonly files: readonly { readonly path: string; readonly blob: File }[];
      readonly preset?: Preset;
    }
  | { readonly kind: 'sample' }
  | { readonly kind: 'noise'; readonly count: number };

export interface RunRequest {
  readonly action: 'score' | 'prune';
  readonly data: DataChoice;
  readonly options: RunOptions;
}

export interface RunOptions {
  readonly method: Method;
  readonly norm: NormStatistics;
  readonly microBatch?: number;
  readonly perClass?: number | 'all';
  readonly limit?: number;
  readonly skipBad: boolean;
  /** Of pruning alone. */
  readonly density: number;
  readonly rounds: number;
  readonly keepFirstLast: boolean;
  readonly floor: number;
  readonly exclude?: readonly string[];
}

/** What happens while a run goes on. */
export type News =
  | {
      readonly kind: 'data';
      readonly samples: number;
      readonly notes: readonly string[];
      readonly skipped: readonly SkippedSample[];
    }
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** Weights left per tensor, from the masks that are scored now. */
  | { readonly kind: 'kept'; readonly kept: readonly number[] };

export interface RunSummary {
  readonly action: 'score' | 'prune';
  readonly layers: readonly LayerReport[];
  readonly kept: number;
  readonly countable: number;
  readonly log2: Log2Scalars;
  readonly rounds: readonly RoundRecord[];
  readonly samples: number;
  readonly noise: boolean;
  readonly backend: string;
  readonly seconds: number;
  readonly histograms: Histograms;
}

/** Counts of log10 S/R in equal steps, per tensor in parameter order. */
export interface Histograms {
  /** log10 of the first bin's left edge, and the width of each bin in decades. */
  readonly start: number;
  readonly step: number;
  /** Of the first scoring; and of the last, where something was pruned in between. */
  readonly before: readonly Bins[];
  readonly after?: readonly Bins[];
}

export interface Bins {
  readonly counts: readonly number[];
  /** Scores of 0, which have no logarithm: pruned, gate-only, or on no path. */
  readonly zeros: number;
}

export type ResultFile = 'masks' | 'scores' | 'model';

export interface Download {
  readonly name: string;
  readonly blob: Blob;
}
