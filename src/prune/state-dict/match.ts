/** Which tensor of a state_dict holds the numbers of which weight of a model. */
import { equalsTranspose, matrixSplits, reversedShape, sameShape, transpose } from './layout.js';
import { type Choice, choose, type Reason } from './choose.js';
import { contentDigest, type Precision, sharedPrecisions } from './precision.js';
import { isScaled } from './scaled.js';

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

export interface Match {
  readonly source: Source;
  readonly target: Target;
  /** Present where the state_dict has the transpose: its tensor as a matrix. */
  readonly matrix?: { readonly rows: number; readonly columns: number };
  readonly by: Reason | 'scale';
}

export interface Matching {
  readonly matches: readonly Match[];
  readonly unmatched: readonly { readonly source: Source; readonly candidates: readonly string[] }[];
}

/**
 * Matches by content: the same numbers in the same order (exactly, or after one side was converted to a narrower type); else
 * transposed; else with a factor per channel. Names and order decide only among tensors of equal content.
 */
export async function matchTensors(
  sources: readonly Source[],
  targets: readonly Target[],
): Promise<Matching> {
  const matches: Match[] = [];
  const taken = new Set<Target>();
  let left = sources;
  const accept = ({ chosen, open }: Choice, add: (source: Source, target: Target) => Omit<Match, 'by'>) => {
    for (const { source, target, by } of chosen) {
      matches.push({ ...add(source, target), by });
      taken.add(target);
    }
    return open;
  };
  const undecided = new Map<Source, readonly string[]>();
  const passes = [sameContent, transposedContent, scaledContent];
  for (const pass of passes) {
    const found = await pass(
      left,
      targets.filter((target) => !taken.has(target)),
    );
    const open = accept(choose(found.candidates), (source, target) => found.describe(source, target));
    for (const { source, candidates } of open) undecided.set(source, candidates);
    const done = new Set([...matches.map((match) => match.source), ...undecided.keys()]);
    left = left.filter((source) => !done.has(source));
  }
  const unmatched = sources.flatMap((source) =>
    matches.some((match) => match.source === source)
      ? []
      : [{ source, candidates: undecided.get(source) ?? [] }],
  );
  return { matches, unmatched };
}
