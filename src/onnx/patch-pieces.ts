/**
 * A pruned model piece by piece: the input file's own bytes with masked weights zeroed in place and metadata appended. Nothing is
 * re-encoded, so fields this package does not know survive byte for byte.
 */
import { PxError } from '../errors.js';
import { dataType, isFloatType } from './data-types.js';
import { encodeMetadataEntries, findMetadataEntries } from './metadata-props.js';
import type { ByteRange, InlinePayload, OnnxModel, TensorRecord } from './proto.js';
import type { MaskBits } from './zero-elements.js';
import { maskDensity, payloadHull, zeroInline, zeroPiece } from './zero-elements.js';

/** metadata_props key under which the share of kept weights of a tensor is written. */
export const DENSITY_KEY = 'path_exclusion.density/';

/** Bytes of a tensor masked at a time. */
const PIECE = 4 * 1024 * 1024;

/** A part of the output: bytes of the input, or what replaces them. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly replacement: () => Uint8Array;
}

/**
 * The bytes of the pruned model file, in order: views of the input and copies of what changes, each made when it is asked for. `masks`
 * maps tensor names to bits, bit j & 7 of byte j >> 3 for element j in stored order, 1 = kept. `metadata` is added to metadata_props
 * together with each tensor's density; entries under the same keys are replaced. Tensors in external files are not among the bytes.
 *
 * @throws PxError ERR_MISMATCH where a mask does not fit, ERR_UNSUPPORTED for tensors that cannot be masked (both at once), ERR_FILE
 */
export function prunedPieces(
  model: OnnxModel,
  masks: ReadonlyMap<string, MaskBits>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
  const masked = [...masks].map(([name, mask]) => ({ tensor: checkMask(model, name, mask), mask }));
  const entries = new Map(Object.entries(metadata));
  for (const { tensor, mask } of masked) {
    entries.set(DENSITY_KEY + tensor.name, String(maskDensity(mask, tensor.size)));
  }
  const parts = [
    ...masked.flatMap(({ tensor, mask }) => inlinePart(model, tensor, mask)),
    ...findMetadataEntries(model.bytes, new Set(entries.keys())).map((range) => ({
      ...range,
      replacement: nothing,
    })),
  ].sort((a, b) => a.start - b.start);
  return assemble(model, parts, encodeMetadataEntries(entries));
}

function* assemble(model: OnnxModel, parts: readonly Part[], appendix: Uint8Array): Generator<Uint8Array> {
  let position = 0;
  for (const { start, end, replacement } of parts) {
    if (start < position) {
      throw new PxError(
        'ERR_FILE',
        `${model.file ?? 'the model'}: tensors overlap at byte ${start}; the file is damaged`,
      );
    }
    yield model.bytes.subarray(position, start);
    yield replacement();
    position = end;
  }
  yield model.bytes.subarray(position);
  yield appendix;
}

/** The tensor of that name, fit for this mask. */
function checkMask(model: OnnxModel, name: string, mask: MaskBits): TensorRecord {
  const file = model.file ?? 'the model';
  const tensor = model.tensors.get(name);
  if (!tensor)
    throw new PxError(
      'ERR_MISMATCH',
      `mask "${name}": ${file} has no tensor of that name; is it the same model?`,
    );
  if (!isFloatType(tensor.dataType)) {
    const type = dataType(tensor.dataType).name;
    throw new PxError(
      'ERR_UNSUPPORTED',
      `mask "${name}": the tensor holds ${type}, only floating-point weights can be masked`,
    );
  }
  if (mask.length !== Math.ceil(tensor.size / 8)) {
    const shape = `[${tensor.dims.join(', ')}]`;
    throw new PxError(
      'ERR_MISMATCH',
      `mask "${name}": ${mask.length} bytes do not hold one bit for each of ${shape} weights`,
    );
  }
  return tensor;
}

/** Copies one tensor's bytes at a time, when they are written. */
function inlinePart(model: OnnxModel, tensor: TensorRecord, mask: MaskBits): Part[] {
  if (tensor.payload.kind === 'external') return [];
  const payload = tensor.payload as InlinePayload;
  const hull = payloadHull(payload);
  if (!hull) return [];
  if (payload.kind === 'raw' && payload.ranges.length === 1) return rawParts(model, tensor, mask, hull);
  const replacement = (): Uint8Array => {
    const bytes = model.bytes.slice(hull.start, hull.end);
    zeroInline(bytes, hull.start, tensor, mask);
    return bytes;
  };
  return [{ ...hull, replacement }];
}

/** A large tensor in pieces: neither its copy nor the time to make it should be as large as the tensor. */
function rawParts(model: OnnxModel, tensor: TensorRecord, mask: MaskBits, hull: ByteRange): Part[] {
  const parts: Part[] = [];
  for (let start = hull.start; start < hull.end; start += PIECE) {
    const end = Math.min(start + PIECE, hull.end);
    const replacement = (): Uint8Array => {
      const bytes = model.bytes.slice(start, end);
      zeroPiece(bytes, start - hull.start, tensor, mask);
      return bytes;
    };
    parts.push({ start, end, replacement });
  }
  return parts;
}

function nothing(): Uint8Array {
  return new Uint8Array(0);
}
