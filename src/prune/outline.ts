import type { Role } from '../analysis/layers.js';
import { PxError } from '../errors.js';
import { splitMicroBatches } from '../io/data/micro-batch.js';
import type { Plan } from '../plan/plan.js';
import { assignRoles } from './candidates.js';
import { countKept } from './masks.js';
import type { ValidPruneOptions } from './options.js';
import { keepSchedule } from './schedule.js';
import { packMasks } from './start.js';

/** What a pruning run will do, decided before any work. Arrays follow the parameter order. */
export interface RunOutline {
  readonly roles: readonly Role[];
  /** Packed masks to start from. */
  readonly start: readonly Uint8Array[];
  /** Weights of all tensors that take part. */
  readonly countable: number;
  /** How many of them each round keeps. */
  readonly schedule: readonly number[];
  /** Sizes of the micro-batches, in order. */
  readonly microBatches: readonly number[];
}

/** @throws PxError ERR_OPTION where the options cannot be met, ERR_MISMATCH where masks do not fit the model */
export function outlineRun(plan: Plan, samples: number, options: ValidPruneOptions): RunOutline {
  const { params } = plan;
  const { density, rounds, floor } = options;
  const roles = assignRoles(params, options);
  const start = packMasks(params, options.masks);
  let countable = 0;
  let alive = 0;
  let least = 0;
  params.forEach((param, id) => {
    if (roles[id] !== 'pruned') return;
    const kept = countKept(start[id]!);
    countable += param.size;
    alive += kept;
    least += Math.min(floor, kept);
  });
  const schedule = keepSchedule(countable, density, rounds, alive);
  const last = schedule.at(-1)!;
  if (last > alive) {
    throw new PxError(
      'ERR_OPTION',
      `density ${density} keeps ${last} of ${countable} weights, but the given masks keep only ${alive}: lower the density`,
    );
  }
  if (least > last) {
    throw new PxError(
      'ERR_OPTION',
      `a floor of ${floor} weights per tensor needs ${least} weights, but density ${density} keeps ${last}: ` +
        'lower the floor or raise the density',
    );
  }
  return { roles, start, countable, schedule, microBatches: splitMicroBatches(samples, options.microBatch) };
}
