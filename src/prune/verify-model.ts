import { open } from 'node:fs/promises';
import { ioError } from '../io/os-error.js';
import { readRange } from '../io/read-range.js';
import { externalPath } from '../onnx/external.js';
import { findMetadataEntries } from '../onnx/metadata-props.js';
import { DENSITY_KEY } from '../onnx/patch.js';
import type { ByteRange, OnnxModel } from '../onnx/proto.js';
import { readLargeTensor } from '../onnx/tensor-data.js';

/** One byte a weight, 0 = pruned. */
export interface NamedMask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly keep: Uint8Array;
}

/** Bytes of external data compared at a time. */
const CHUNK = 16 * 1024 * 1024;

/** Says which pruned weight is not 0; undefined where all are. */
export async function findNonZero(
  pruned: OnnxModel,
  masks: readonly NamedMask[],
): Promise<string | undefined> {
  for (const { name, keep } of masks) {
    const values = await valuesOf(pruned, name);
    if (values?.length !== keep.length) return `tensor '${name}' is missing or has another size`;
    for (let j = 0; j < keep.length; j++) {
      if (keep[j] === 0 && values[j] !== 0)
        return `weight ${j} of '${name}' is pruned, but holds ${values[j]}`;
    }
  }
  return undefined;
}

/**
 * Says where a pruned model differs from its input model other than by pruned weights and the densities in its metadata: kept weights
 * have their values, every other byte of the model and of its external data is the same. Undefined where nothing differs.
 */
export async function comparePruned(
  input: OnnxModel,
  pruned: OnnxModel,
  masks: readonly NamedMask[],
): Promise<string | undefined> {
  const difference = compareBytes(outside(input, masks), outside(pruned, masks));
  if (difference !== undefined) return difference;
  for (const { name, keep } of masks) {
    const [before, after] = [await valuesOf(input, name), await valuesOf(pruned, name)];
    if (before?.length !== keep.length || after?.length !== keep.length)
      return `tensor '${name}' has another size`;
    for (let j = 0; j < keep.length; j++) {
      if (keep[j] === 1 && !Object.is(before[j], after[j])) {
        return `weight ${j} of '${name}' is kept, but went from ${before[j]} to ${after[j]}`;
      }
    }
  }
  return compareExternal(input, pruned, masks);
}

async function valuesOf(model: OnnxModel, name: string): Promise<ArrayLike<number> | undefined> {
  const tensor = model.tensors.get(name);
  return tensor && (await readLargeTensor(model, tensor)).data;
}

/** The parts of a model file that pruning must not touch: all but the masked tensors' elements and their density entries. */
function outside(model: OnnxModel, masks: readonly NamedMask[]): Uint8Array[] {
  const ranges = masks.flatMap(({ name }) => {
    const payload = model.tensors.get(name)?.payload;
    return payload === undefined || payload.kind === 'external' ? [] : payload.ranges;
  });
  const entries = findMetadataEntries(model.bytes, new Set(masks.map(({ name }) => DENSITY_KEY + name)));
  return gaps([...ranges, ...entries], model.bytes.length).map(({ start, end }) =>
    model.bytes.subarray(start, end),
  );
}

/** What lies between ranges. */
function gaps(ranges: readonly ByteRange[], length: number): ByteRange[] {
  const found: ByteRange[] = [];
  let at = 0;
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    if (start > at) found.push({ start: at, end: start });
    at = Math.max(at, end);
  }
  if (at < length) found.push({ start: at, end: length });
  return found;
}

/** Compares two byte sequences given in pieces, whatever the pieces. */
function compareBytes(a: readonly Uint8Array[], b: readonly Uint8Array[]): string | undefined {
  const [lengthA, lengthB] = [a, b].map((pieces) => pieces.reduce((sum, piece) => sum + piece.length, 0));
  if (lengthA !== lengthB) return `${lengthB} bytes beside the weights, the input model has ${lengthA}`;
  let [i, j, atA, atB] = [0, 0, 0, 0];
  while (i < a.length && j < b.length) {
    const size = Math.min(a[i]!.length - atA, b[j]!.length - atB);
    if (Buffer.compare(a[i]!.subarray(atA, atA + size), b[j]!.subarray(atB, atB + size)) !== 0) {
      return 'bytes that are no weights differ from the input model';
    }
    atA += size;
    atB += size;
    if (atA === a[i]!.length) [i, atA] = [i + 1, 0];
    if (atB === b[j]!.length) [j, atB] = [j + 1, 0];
  }
  return undefined;
}

async function compareExternal(input: OnnxModel, pruned: OnnxModel, masks: readonly NamedMask[]) {
  const masked = new Set(masks.map((mask) => mask.name));
  const files = new Map<string, { a: string; b: string; masked: ByteRange[] }>();
  for (const { name, payload } of input.tensors.values()) {
    if (payload.kind !== 'external') continue;
    const file = files.get(payload.location) ?? {
      a: externalPath(input, name, payload),
      b: externalPath(pruned, name, payload),
      masked: [],
    };
    if (masked.has(name)) file.masked.push({ start: payload.offset, end: payload.offset + payload.length });
    files.set(payload.location, file);
  }
  for (const [location, { a, b, masked: ranges }] of files) {
    if (!(await sameOutside(a, b, ranges)))
      return `external data ${location} differs from the input model's beside the weights`;
  }
  return undefined;
}

async function sameOutside(a: string, b: string, ranges: readonly ByteRange[]): Promise<boolean> {
  const [fileA, fileB] = [await openFile(a), await openFile(b)];
  try {
    const [{ size }, other] = [await fileA.stat(), await fileB.stat()];
    if (size !== other.size) return false;
    for (const { start, end } of gaps(ranges, size)) {
      for (let at = start; at < end; at += CHUNK) {
        const length = Math.min(CHUNK, end - at);
        const pieces = [
          await readRange(fileA, a, at, length),
          await readRange(fileB, b, at, length),
        ] as const;
        if (Buffer.compare(...pieces) !== 0) return false;
      }
    }
    return true;
  } finally {
    await fileA.close();
    await fileB.close();
  }
}

async function openFile(path: string) {
  return open(path, 'r').catch((error: unknown) => {
    throw ioError(error, 'read', path);
  });
}
