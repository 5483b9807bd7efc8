import { PxError } from '../errors.js';

/**
 * What no vision model comes near, and a few bytes of a hostile file can ask for. Beyond these a model is refused before memory is
 * taken; docs/limits.md adds them up.
 */

/** Axes of a tensor. */
export const MAX_RANK = 32;
/** Elements of one value per sample; kernels count in int32. */
export const MAX_VALUE_SIZE = 2 ** 31 - 1;
/** Entries of a list that describes an operation (axes, pads, a shape, parts). */
export const MAX_LIST = 2 ** 16;
/** Elements along an axis that is resized, padded, sliced, pooled or gathered, and entries of the matrix that does it. */
export const MAX_AXIS = 2 ** 24;
/** Elements along an axis that is resized; every one of them becomes a small list on the way, which takes a microsecond and more. */
export const MAX_RESIZED = 2 ** 18;
/** (position, tap) pairs along one axis of a convolution, which become a table (native/engine/check.cc has the same limit). */
export const MAX_TAPS = 2 ** 27;
/** Positions a convolution may look past an axis; sums of a few fit int32 (native/engine/check.cc has the same limit). */
export const MAX_REACH = 2 ** 29;
/** Operations after those of the file are taken apart. */
export const MAX_NODES = 2 ** 17;
/** Elements of one folded constant. */
export const MAX_FOLDED_SIZE = 2 ** 24;
/** Elements of everything an import computes, together: folded constants, maps along axes, per-channel vectors. */
export const MAX_DERIVED = 2 ** 26;
/** Elements of constants that an import looks at, together, each time one is looked at. */
export const MAX_READ = 2 ** 27;

const REMEDY = 'simplify the model before it is read (onnx-simplifier), or check where the file is from';

/** Adds up what one import takes. */
export class Budget {
  private derived = 0;
  private read = 0;

  /** @throws PxError ERR_UNSUPPORTED once more than MAX_DERIVED elements were computed in all */
  derive(elements: number): void {
    this.derived += elements;
    if (!(this.derived <= MAX_DERIVED)) {
      throw new PxError(
        'ERR_UNSUPPORTED',
        `constants and maps of this model have more than ${MAX_DERIVED} elements; ${REMEDY}`,
      );
    }
  }

  /** @throws PxError ERR_UNSUPPORTED once more than MAX_READ elements were looked at in all */
  look(elements: number): void {
    this.read += elements;
    if (!(this.read <= MAX_READ)) {
      throw new PxError(
        'ERR_UNSUPPORTED',
        `the model's constants take more than ${MAX_READ} elements of reading; ${REMEDY}`,
      );
    }
  }
}

/** @throws PxError ERR_UNSUPPORTED for an axis (or the matrix that maps it) of more than MAX_AXIS elements */
export function checkAxis(elements: number): void {
  if (!(elements >= 0 && elements <= MAX_AXIS)) {
    throw new PxError(
      'ERR_UNSUPPORTED',
      `an axis of ${elements} elements is mapped; at most ${MAX_AXIS} can be`,
    );
  }
}
