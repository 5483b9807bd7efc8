import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { PxError } from '../errors.js';
import { parse } from '../prune/options.js';
import { instructionSets } from './machine.js';

const shares = z.array(z.number().gt(0).max(1)).min(1);
const counts = z.array(z.int().min(1).max(1024)).min(1);
const whole = z.int().min(1).max(1_000_000);

const schema = z.strictObject({
  method: z.enum(['px', 'px-joint']).optional(),
  norm: z.enum(['batch', 'running']).default('batch'),
  density: shares.default([1, 0.3, 0.05]),
  threads: counts.optional(),
  batch: whole.optional(),
  microBatch: whole.optional(),
  rounds: whole.default(5),
  run: whole.optional(),
  isa: z.array(z.string()).optional(),
  seed: z.int().default(0),
});

export type BenchOptions = z.input<typeof schema>;

export interface ValidBenchOptions
  extends Omit<z.output<typeof schema>, 'method' | 'density' | 'threads' | 'isa'> {
  readonly methods: readonly ('px' | 'px-joint')[];
  readonly density: readonly number[];
  readonly threads: readonly number[];
  readonly isas: readonly string[];
}

/** Options of `px bench`, with this machine's defaults. @throws PxError ERR_OPTION, ERR_BACKEND where there is no addon */
export function parseBenchOptions(options: BenchOptions): ValidBenchOptions {
  const { method, threads, isa, ...rest } = parse(schema, options);
  const cores = availableParallelism();
  const known = instructionSets();
  const unknown = isa?.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new PxError(
      'ERR_OPTION',
      `isa (--isa) '${unknown}' is none of this machine's: ${known.join(', ')}`,
    );
  return {
    ...rest,
    methods: method === undefined ? ['px', 'px-joint'] : [method],
    threads: threads ?? (cores > 1 ? [1, cores] : [1]),
    isas: isa ?? [process.env.PX_ISA ?? known.at(-1)!],
  };
}
