import type { Method, NormStatistics } from '../backend/backend.js';
import { PxError } from '../errors.js';
import type { Hash, NewHash } from '../hash.js';
import { VERSION } from '../version.js';
import type { ValidPruneOptions } from './options.js';
import type { RunOutline } from './outline.js';
import type { ScorableModel } from './session.js';

/** Everything the result of a run depends on. Two runs with equal configurations give the same bytes. */
export interface Configuration {
  readonly version: string;
  readonly modelSha256: string;
  readonly inputShape: readonly number[];
  readonly outputs: readonly string[];
  readonly dataDigest: string;
  readonly samples: number;
  readonly method: Method;
  readonly norm: NormStatistics;
  readonly microBatch: number;
  readonly backend: string;
  readonly density: number;
  readonly rounds: number;
  readonly only: readonly string[] | null;
  readonly exclude: readonly string[] | null;
  readonly keepFirstLast: boolean;
  readonly floor: number;
  /** SHA-256 of the masks the run starts from; null where everything is kept. */
  readonly startMasks: string | null;
}

/** The configuration of a run on `model`; `dataDigest` is the data set's. */
export function configure(
  model: ScorableModel,
  outline: RunOutline,
  options: ValidPruneOptions,
  backend: string,
  dataDigest: string,
  newHash: NewHash,
): Configuration {
  const { plan, sha256 } = model;
  const { method, norm, density, rounds, only, exclude, keepFirstLast, floor, masks, microBatch } = options;
  return {
    version: VERSION,
    modelSha256: sha256,
    inputShape: plan.values[plan.input]!.shape,
    outputs: plan.outputs.map((output) => output.name),
    dataDigest,
    samples: outline.microBatches.reduce((sum, size) => sum + size, 0),
    method,
    norm,
    microBatch: microBatch ?? Math.max(...outline.microBatches),
    backend,
    density,
    rounds,
    only: only ?? null,
    exclude: exclude ?? null,
    keepFirstLast,
    floor,
    startMasks: masks === undefined ? null : digestMasks(outline.start, newHash()),
  };
}

/**
 * @param found what the run in `folder` was started with
 * @throws PxError ERR_MISMATCH naming every setting that differs, with both values
 */
export function requireSameConfiguration(folder: string, found: unknown, wanted: Configuration): void {
  const before = (typeof found === 'object' && found !== null ? found : {}) as Record<string, unknown>;
  const differences = Object.entries(wanted).flatMap(([key, value]) => {
    const [was, is] = [JSON.stringify(before[key]), JSON.stringify(value)];
    return was === is ? [] : [`${key} was ${was ?? 'not recorded'} and is now ${is}`];
  });
  if (differences.length === 0) return;
  throw new PxError(
    'ERR_MISMATCH',
    `the run in ${folder} cannot be resumed, it was started differently: ${differences.join('; ')}. ` +
      'Pass what it was started with, or start over with --force or in another folder',
  );
}

/** SHA-256 over packed masks, in hex. */
function digestMasks(masks: readonly Uint8Array[], hash: Hash): string {
  for (const mask of masks) hash.update(mask);
  return hash.digest('hex');
}
