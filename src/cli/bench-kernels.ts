import { measurePeak, type StepPart } from '../backend/native/time-step.js';
import { defaultBatch } from '../bench/inputs.js';
import { type KernelCase, type KernelTiming, layersOf, sumOf, timeKernel } from '../bench/kernels.js';
import type { ValidBenchOptions } from '../bench/options.js';
import { kernelMakers } from '../bench/shapes.js';
import type { LoadedModel } from '../plan/load.js';
import type { Findings } from './bench.js';
import { kernelTable, rounded } from './bench-tables.js';
import type { Terminal } from './terminal.js';
import { plural } from './text.js';

const [KERNEL_SAMPLES, QUICK_SAMPLES] = [16, 4];

/** A step to measure, made when its turn comes; the largest weigh 400 MB. */
interface Subject {
  readonly name: string;
  readonly parts: readonly StepPart[];
  readonly make: () => KernelCase;
}

type StepOptions = Pick<ValidBenchOptions, 'isas' | 'threads' | 'density' | 'rounds' | 'seed'>;

/** Linear steps of the shapes that networks are made of; `quick`: small ones. */
export async function measureKernels(
  options: StepOptions,
  terminal: Terminal,
  quick = false,
): Promise<Findings> {
  const samples = quick ? QUICK_SAMPLES : KERNEL_SAMPLES;
  const subjects = kernelMakers(quick).map(({ name, make }) => ({
    name,
    parts: ['f', 'data-gradient', 'weight-gradient'] as const,
    make: () => make(samples, options.seed),
  }));
  return measureSteps(subjects, samples, options, terminal);
}

/** The model's linear steps, in the forms that the methods use. */
export async function measureLayers(
  model: LoadedModel,
  options: ValidBenchOptions,
  terminal: Terminal,
): Promise<Findings> {
  const { methods, batch: samples = defaultBatch(model.plan) } = options;
  const parts: StepPart[] = [
    'f',
    ...(methods.includes('px') ? (['h'] as const) : []),
    ...(methods.includes('px-joint') ? (['j', 'data-gradient', 'weight-gradient'] as const) : []),
  ];
  const subjects = layersOf(model, samples).map(({ signal, ...layer }) => ({
    name: layer.name,
    parts: signal ? parts : (['f'] as const),
    make: () => layer,
  }));
  return measureSteps(subjects, samples, options, terminal, 'all steps');
}

async function measureSteps(
  subjects: readonly Subject[],
  samples: number,
  options: StepOptions,
  terminal: Terminal,
  sum?: string,
): Promise<Findings> {
  const { isas, threads: all, density: densities, rounds: repeats, seed } = options;
  const { signal } = terminal;
  const text: string[] = [];
  const steps: { isa: string; threads: number; peak: number; timings: KernelTiming[] }[] = [];
  for (const setting of isas.flatMap((isa) => all.map((threads) => ({ isa, threads })))) {
    const { isa, threads } = setting;
    const peak = await measurePeak(setting);
    const timings: KernelTiming[] = [];
    for (const { name, parts, make } of subjects) {
      terminal.note(`${isa}, ${plural(threads, 'thread')}: ${name}`);
      timings.push(...(await timeKernel(make(), { ...setting, parts, densities, repeats, seed, signal })));
    }
    steps.push({ ...setting, peak, timings });
    const shown = sum === undefined ? timings : [...timings, ...sumOf(timings, sum)];
    text.push(
      `linear steps on ${plural(samples, 'sample')}, ${isa}, ${plural(threads, 'thread')}, median of ${repeats}; ` +
        `peak ${rounded(peak / 1e9)} GFLOP/s\n\n${kernelTable(shown, densities, peak)}`,
    );
  }
  return { text, data: { samples, steps } };
}
