/** What is fuzzed: every reader of files from strangers, with inputs for it and the codes it may fail with. */
import type fc from 'fast-check';
import type { PxErrorCode } from '../../src/errors.js';
import { dataReaders } from './readers-data.js';
import { onnxReaders } from './readers-onnx.js';
import { tensorReaders } from './readers-tensors.js';

export interface Reader {
  readonly name: string;
  readonly input: fc.Arbitrary<Uint8Array>;
  /** Reads it the way the package does. Whatever it throws must be a PxError with one of `codes`. */
  readonly read: (bytes: Uint8Array) => void | Promise<void>;
  readonly codes: readonly PxErrorCode[];
  /** Share of a long run, relative to the others: slow readers get fewer inputs. */
  readonly weight: number;
}

/** @param scratch an empty folder for readers that need files; the caller removes it */
export async function allReaders(scratch: string): Promise<readonly Reader[]> {
  return [...onnxReaders(scratch), ...tensorReaders(scratch), ...(await dataReaders(scratch))];
}
