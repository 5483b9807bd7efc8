import { type Arg, type Graph, type GraphNode, inputsOf, isValue, type ValueId } from './graph.js';

/** How many nodes deep a pattern looks; the longest form any exporter writes needs half of this. */
const MAX_DEPTH = 8;

/** Read-only questions about how a value is computed, for the fusion rules. */
export class Matcher {
  private readonly producers = new Map<ValueId, GraphNode>();

  constructor(private readonly graph: Pick<Graph, 'values'>) {}

  add(node: GraphNode): void {
    this.producers.set(node.output, node);
  }

  shape(value: ValueId): readonly number[] {
    return this.graph.values[value]!.shape;
  }

  /** The node of a given kind that computes a value. */
  producer<K extends GraphNode['kind']>(arg: Arg, kind: K): (GraphNode & { kind: K }) | undefined {
    const node = isValue(arg) ? this.producers.get(arg) : undefined;
    return node?.kind === kind ? (node as GraphNode & { kind: K }) : undefined;
  }

  /** The value plus or times one number, whatever side the number is on. */
  withNumber(arg: Arg, fn: 'add' | 'mul'): { value: ValueId; number: number } | undefined {
    const node = this.producer(arg, 'binary');
    if (node === undefined) return undefined;
    const { left, right } = node;
    const [l, r] = [numberOf(left), numberOf(right)];
    if (node.fn === fn) {
      if (isValue(left) && r !== undefined) return { value: left, number: r };
      if (isValue(right) && l !== undefined) return { value: right, number: l };
    }
    if (isValue(left) && r !== undefined) {
      if (node.fn === 'sub' && fn === 'add') return { value: left, number: -r };
      if (node.fn === 'div' && fn === 'mul') return { value: left, number: 1 / r };
    }
    return undefined;
  }

  /** The value and the bounds that one Clip, Relu, Min or Max sets to it. */
  bounds(arg: Arg): { value: ValueId; low: number; high: number } | undefined {
    const activation = this.producer(arg, 'activation');
    if (activation?.fn === 'relu') return { value: activation.input, low: 0, high: Number.POSITIVE_INFINITY };
    if (activation?.fn === 'clip')
      return { value: activation.input, low: activation.alpha, high: activation.beta };
    const node = this.producer(arg, 'binary');
    if (node === undefined || (node.fn !== 'min' && node.fn !== 'max')) return undefined;
    const [value, bound] = isValue(node.left) ? [node.left, node.right] : [node.right, node.left];
    const number = numberOf(bound);
    if (!isValue(value) || number === undefined) return undefined;
    return node.fn === 'min'
      ? { value, low: Number.NEGATIVE_INFINITY, high: number }
      : { value, low: number, high: Number.POSITIVE_INFINITY };
  }

  /** Coefficients, by degree, of `value` as a polynomial in `x`; undefined when it is none. */
  polynomial(value: Arg, x: ValueId, depth = MAX_DEPTH): number[] | undefined {
    if (value === x) return [0, 1];
    if (!isValue(value)) {
      const number = numberOf(value);
      return number === undefined ? undefined : [number];
    }
    const node = this.producers.get(value);
    if (node === undefined || depth === 0) return undefined;
    if (node.kind === 'map' && node.axes.length === 0) {
      return this.polynomial(node.input, x, depth - 1)?.map((c) => c * node.coefficient);
    }
    if (node.kind === 'unary' && node.fn === 'pow' && (node.alpha === 2 || node.alpha === 3)) {
      const base = this.polynomial(node.input, x, depth - 1);
      return (
        base && Array.from({ length: node.alpha - 1 }).reduce<number[]>((power) => times(power, base), base)
      );
    }
    if (node.kind !== 'binary') return undefined;
    const left = this.polynomial(node.left, x, depth - 1);
    const right = left && this.polynomial(node.right, x, depth - 1);
    if (left === undefined || right === undefined) return undefined;
    switch (node.fn) {
      case 'add':
        return plus(left, right);
      case 'sub':
        return plus(
          left,
          right.map((c) => -c),
        );
      case 'mul':
        return times(left, right);
      case 'div':
        return right.length === 1 ? left.map((c) => c / right[0]!) : undefined;
      default:
        return undefined;
    }
  }

  /** The factor c when `value` is c · a · b, in any order and association. */
  productOf(value: ValueId, a: ValueId, b: ValueId): number | undefined {
    const found = this.product(value, [a, b]);
    return found !== undefined && found.counts[0] === 1 && found.counts[1] === 1 ? found.scale : undefined;
  }

  private product(
    value: Arg,
    stops: readonly ValueId[],
    depth = MAX_DEPTH,
  ): { scale: number; counts: number[] } | undefined {
    if (isValue(value) && stops.includes(value))
      return { scale: 1, counts: stops.map((stop) => (stop === value ? 1 : 0)) };
    const number = numberOf(value);
    if (number !== undefined) return { scale: number, counts: stops.map(() => 0) };
    const node = isValue(value) ? this.producers.get(value) : undefined;
    if (node === undefined || depth === 0) return undefined;
    if (node.kind === 'map' && node.axes.length === 0) {
      const inner = this.product(node.input, stops, depth - 1);
      return inner && { ...inner, scale: inner.scale * node.coefficient };
    }
    if (node.kind !== 'binary' || (node.fn !== 'mul' && node.fn !== 'div')) return undefined;
    const left = this.product(node.left, stops, depth - 1);
    const right = left && this.product(node.right, stops, depth - 1);
    if (left === undefined || right === undefined) return undefined;
    if (node.fn === 'div')
      return right.counts.some((n) => n > 0) ? undefined : { ...left, scale: left.scale / right.scale };
    return { scale: left.scale * right.scale, counts: left.counts.map((n, i) => n + right.counts[i]!) };
  }

  /** Values that `value` is computed from by arithmetic, itself included, nearest first. */
  arithmeticSources(value: ValueId): ValueId[] {
    const found = new Set([value]);
    let front = [value];
    for (let depth = 0; depth < MAX_DEPTH && front.length > 0; depth++) {
      const next: ValueId[] = [];
      for (const id of front) {
        const node = this.producers.get(id);
        const arithmetic =
          node?.kind === 'binary' ||
          (node?.kind === 'map' && node.axes.length === 0) ||
          (node?.kind === 'unary' && node.fn === 'pow');
        if (node !== undefined && arithmetic)
          next.push(...inputsOf(node).filter((input) => !found.has(input)));
      }
      for (const id of next) found.add(id);
      // The tree of a product doubles at every level at most where it is hostile.
      front = [...new Set(next)].slice(0, 32);
    }
    return [...found];
  }
}

export function numberOf(arg: Arg): number | undefined {
  return !isValue(arg) && arg.data.length === 1 ? arg.data[0] : undefined;
}

/** Exporters round constants differently. */
export function near(a: number | undefined, b: number): boolean {
  return a !== undefined && Math.abs(a - b) <= 2e-4 * Math.abs(b);
}

/** Is the polynomial these coefficients, from degree 0 up? */
export function isPolynomial(polynomial: readonly number[] | undefined, wanted: readonly number[]): boolean {
  if (polynomial === undefined) return false;
  const length = Math.max(polynomial.length, wanted.length);
  return Array.from({ length }, (_, i) => [polynomial[i] ?? 0, wanted[i] ?? 0] as const).every(([a, b]) =>
    b === 0 ? a === 0 : near(a, b),
  );
}

function plus(a: readonly number[], b: readonly number[]): number[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => (a[i] ?? 0) + (b[i] ?? 0));
}

function times(a: readonly number[], b: readonly number[]): number[] {
  const out = new Array<number>(a.length + b.length - 1).fill(0);
  a.forEach((p, i) => b.forEach((q, k) => (out[i + k]! += p * q)));
  return out;
}
