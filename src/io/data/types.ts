/** The vocabulary of data sets: what a model wants, what a source gives, what a data set offers. */

export interface SampleInfo {
  /** Names the sample wherever the data lie: "photos/cat/1.jpg", "test.bin#17". */
  readonly id: string;
  /** Folder name, or class number. */
  readonly label?: string | number;
}

/** What a model's input looks like, batch left out. */
export interface InputTarget {
  readonly shape: readonly number[];
  /** Where channels lie in an image input; default: detected from the shape (input-layout.ts). */
  readonly layout?: 'CHW' | 'HWC';
}

export interface Sample extends SampleInfo {
  /** Writes the sample, in the target's layout, into `out` (length: product of the target's shape). ERR_DATA, ERR_IO, ERR_FILE. */
  load(out: Float32Array): Promise<void>;
}

/** A file, folder or iterable that was opened: its samples in a fixed order. */
export interface Source {
  readonly samples: readonly Sample[];
  /** Choices and omissions the user should see. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

export interface SkippedSample {
  readonly id: string;
  readonly reason: string;
}

/** Samples in a fixed order, each a float32 array of the model's input shape; can be walked again and again. */
export interface Dataset {
  /** Number of samples; at least 1. */
  readonly length: number;
  readonly sampleShape: readonly number[];
  readonly samples: readonly SampleInfo[];
  /** Choices made for the user (preset, sampling, files left out), one sentence each. */
  readonly notes: readonly string[];
  /** What skipBad left out. */
  readonly skipped: readonly SkippedSample[];
  /** SHA-256 (hex) over the identifiers, labels and float32 values of all samples in order. */
  digest(signal?: AbortSignal): Promise<string>;
  /**
   * Contiguous micro-batches of the given sizes, which must add up to `length`; the next one is read and decoded while the
   * caller works on the current one. The arrays are borrowed: they may be views of the cache and must not be written.
   * ERR_OPTION, ERR_DATA, ERR_IO, ERR_FILE, ERR_ABORTED, ERR_STATE after close.
   */
  batches(microBatchSizes: readonly number[], signal?: AbortSignal): AsyncIterable<Float32Array>;
  /** Closes files; safe to call twice. */
  close(): Promise<void>;
}
