/** Measurements as tables; every column says its unit. */
import type { KernelTiming } from '../bench/kernels.js';
import type { Machine } from '../bench/machine.js';
import type { RoundTiming } from '../bench/rounds.js';
import type { RunTiming } from '../bench/run.js';
import { median, medianCpuSeconds, medianSeconds, type Sample } from '../bench/sampling.js';
import type { SelectionTiming } from '../bench/selection.js';
import { table } from './tables.js';
import { bytes, count, percent, plural } from './text.js';

export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryBytes, load, platform, node, isa, version } = machine;
  return `${cpu}, ${plural(cores, 'processor')} (load ${load.toFixed(1)}), ${bytes(memoryBytes)}, ${platform}, Node ${node}; px ${version}, kernels ${isa}`;
}

/** `peaks`: FLOP/s that the machine reaches at best, by number of threads. */
export function roundTable(rounds: readonly RoundTiming[], peaks?: ReadonlyMap<number, number>): string {
  const rows = rounds.map((round) => {
    const { method, threads, density, batch, samples, denseFlop, peakBytes } = round;
    const seconds = medianSeconds(samples);
    const rate = (denseFlop * density) / seconds;
    const peak = peaks?.get(threads);
    return [
      method,
      String(threads),
      String(density),
      milliseconds(seconds),
      milliseconds(fastest(samples)),
      milliseconds(medianCpuSeconds(samples)),
      rounded(batch / seconds),
      rounded(rate / 1e9),
      ...(peaks ? [peak === undefined ? '' : percent(rate / peak)] : []),
      bytes(peakBytes),
    ];
  });
  const head = ['method', 'threads', 'density', 'round ms', 'fastest ms', 'CPU ms', 'samples/s', 'GFLOP/s'];
  return table([...head, ...(peaks ? ['of peak'] : []), 'memory'], rows, 1);
}

/** One line per step and part, two columns per density. `peak`: FLOP/s that the machine reaches at best with this setting. */
export function kernelTable(
  timings: readonly KernelTiming[],
  densities: readonly number[],
  peak: number,
): string {
  const rows = new Map<string, KernelTiming[]>();
  for (const timing of timings) {
    const key = `${timing.name}\n${timing.part}`;
    rows.set(key, [...(rows.get(key) ?? []), timing]);
  }
  const cells = (timing: KernelTiming) => {
    const seconds = median(timing.seconds);
    const rate = (timing.denseFlop * timing.kept) / seconds;
    return [milliseconds(seconds), rounded(rate / 1e9), percent(rate / peak)];
  };
  return table(
    ['step', 'part', 'GFLOP', ...densities.flatMap((density) => [`at ${density}: ms`, 'GFLOP/s', 'of peak'])],
    [...rows.values()].map((row) => [
      row[0]!.name,
      row[0]!.part,
      rounded(row[0]!.denseFlop / 1e9),
      ...row.flatMap(cells),
    ]),
    2,
  );
}

export function runTable(runs: readonly RunTiming[]): string {
  const rows = runs.map((run) => {
    const { method, threads, rounds, density, scoring, selecting } = run;
    const [score, select] = [total(scoring), total(selecting)];
    return [
      method,
      String(threads),
      String(rounds),
      String(density),
      (score + select).toPrecision(3),
      milliseconds((score + select) / rounds),
      milliseconds(scoring[0]!.seconds),
      percent(select / (score + select)),
      bytes(run.peakBytes),
      bytes(run.residentPeak),
    ];
  });
  const head = ['method', 'threads', 'rounds', 'to density', 'run s', 'mean round ms', 'first round ms'];
  return table([...head, 'selection', 'memory', 'process'], rows, 1);
}

export function selectionTable(timings: readonly SelectionTiming[]): string {
  const rows = timings.map(({ weights, kept, threads, samples }) => [
    count(weights),
    count(kept),
    String(threads),
    milliseconds(medianSeconds(samples)),
    milliseconds(fastest(samples)),
    // Scores are read three times, masks once; as a rate of what is ranked, it compares with the speed of memory.
    rounded((4 * weights) / medianSeconds(samples) / 1e9),
  ]);
  return table(['weights', 'kept (weights)', 'threads', 'select ms', 'fastest ms', 'GB/s'], rows, 0);
}

export function milliseconds(seconds: number): string {
  return rounded(seconds * 1000);
}

/** Three digits, without an exponent. */
export function rounded(value: number): string {
  return value >= 1000 ? count(Math.round(value)) : value.toPrecision(3);
}

function fastest(samples: readonly Sample[]): number {
  return Math.min(...samples.map(({ seconds }) => seconds));
}

function total(samples: readonly Sample[]): number {
  return samples.reduce((sum, { seconds }) => sum + seconds, 0);
}
