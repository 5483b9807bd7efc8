/** Where the elements of tensors lie: shapes and strides, made as simple as they are. Units: elements. */

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** Strides of a dense row-major array. */
export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** Strides by which an array of `shape` broadcasts to `target`, aligned at the last axis. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : own[axis - lead]!));
}

/** Axes that are walked together: sizes, and a stride per tensor. */
export interface Walked {
  readonly dims: readonly number[];
  /** By tensor, then by axis. */
  readonly strides: readonly (readonly number[])[];
}

/** Leaves out axes of size 1 and joins neighbours that every tensor walks through in one stride. */
export function simplify(dims: readonly number[], strides: readonly (readonly number[])[]): Walked {
  const kept: number[] = [];
  const ways: number[][] = strides.map(() => []);
  dims.forEach((dim, axis) => {
    if (dim === 1) return;
    const last = kept.length - 1;
    const joins = last >= 0 && strides.every((s, t) => ways[t]![last] === s[axis]! * dim);
    if (joins) {
      kept[last]! *= dim;
      strides.forEach((s, t) => {
        ways[t]![last] = s[axis]!;
      });
    } else {
      kept.push(dim);
      strides.forEach((s, t) => {
        ways[t]!.push(s[axis]!);
      });
    }
  });
  if (kept.length === 0) return { dims: [1], strides: strides.map(() => [0]) };
  return { dims: kept, strides: ways };
}

/** An operand's distinct runs: element e of a sample has values[floor(e / segment) mod values.length]. */
export interface Runs {
  readonly values: Float32Array;
  readonly segment: number;
}

/** An operand that broadcasts to `target` as runs; written out in full where it varies along axes that are not neighbours. */
export function runsOf(
  operand: { readonly shape: readonly number[]; readonly data: Float32Array },
  target: readonly number[],
): Runs {
  const strides = broadcastStrides(operand.shape, target);
  const varying = target.flatMap((dim, axis) => (dim > 1 && strides[axis] !== 0 ? [axis] : []));
  if (varying.length === 0) return { values: operand.data.slice(0, 1), segment: sizeOf(target) };
  const [first, last] = [varying[0]!, varying.at(-1)!];
  const inside = target.slice(first, last + 1);
  const own = strides.slice(first, last + 1);
  const steps = stridesOf(inside);
  const values = Float32Array.from(
    { length: sizeOf(inside) },
    (_, i) =>
      operand.data[
        steps.reduce((at, step, axis) => at + (Math.floor(i / step) % inside[axis]!) * own[axis]!, 0)
      ]!,
  );
  return { values, segment: sizeOf(target.slice(last + 1)) };
}
