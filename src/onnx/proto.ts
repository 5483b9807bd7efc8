/**
 * What this package reads of an ONNX file: the model's structure as plain objects, and for every tensor where its
 * elements lie in the file. Values are not decoded here (see tensor-data.ts); the writer (patch.ts) zeroes byte
 * ranges in a copy of the file, so nothing this package has never heard of can get lost.
 */

import type { ExternalData } from './external-data.js';

/** Half-open byte range [start, end). Offsets count from the first byte of the model file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where the elements of a tensor lie. In all kinds the concatenated bytes of `ranges` are the element stream alone,
 * without tags and length prefixes: a packed list is one range, an unpacked list one range per element.
 *
 * - `raw`: little-endian elements of the tensor's own type (raw_data); one range, or none for an empty tensor.
 * - `float`: 4-byte floats (float_data, or a Constant's value_float/value_floats).
 * - `double`: 8-byte doubles (double_data).
 * - `int32`: varints (int32_data). float16 and bfloat16 tensors stored this way hold their 16 bits as an unsigned number.
 * - `int64`, `uint64`: varints (int64_data, uint64_data).
 * - `strings`: not numeric, never read.
 */
export type Payload = InlinePayload | ExternalPayload;

export interface InlinePayload {
  readonly kind: 'raw' | 'float' | 'double' | 'int32' | 'int64' | 'uint64' | 'strings';
  readonly ranges: readonly ByteRange[];
}

/** Raw little-endian elements in another file; external.ts turns `location` into a safe path. */
export interface ExternalPayload {
  readonly kind: 'external';
  /** As written in the model: relative to the model's folder. */
  readonly location: string;
  /** First byte in that file. */
  readonly offset: number;
  /** Bytes; always equals elements × element size. */
  readonly length: number;
}

export interface TensorRecord {
  /** Initializer name, or the output name of the Constant node that holds the tensor. */
  readonly name: string;
  readonly dims: readonly number[];
  /** Product of `dims`. */
  readonly size: number;
  /** ONNX element type code; names and sizes in data-types.ts. */
  readonly dataType: number;
  readonly payload: Payload;
}

export interface Attribute {
  readonly name: string;
  readonly int?: number;
  readonly float?: number;
  readonly string?: string;
  readonly ints: readonly number[];
  readonly floats: readonly number[];
  readonly strings: readonly string[];
  readonly tensor?: TensorRecord;
  /** Where `float` and `floats` lie in the file, for Constant nodes that hold their value this way. */
  readonly floatRanges: readonly ByteRange[];
  /** True when the attribute holds a subgraph (control flow), which this package does not read. */
  readonly hasGraph: boolean;
}

export interface OnnxNode {
  /** The node's name; where the file gives none, its first output. Used in messages and as the Plan's step name. */
  readonly name: string;
  readonly opType: string;
  /** '' for the standard operators ("ai.onnx" is normalised to ''). */
  readonly domain: string;
  /** An empty name is an optional input that was left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** A graph input or output; `dims` is absent when the file gives no shape, a string is a symbolic dimension ('?' unnamed). */
export interface ValueInfo {
  readonly name: string;
  readonly dataType: number;
  readonly dims?: readonly (number | string)[];
}

export interface OnnxModel {
  /** Path of the model file; absent when it was read from memory. */
  readonly file?: string;
  /** Where tensors outside the model file are read; absent where they cannot be. */
  readonly external?: ExternalData;
  /** The whole model file. */
  readonly bytes: Uint8Array;
  readonly irVersion: number;
  /** Exporter as the file states it, e.g. "pytorch 2.1.0"; '' when it does not. */
  readonly producer: string;
  /** Opset version by domain ('' is the standard one). */
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Names ("domain::name") of the model-local functions, which are not inlined. */
  readonly functions: readonly string[];
  readonly graph: OnnxGraph;
  /** Every tensor that has a name: initializers in file order, then tensors of Constant nodes in node order. */
  readonly tensors: ReadonlyMap<string, TensorRecord>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}
