/** Which samples are used, in which order: all, or so many of each class. */
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { PxError } from '../../errors.js';
import type { DatasetOptions } from './options.js';
import type { Sample } from './types.js';

const DEFAULT_PER_CLASS = 10;

/** Tells which of the given samples can be used, in their order. */
export type Filter = (samples: readonly Sample[]) => Promise<readonly Sample[]>;

/**
 * Draws the samples. Without labels, or with perClass 'all', it is all of them in their order. Otherwise each class is shuffled by
 * the seed and gives its first `perClass` usable samples; the classes take turns, so that every micro-batch sees all of them. Samples
 * without a label follow at the end. `limit` cuts the result. ERR_OPTION where perClass is asked of data without labels.
 */
export async function selectSamples(
  samples: readonly Sample[],
  options: DatasetOptions,
  usable: Filter,
): Promise<{ chosen: Sample[]; notes: string[] }> {
  const { perClass, seed = 0, limit = Infinity } = options;
  const labelled = samples.filter((sample) => sample.label !== undefined);
  if (typeof perClass === 'number' && labelled.length === 0) {
    throw new PxError(
      'ERR_OPTION',
      `perClass ${perClass} needs classes (sub-folders, CIFAR files or a tensor "y"); the data have none`,
    );
  }
  if (labelled.length === 0 || perClass === 'all')
    return { chosen: await take(samples, limit, usable), notes: [] };

  const wanted = perClass ?? DEFAULT_PER_CLASS;
  const picks: Sample[][] = [];
  const short: string[] = [];
  const generator = xoroshiro128plus(seed | 0);
  for (const [label, members] of byClass(labelled)) {
    for (let i = members.length - 1; i > 0; i--) {
      const j = uniformInt(generator, 0, i);
      [members[i], members[j]] = [members[j]!, members[i]!];
    }
    const taken = await take(members, wanted, usable);
    if (taken.length < wanted) short.push(`${label} (${taken.length})`);
    picks.push(taken);
  }
  const chosen: Sample[] = [];
  for (let turn = 0; turn < wanted; turn++) {
    for (const taken of picks) if (turn < taken.length) chosen.push(taken[turn]!);
  }
  const plain = samples.filter((sample) => sample.label === undefined);
  chosen.push(...(await take(plain, Infinity, usable)));

  const whose = perClass === undefined ? ', the default' : '';
  const notes = [
    `${wanted} ${wanted === 1 ? 'sample' : 'samples'} of each of ${picks.length} classes, drawn with seed ${seed}${whose}`,
  ];
  if (short.length > 0) notes.push(`classes with fewer than ${wanted} samples: ${listShort(short)}`);
  if (plain.length > 0) notes.push(`${plain.length} samples without a class were all taken`);
  return { chosen: chosen.slice(0, limit), notes };
}

/** The first `count` usable ones, asking about no more than needed. */
async function take(samples: readonly Sample[], count: number, usable: Filter): Promise<Sample[]> {
  const taken: Sample[] = [];
  for (let next = 0; next < samples.length && taken.length < count; ) {
    const asked = samples.slice(next, next + Math.min(count - taken.length, 256));
    for (const sample of await usable(asked)) taken.push(sample);
    next += asked.length;
  }
  return taken;
}

/** Classes in ascending order: numbers by value, names by code units, numbers first. */
function byClass(samples: readonly Sample[]): [string | number, Sample[]][] {
  const classes = new Map<string | number, Sample[]>();
  for (const sample of samples) {
    const members = classes.get(sample.label!);
    if (members) members.push(sample);
    else classes.set(sample.label!, [sample]);
  }
  return [...classes].sort(([a], [b]) => {
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    return a < b ? -1 : 1;
  });
}

function listShort(names: readonly string[]): string {
  return names.length > 10
    ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`
    : names.join(', ');
}
