import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join, resolve } from 'node:path';
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
  readonly data: {
    readonly samples: ScoringData['samples'];
    readonly notes: readonly string[];
    readonly skipped: ScoringData['skipped'];
  };
  readonly machine: { readonly platform: string; readonly cpu: string; readonly node: string };
  /** SHA-256 of every other file the run wrote, by its name in the folder. */
  readonly files: Readonly<Record<string, string>>;
}

type Outcome = Pick<RunRecord, 'status' | 'reason' | 'kept' | 'log2' | 'layers'>;

/** Writes run.json; `written` are the paths of the run's other files. @throws PxError ERR_IO */
export async function writeRunRecord(
  folder: string,
  onnx: OnnxModel,
  data: ScoringData,
  summary: RunSummary,
  outcome: Outcome,
  written: readonly string[],
): Promise<void> {
  const hashes = await Promise.all(written.map(async (path) => [basename(path), await sha256File(path)] as const));
  const record: RunRecord = {
    format: 1,
    version: VERSION,
    ...outcome,
    ...summary,
    modelFile: onnx.file === undefined ? null : resolve(onnx.file),
    data: { samples: data.samples, notes: data.notes, skipped: data.skipped },
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
  try {
    const record = JSON.parse(text) as RunRecord;
    if (record.format === 1 && Array.isArray(record.rounds) && typeof record.configuration === 'object') return record;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new PxError('ERR_FILE', `${path} is not a run.json of px: name the folder of a px prune run, or prune again`);
}
