/** Pairs of equal content, and the choice among them where several tensors have the same content. */
import { nameAgreement, naturalOrder } from './names.js';
import type { Precision } from './precision.js';

/** A weight of the model. */
export interface Source {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly precision: Precision;
  /** Nodes that read it. */
  readonly uses: number;
  /** Stored [in, out], as MatMul has it; PyTorch's layers have [out, in]. */
  readonly inputsFirst: boolean;
}

/** A tensor of the state_dict; values are read when they are compared, one tensor at a time. */
export interface Target {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
  readonly precision: Precision;
  readonly read: () => Promise<Float32Array>;
}

/** A source and a target that hold the same numbers. */
export interface Candidate {
  readonly source: Source;
  readonly target: Target;
  /** Present where the target is the transpose of the source: the target as a matrix. */
  readonly matrix?: { readonly rows: number; readonly columns: number };
  /** True where each channel of the source has a factor of its own. */
  readonly scaled?: true;
}

/** What decided: content alone; all tensors that share one weight; names or order among equal contents. */
export type Reason = 'content' | 'shared' | 'name' | 'order';

export interface Match extends Candidate {
  readonly by: Reason;
}

interface Open {
  readonly source: Source;
  readonly candidates: readonly string[];
}

/** Decides for every source, in groups of sources that have the same candidates. A target is given to one source only. */
export function choose(candidates: readonly Candidate[]): { matches: Match[]; open: Open[] } {
  const bySource = grouped(candidates, ({ source }) => source);
  const groups = grouped([...bySource.values()], (of) =>
    JSON.stringify(of.map(({ target }) => target.name).sort()),
  );
  const matches: Match[] = [];
  const open: Open[] = [];
  const taken = new Set<Target>();
  for (const group of groups.values()) {
    const chosen = decide(group.map((of) => of.filter(({ target }) => !taken.has(target))));
    matches.push(...chosen);
    for (const { target } of chosen) taken.add(target);
    const decided = new Set(chosen.map(({ source }) => source));
    for (const of of group) {
      const { source } = of[0]!;
      if (!decided.has(source)) open.push({ source, candidates: of.map(({ target }) => target.name) });
    }
  }
  return { matches, open };
}

/** One list of candidates per source; all lists have the same targets. */
function decide(group: readonly (readonly Candidate[])[]): Match[] {
  const [first] = group;
  if (first === undefined || first.length === 0) return [];
  if (group.length === 1 && first.length === 1) return [{ ...first[0]!, by: 'content' }];
  // Exporters write equal parameters once; each of the parameters then has this mask.
  if (group.length === 1 && first.length <= first[0]!.source.uses) {
    return first.map((candidate) => ({ ...candidate, by: 'shared' }));
  }
  const named = byName(group.flat());
  const sources = new Set(named.map(({ source }) => source));
  const targets = new Set(named.map(({ target }) => target));
  const rest = group
    .filter((of) => !sources.has(of[0]!.source))
    .map((of) => of.filter(({ target }) => !targets.has(target)));
  return [...named, ...byOrder(rest)];
}

/** Pairs each of which agrees better than any other pair of its source or of its target. */
function byName(candidates: readonly Candidate[]): Match[] {
  const matches: Match[] = [];
  let left = candidates.map((candidate) => ({
    candidate,
    agreement: nameAgreement(candidate.source.name, candidate.target.name),
  }));
  for (;;) {
    const best = left.find(({ candidate, agreement }) =>
      left.every(
        (other) =>
          other.candidate === candidate ||
          (other.candidate.source !== candidate.source && other.candidate.target !== candidate.target) ||
          other.agreement < agreement,
      ),
    );
    if (best === undefined || best.agreement === 0) return matches;
    const { source, target } = best.candidate;
    matches.push({ ...best.candidate, by: 'name' });
    left = left.filter(({ candidate }) => candidate.source !== source && candidate.target !== target);
  }
}

/** As many tensors as there are weights: the first to the first, and so on, in the graph's order and that of the names. */
function byOrder(group: readonly (readonly Candidate[])[]): Match[] {
  if (group.some((of) => of.length !== group.length)) return [];
  const order = naturalOrder((group[0] ?? []).map(({ target }) => target.name));
  return group.map((of, i) => ({ ...of.find(({ target }) => target.name === order[i])!, by: 'order' }));
}

function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
