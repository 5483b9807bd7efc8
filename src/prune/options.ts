import * as z from 'zod';
import type { Backend, Method, NormStatistics } from '../backend/backend.js';
import { PxError } from '../errors.js';
import { optionName } from '../option-name.js';
import type { Progress } from './progress.js';

/** Masks by tensor name: one byte a weight, 0 = pruned, 1 = kept, in stored layout. */
export type MaskMap = ReadonlyMap<string, Uint8Array>;

export interface ScoreOptions {
  /** Default 'px'. */
  readonly method?: Method | undefined;
  /** Where normalisation statistics come from. Default 'batch'. */
  readonly norm?: NormStatistics | undefined;
  /** Samples a micro-batch; under norm 'batch' it is part of the result. Default min(128, samples). */
  readonly microBatch?: number | undefined;
  /** CPU threads; results do not depend on it. Default: the machine's cores. */
  readonly threads?: number | undefined;
  /** Masks to start from; tensors they do not name are dense. Default: everything is kept. */
  readonly masks?: MaskMap | undefined;
  /** Bytes the work may take; default: what the system says is available. */
  readonly memoryLimit?: number | undefined;
  /** Default: the native CPU engine. */
  readonly backend?: Backend | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PruneOptions extends ScoreOptions {
  /** Share of the countable weights that is kept in the end, in (0, 1]. */
  readonly density: number;
  /** Default 100. */
  readonly rounds?: number | undefined;
  /** Globs over tensor names: only these are pruned. */
  readonly only?: readonly string[] | undefined;
  /** Globs over tensor names: these stay as they are. */
  readonly exclude?: readonly string[] | undefined;
  /** Leave the first and the last prunable tensor as they are. Default false. */
  readonly keepFirstLast?: boolean | undefined;
  /** Least weights left in every tensor that is pruned. Default 0. */
  readonly floor?: number | undefined;
  /** Where the data came from and how they were prepared: recorded in run.json as it is. */
  readonly provenance?: Readonly<Record<string, unknown>> | undefined;
  /** Folder for masks, pruned model, run.json and checkpoints. Default: nothing is written. */
  readonly out?: string | undefined;
  /** Go on from the checkpoint in `out`. Default false. */
  readonly resume?: boolean | undefined;
  /** Write into `out` whatever it holds. Default false. */
  readonly force?: boolean | undefined;
}

const wholeFrom1 = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const globs = z.array(z.string().min(1)).min(1);
const callable = <T>() => z.custom<T>((value) => typeof value === 'function', 'expected a function');
const object = <T>() =>
  z.custom<T>((value) => typeof value === 'object' && value !== null, 'expected an object');

const scoreFields = {
  method: z.enum(['px', 'px-joint']).default('px'),
  norm: z.enum(['batch', 'running']).default('batch'),
  microBatch: wholeFrom1.optional(),
  threads: z.int().min(1).max(1024).optional(),
  masks: z.map(z.string(), z.instanceof(Uint8Array)).optional(),
  memoryLimit: wholeFrom1.optional(),
  backend: object<Backend>().optional(),
  onProgress: callable<(progress: Progress) => void>().optional(),
  signal: z.instanceof(AbortSignal).optional(),
};

const scoreSchema = z.strictObject(scoreFields);
const pruneSchema = z.strictObject({
  ...scoreFields,
  density: z.number().gt(0).max(1),
  rounds: z.int().min(1).max(1_000_000).default(100),
  only: globs.optional(),
  exclude: globs.optional(),
  keepFirstLast: z.boolean().default(false),
  floor: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  provenance: z.record(z.string(), z.unknown()).optional(),
  out: z.string().min(1).optional(),
  resume: z.boolean().default(false),
  force: z.boolean().default(false),
});

export type ValidScoreOptions = z.output<typeof scoreSchema>;
export type ValidPruneOptions = z.output<typeof pruneSchema>;

/** @throws PxError ERR_OPTION naming every option at fault */
export function parseScoreOptions(options: ScoreOptions): ValidScoreOptions {
  return parse(scoreSchema, options);
}

/** @throws PxError ERR_OPTION naming every option at fault */
export function parsePruneOptions(options: PruneOptions): ValidPruneOptions {
  const valid = parse(pruneSchema, options);
  if (valid.resume && valid.out === undefined) {
    throw new PxError('ERR_OPTION', 'resume needs `out`, the folder that holds the checkpoint');
  }
  if (valid.resume && valid.force) {
    throw new PxError('ERR_OPTION', 'resume goes on with a run and force starts it over: pass one of them');
  }
  return valid;
}

/** Checks `value` against a schema. @throws PxError ERR_OPTION with one clause per option at fault */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = z.safeParse(schema, value, { reportInput: true });
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => {
    const { path, message, input } = issue;
    if (path.length === 0) return message;
    const bound = boundOf(issue);
    const name = optionName(String(path[0]));
    return bound === undefined ? `${name}: ${message}` : `${name} must be ${bound}, not ${String(input)}`;
  });
  throw new PxError('ERR_OPTION', faults.join('; '));
}

/** What a number out of range should have been; undefined for other faults, which zod words well enough. */
function boundOf(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code === 'too_small' && typeof issue.input === 'number')
    return `${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`;
  if (issue.code === 'too_big' && typeof issue.input === 'number')
    return `${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`;
  return undefined;
}
