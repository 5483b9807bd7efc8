import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import type { LayerReport } from '../analysis/layers.js';
import type { Log2Scalars } from '../backend/backend.js';
import { PxError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic.js';
import { ioError, systemCode } from '../io/os-error.js';
import type { OnnxModel } from '../onnx/proto.js';
import { VERSION } from '../version.js';
import { sha256File } from './file-hash.js';
import { FILES } from './folder.js';
import type { RunSummary } from './result.js';
import type { ScoringData } from './session.js';

/** run.json: what was asked, what was done, and on what. */
export interface RunRecord extends RunSummary {
  readonly format: 1;
  readonly version: string;
  /** 'cut': R became 0; the folder holds the last good masks, and `reason` names the tensor. */
  readonly status: 'done' | 'cut';
  readonly reason?: string;
  /** Absent where the run was cut. */
  readonly kept?: number;
  readonly log2?: Log2Scalars;
  readonly layers?: readonly LayerReport[];
  /** Where the input model was; null where it came from memory. */
  readonly modelFile: string | null;
  /** ISO 8601, UTC. */
  readonly finished: string;
  readonly data: {
    readonly provenance: Readonly<Record<string, unknown>>;
    readonly samples: ScoringData['samples'];
    readonly notes: readonly string[];
    readonly skipped: ScoringData['skipped'];
  };
  readonly machine: { readonly platform: string; readonly cpu: string; readonly node: string };
  /** SHA-256 of every other file the run wrote, by its name in the folder. */
  readonly files: Readonly<Record<string, string>>;
}

/** A data set, and what the caller told about where it came from. */
export interface RecordedData extends Pick<ScoringData, 'samples' | 'notes' | 'skipped'> {
  readonly provenance: Readonly<Record<string, unknown>>;
}

type Outcome = Pick<RunRecord, 'status' | 'reason' | 'kept' | 'log2' | 'layers'>;

/** Writes run.json; `written` are the paths of the run's other files. @throws PxError ERR_IO, ERR_ABORTED */
export async function writeRunRecord(
  folder: string,
  onnx: OnnxModel,
  data: RecordedData,
  summary: RunSummary,
  outcome: Outcome,
  written: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const hashes = await Promise.all(
    written.map(async (path) => [relative(folder, path), await sha256File(path, signal)] as const),
  );
  const record: RunRecord = {
    format: 1,
    version: VERSION,
    ...outcome,
    ...summary,
    modelFile: onnx.file === undefined ? null : resolve(onnx.file),
    finished: new Date().toISOString(),
    data: { provenance: data.provenance, notes: data.notes, skipped: data.skipped, samples: data.samples },
    machine: {
      platform: `${process.platform} ${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
    },
    files: Object.fromEntries(hashes),
  };
  await writeFileAtomic(join(folder, FILES.run), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Reads run.json; undefined where the folder holds none.
 *
 * @throws PxError ERR_FILE where it is not one of ours, ERR_IO
 */
export async function readRunRecord(folder: string): Promise<RunRecord | undefined> {
  const path = join(folder, FILES.run);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw ioError(error, 'read', path);
  }
  const fault = (why: string) =>
    new PxError(
      'ERR_FILE',
      `${path} is not a run.json of px (${why}): name the folder of a px prune run, or prune again`,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fault((error as SyntaxError).message);
  }
  const result = z.safeParse(SHAPE, json);
  if (!result.success)
    throw fault(result.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`).join('; '));
  return json as RunRecord;
}

/** As far as it is read again; a name of a file may not lead out of the folder. */
const SHAPE = z.looseObject({
  format: z.literal(1),
  status: z.enum(['done', 'cut']),
  reason: z.string().optional(),
  configuration: z.looseObject({
    modelSha256: z.string(),
    density: z.number().gt(0).max(1),
    rounds: z.int().min(1).max(1_000_000),
    startMasks: z.string().nullable(),
  }),
  rounds: z.array(
    z.looseObject({ round: z.int(), kept: z.int(), log2: z.looseObject({}), seconds: z.number() }),
  ),
  countable: z.int().min(1),
  kept: z.int().optional(),
  log2: z.looseObject({ R: z.number() }).optional(),
  layers: z
    .array(
      z.looseObject({
        name: z.string(),
        shape: z.array(z.int()),
        role: z.enum(['pruned', 'gate-only', 'excluded']),
        weights: z.int(),
        kept: z.int(),
      }),
    )
    .optional(),
  microBatches: z.array(z.int()),
  backend: z.string(),
  seconds: z.number(),
  modelFile: z.string().nullable(),
  files: z.record(
    z
      .string()
      .refine((name) => !isAbsolute(name) && !name.split(/[\\/]/).includes('..'), 'leads out of the folder'),
    z.string(),
  ),
});
