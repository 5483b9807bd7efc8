/** How the same numbers lie in an ONNX file and in a state_dict. */

/** Edge of the tiles in which a matrix is transposed, so that both sides stay in the cache. */
const TILE = 32;

/** The transpose of a row-major [rows, columns] array: row-major [columns, rows]. */
export function transpose<T extends Float32Array | Uint8Array>(values: T, rows: number, columns: number): T {
  const out = new (values.constructor as new (size: number) => T)(values.length);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns; left += TILE) {
      const right = Math.min(columns, left + TILE);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          out[column * rows + row] = values[row * columns + column]!;
        }
      }
    }
  }
  return out;
}

/** Whether a [rows, columns] array has the same flat order as its transpose, as constants and symmetric matrices do. */
export function equalsTranspose(values: Float32Array, rows: number, columns: number): boolean {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (values[row * columns + column] !== values[column * rows + row]) return false;
    }
  }
  return true;
}

/** The shape without axes of one element: [64, 32, 1, 1] and [64, 32] hold the same numbers in the same order. */
export function squeeze(shape: readonly number[]): number[] {
  return shape.filter((size) => size !== 1);
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return squeeze(a).join() === squeeze(b).join();
}

/** Whether both are matrices, one with the other's sizes swapped. */
export function reversedShape(a: readonly number[], b: readonly number[]): boolean {
  const [from, to] = [squeeze(a), squeeze(b)];
  return from.length === 2 && to.length === 2 && from[0] === to[1] && from[1] === to[0];
}

/**
 * Ways to read a state_dict's tensor as a matrix whose transpose the ONNX tensor could hold: [rows, columns] with a boundary between
 * axes on both sides.
 */
export function matrixSplits(
  stateShape: readonly number[],
  onnxShape: readonly number[],
): { rows: number; columns: number }[] {
  const size = stateShape.reduce((product, length) => product * length, 1);
  const leading = new Set(products(onnxShape));
  return [...new Set(products(stateShape))]
    .filter((rows) => rows > 1 && rows < size && leading.has(size / rows))
    .map((rows) => ({ rows, columns: size / rows }));
}

/** Products of the first 1, 2, ... axes. */
function products(shape: readonly number[]): number[] {
  let product = 1;
  return shape.map((size) => (product *= size));
}
