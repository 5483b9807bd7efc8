import picomatch from 'picomatch';
import type { Role } from '../analysis/layers.js';
import { PxError } from '../errors.js';
import type { PlanParam } from '../plan/plan.js';

export interface CandidateOptions {
  /** Globs over tensor names: only these are pruned. Default: all. */
  readonly only?: readonly string[] | undefined;
  /** Globs over tensor names: these are not pruned. */
  readonly exclude?: readonly string[] | undefined;
  /** Leave the first and the last prunable tensor dense. */
  readonly keepFirstLast?: boolean | undefined;
}

/**
 * Decides for every prunable tensor whether it takes part. A glob's `*` matches any characters, `/` and `.` included; a glob
 * that is literally a tensor's name matches that tensor.
 *
 * @throws PxError ERR_OPTION where a glob matches nothing, or nothing is left to prune
 */
export function assignRoles(params: readonly PlanParam[], options: CandidateOptions): Role[] {
  const only = matchAll(params, options.only, '--only');
  const excluded = matchAll(params, options.exclude, '--exclude') ?? new Set<string>();
  if (options.keepFirstLast === true) {
    const competing = params.filter((param) => !param.gateOnly);
    for (const param of [competing[0], competing.at(-1)]) if (param) excluded.add(param.name);
  }
  const roles = params.map((param): Role => {
    if (param.gateOnly) return 'gate-only';
    return excluded.has(param.name) || (only !== undefined && !only.has(param.name)) ? 'excluded' : 'pruned';
  });
  if (!roles.includes('pruned')) {
    throw new PxError(
      'ERR_OPTION',
      params.length === 0
        ? 'the model has no prunable tensor: PX prunes the weights of Conv, ConvTranspose, Gemm and MatMul'
        : 'nothing is left to prune: every prunable tensor is excluded or gate-only; relax --only, --exclude or --keep-first-last',
    );
  }
  return roles;
}

function matchAll(params: readonly PlanParam[], globs: readonly string[] | undefined, option: string) {
  if (globs === undefined) return undefined;
  const matched = new Set<string>();
  for (const glob of globs) {
    const isMatch = picomatch(glob, { dot: true, bash: true, nonegate: true });
    const hits = params.filter((param) => param.name === glob || isMatch(param.name));
    if (hits.length === 0) {
      throw new PxError(
        'ERR_OPTION',
        `${option} '${glob}' matches no prunable tensor; names are listed by px inspect, for example '${params[0]?.name ?? ''}'`,
      );
    }
    for (const hit of hits) matched.add(hit.name);
  }
  return matched;
}
