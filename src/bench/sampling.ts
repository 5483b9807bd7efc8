import { throwIfAborted } from '../prune/round.js';

/** One measurement. */
export interface Sample {
  /** Wall-clock time. */
  readonly seconds: number;
  /** Processor time of all threads of this process: what wall-clock time would be with nobody else on the machine, times threads. */
  readonly cpuSeconds: number;
}

/** Measures `work` once. */
export async function measure(work: () => Promise<unknown>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

/**
 * Lets every contestant have its turn, `times` times over: A B A B and not A A B B, so that what else the machine does, and how warm
 * it is, falls on all alike. The samples of each, in order.
 *
 * @throws PxError ERR_ABORTED once the signal has fired, and whatever a contestant throws
 */
export async function inTurns<T>(
  contestants: readonly (() => Promise<T>)[],
  times: number,
  signal?: AbortSignal | undefined,
): Promise<T[][]> {
  const samples = contestants.map((): T[] => []);
  for (let turn = 0; turn < times; turn++) {
    for (const [i, contestant] of contestants.entries()) {
      throwIfAborted(signal);
      samples[i]!.push(await contestant());
    }
  }
  return samples;
}

/** The middle value; the mean of the two middle ones where their number is even. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function medianSeconds(samples: readonly Sample[]): number {
  return median(samples.map(({ seconds }) => seconds));
}

export function medianCpuSeconds(samples: readonly Sample[]): number {
  return median(samples.map(({ cpuSeconds }) => cpuSeconds));
}
