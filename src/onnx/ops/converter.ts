import type { ValueId } from '../../graph/graph.js';
import type { NodeContext } from '../context.js';

/**
 * Turns an ONNX node whose inputs are not all constant into graph nodes and returns the values of its outputs in order. Optional
 * outputs it does not return (masks, running statistics) are refused when something uses them.
 */
export type Converter = (ctx: NodeContext) => ValueId | readonly ValueId[];

/** One row of the registry: the converter holds from this opset of its domain on, until a later row takes over. */
export interface OpRow {
  readonly op: string;
  /** '' is the standard domain. */
  readonly domain?: string;
  readonly since: number;
  readonly convert: Converter;
}
