/** Masked tensors in files other than the model's. */
import { PxError } from '../errors.js';
import type { ExternalPayload, OnnxModel, TensorRecord } from './proto.js';
import type { MaskBits } from './zero-elements.js';
import { isKept, zeroPiece } from './zero-elements.js';

export interface MaskedRange {
  readonly tensor: TensorRecord;
  readonly payload: ExternalPayload;
  readonly mask: MaskBits;
}

/**
 * Copies of a model's data files, by location, masked elements zero.
 *
 * @param files the data files by location, all that the model names
 * @throws PxError ERR_UNSUPPORTED where a masked tensor shares bytes with another one
 */
export function prunedExternal(
  model: OnnxModel,
  masks: ReadonlyMap<string, MaskBits>,
  files: ReadonlyMap<string, Uint8Array>,
): Map<string, Uint8Array> {
  const byFile = new Map<string, { tensor: TensorRecord; payload: ExternalPayload }[]>();
  for (const tensor of model.tensors.values()) {
    const { payload } = tensor;
    if (payload.kind !== 'external') continue;
    const tensors = byFile.get(payload.location) ?? [];
    tensors.push({ tensor, payload });
    byFile.set(payload.location, tensors);
  }
  return new Map(
    [...byFile].map(([location, tensors]) => {
      tensors.sort((a, b) => a.payload.offset - b.payload.offset);
      refuseSharedBytes(location, tensors, masks);
      const bytes = files.get(location)!.slice();
      for (const { tensor, payload } of tensors) {
        const mask = masks.get(tensor.name);
        if (mask) zeroOverlap(bytes, 0, { tensor, payload, mask });
      }
      return [location, bytes];
    }),
  );
}

/** Zeroes what of a masked tensor lies in `bytes`, which begin at byte `at` of its file. */
export function zeroOverlap(bytes: Uint8Array, at: number, { tensor, payload, mask }: MaskedRange): void {
  const start = Math.max(payload.offset, at);
  const end = Math.min(payload.offset + payload.length, at + bytes.length);
  if (start < end) zeroPiece(bytes.subarray(start - at, end - at), start - payload.offset, tensor, mask);
}

/** Zeroing one of two tensors that share bytes would change the other unasked. `tensors` is sorted by offset. ERR_UNSUPPORTED. */
export function refuseSharedBytes(
  file: string,
  tensors: readonly { readonly tensor: TensorRecord; readonly payload: ExternalPayload }[],
  masks: ReadonlyMap<string, MaskBits>,
): void {
  let previous = tensors[0];
  for (const current of tensors.slice(1)) {
    const previousEnd = previous!.payload.offset + previous!.payload.length;
    if (current.payload.offset < previousEnd && current.payload.length > 0) {
      for (const { tensor } of [previous!, current]) {
        const mask = masks.get(tensor.name);
        if (mask && prunesAny(mask, tensor.size)) {
          const names = `"${previous!.tensor.name}" and "${current.tensor.name}"`;
          throw new PxError(
            'ERR_UNSUPPORTED',
            `${file}: tensors ${names} share bytes; save the model again with onnx.save`,
          );
        }
      }
    }
    if (current.payload.offset + current.payload.length >= previousEnd) previous = current;
  }
}

function prunesAny(mask: MaskBits, size: number): boolean {
  for (let j = 0; j < size; j++) if (!isKept(mask, j)) return true;
  return false;
}
