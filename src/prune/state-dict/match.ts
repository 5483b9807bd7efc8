/** Which tensor of a state_dict holds the numbers of which weight of a model. */
import { type Candidate, choose, type Match, type Source, type Target } from './choose.js';
import { equalsTranspose, matrixSplits, reversedShape, sameShape, transpose } from './layout.js';
import { contentDigest, type Precision, sharedPrecisions } from './precision.js';
import { isScaled } from './scaled.js';

export interface Matching {
  readonly matches: readonly Match[];
  /** With the names among which content left the choice open, if there were any. */
  readonly unmatched: readonly { readonly source: Source; readonly candidates: readonly string[] }[];
}

/**
 * Matches by content: the same numbers in the same order (exactly, or after one side was converted to a narrower type), else
 * transposed, else with one factor per channel. Names and order decide only among tensors of equal content.
 */
export async function matchTensors(
  sources: readonly Source[],
  targets: readonly Target[],
): Promise<Matching> {
  const matches: Match[] = [];
  const undecided = new Map<Source, readonly string[]>();
  const taken = new Set<Target>();
  for (const compare of [inTheSameOrder, transposed, scaled]) {
    const matched = new Set(matches.map((match) => match.source));
    const sourcesLeft = sources.filter((source) => !matched.has(source) && !undecided.has(source));
    const targetsLeft = targets.filter((target) => !taken.has(target));
    const { matches: found, open } = choose(await compare(sourcesLeft, targetsLeft));
    for (const match of found) {
      matches.push(match);
      taken.add(match.target);
    }
    for (const { source, candidates } of open) undecided.set(source, candidates);
  }
  const matched = new Set(matches.map((match) => match.source));
  return {
    matches,
    unmatched: sources
      .filter((source) => !matched.has(source))
      .map((source) => ({ source, candidates: undecided.get(source) ?? [] })),
  };
}

async function inTheSameOrder(sources: readonly Source[], targets: readonly Target[]): Promise<Candidate[]> {
  const digests = new DigestIndex(sources);
  const candidates: Candidate[] = [];
  for (const target of targets) {
    if (!digests.mayHold(target)) continue;
    const values = await target.read();
    for (const source of digests.find(values, target.precision)) {
      candidates.push(orient({ source, target }));
    }
  }
  return preferSameShape(candidates);
}

async function transposed(sources: readonly Source[], targets: readonly Target[]): Promise<Candidate[]> {
  const digests = new DigestIndex(sources);
  const candidates: Candidate[] = [];
  for (const target of targets) {
    const alike = digests.ofSize(target.size);
    const splits = alike.flatMap((source) => matrixSplits(target.shape, source.shape));
    if (splits.length === 0) continue;
    const values = await target.read();
    for (const rows of new Set(splits.map((split) => split.rows))) {
      const matrix = { rows, columns: target.size / rows };
      const turned = transpose(values, rows, matrix.columns);
      for (const source of digests.find(turned, target.precision))
        candidates.push({ source, target, matrix });
    }
  }
  return candidates;
}

async function scaled(sources: readonly Source[], targets: readonly Target[]): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const target of targets) {
    const alike = sources.filter(({ shape }) => shape.join() === target.shape.join());
    if (alike.length === 0) continue;
    const values = await target.read();
    for (const source of alike) {
      const [precision] = sharedPrecisions(source.precision, target.precision);
      if (isScaled(source.values, values, source.shape, precision!)) {
        candidates.push({ source, target, scaled: true });
      }
    }
  }
  return candidates;
}

/**
 * Constant and symmetric matrices look the same in both orders. Sizes tell which it is; square ones are taken as PyTorch's layers hold
 * them, [out, in].
 */
function orient(candidate: Candidate): Candidate {
  const { source, target } = candidate;
  if (!reversedShape(source.shape, target.shape)) return candidate;
  const square = sameShape(source.shape, target.shape);
  if (square && !source.inputsFirst) return candidate;
  const rows = target.shape.find((size) => size !== 1)!;
  const matrix = { rows, columns: target.size / rows };
  return equalsTranspose(source.values, matrix.columns, rows) ? { ...candidate, matrix } : candidate;
}

/** Constants equal whatever has their size: of a source's candidates those of its own shape count, if there are any. */
function preferSameShape(candidates: readonly Candidate[]): Candidate[] {
  const fits = ({ source, target }: Candidate) => sameShape(source.shape, target.shape);
  const turns = (candidate: Candidate) => candidate.matrix !== undefined;
  const withShape = new Set(candidates.filter(fits).map(({ source }) => source));
  const withTurn = new Set(candidates.filter(turns).map(({ source }) => source));
  return candidates.filter((candidate) => {
    if (withShape.has(candidate.source)) return fits(candidate);
    return withTurn.has(candidate.source) ? turns(candidate) : true;
  });
}

/** Sources by size and by what they look like in a precision. */
class DigestIndex {
  readonly #bySize = new Map<number, Source[]>();
  /** By size, precision and digest. */
  readonly #byContent = new Map<string, Source[]>();
  readonly #indexed = new Set<string>();

  constructor(sources: readonly Source[]) {
    for (const source of sources) push(this.#bySize, source.values.length, source);
  }

  ofSize(size: number): readonly Source[] {
    return this.#bySize.get(size) ?? [];
  }

  mayHold(target: Target): boolean {
    return this.#bySize.has(target.size);
  }

  /** The sources that equal `values`, which were stored in precision `stored`, where the two can be compared. */
  find(values: Float32Array, stored: Precision): Source[] {
    const found = new Set<Source>();
    const alike = this.ofSize(values.length);
    const precisions = new Set(alike.flatMap((source) => sharedPrecisions(source.precision, stored)));
    for (const precision of precisions) {
      this.#index(values.length, precision);
      const key = `${values.length} ${precision} ${contentDigest(values, precision)}`;
      for (const source of this.#byContent.get(key) ?? []) {
        if (sharedPrecisions(source.precision, stored).includes(precision)) found.add(source);
      }
    }
    return [...found];
  }

  #index(size: number, precision: Precision): void {
    const what = `${size} ${precision}`;
    if (this.#indexed.has(what)) return;
    this.#indexed.add(what);
    for (const source of this.ofSize(size)) {
      push(this.#byContent, `${what} ${contentDigest(source.values, precision)}`, source);
    }
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
