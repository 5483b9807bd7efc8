import { join } from 'node:path';
import { PxError } from '../errors.js';
import { readSafetensors } from '../io/safetensors.js';
import { readModel } from '../onnx/read.js';
import { sha256File } from './file-hash.js';
import { FILES } from './folder.js';
import { type RunRecord, readRunRecord } from './run-record.js';
import { keepSchedule } from './schedule.js';
import { comparePruned, findNonZero, type NamedMask } from './verify-model.js';

export interface Check {
  readonly name: string;
  /** 'skipped': could not be made, `detail` says why. */
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly detail: string;
}

/**
 * Checks that the folder of a finished run is what its run.json says: hashes, counts, zeros exactly where the masks prune, and the
 * rest of the pruned model as in the input model.
 *
 * @param inputModel path of the input model; default: where run.json says it was, if it is still there
 * @returns one entry per check; failures are entries, not errors
 * @throws PxError ERR_FILE where there is no run to check, ERR_IO
 */
export async function verifyRun(folder: string, inputModel?: string): Promise<Check[]> {
  const record = await readRunRecord(folder);
  if (record === undefined) {
    throw new PxError(
      'ERR_FILE',
      `${folder} holds no ${FILES.run}: name the folder of a finished px prune run`,
    );
  }
  const checks: Check[] = [];
  const check = async (name: string, make: () => Promise<string | undefined>, passed: string) => {
    const fault = await make().catch((error: unknown) => {
      if (error instanceof PxError) return error.message;
      throw error;
    });
    checks.push({ name, outcome: fault === undefined ? 'passed' : 'failed', detail: fault ?? passed });
    return fault === undefined;
  };
  const finished = await check('run', async () => faultOfRun(record), `${record.rounds.length} rounds`);
  if (!finished) return checks;

  for (const [name, expected] of Object.entries(record.files)) {
    await check(`hash of ${name}`, () => faultOfHash(join(folder, name), expected), expected);
  }
  let masks: NamedMask[] = [];
  const readable = await check(
    'masks',
    async () => {
      masks = await readNamedMasks(folder);
      return faultOfMasks(record, masks);
    },
    `${record.kept} of ${record.countable} weights kept`,
  );
  if (!readable) return checks;
  await check('pruned weights are 0', () => faultOfZeros(folder, masks), `${masks.length} tensors`);
  await checkInput(record, folder, masks, inputModel, checks, check);
  return checks;
}

async function checkInput(
  record: RunRecord,
  folder: string,
  masks: readonly NamedMask[],
  given: string | undefined,
  checks: Check[],
  check: (name: string, make: () => Promise<string | undefined>, passed: string) => Promise<boolean>,
): Promise<void> {
  const name = 'all else is as in the input model';
  const path = given ?? record.modelFile;
  const skip = (detail: string) => void checks.push({ name, outcome: 'skipped', detail });
  if (path === null) return skip('the model came from memory; name its file with --model');
  const input = await readModel(path).catch((error: unknown) => {
    if (given === undefined && error instanceof PxError) return error;
    throw error;
  });
  if (input instanceof PxError)
    return skip(`the input model cannot be read (${input.message}); name it with --model`);
  const { modelSha256 } = record.configuration;
  if (input.sha256 !== modelSha256) {
    const detail = `${path} is not the model the run started from: SHA-256 ${input.sha256}, not ${modelSha256}`;
    if (given === undefined) return skip(`${detail}; name it with --model`);
    return void checks.push({ name, outcome: 'failed', detail });
  }
  await check(
    name,
    async () => comparePruned(input.model, (await readModel(join(folder, FILES.model))).model, masks),
    path,
  );
}

function faultOfRun(record: RunRecord): string | undefined {
  if (record.status !== 'done') return `the run did not finish, the network was cut: ${record.reason}`;
  const { countable, rounds, configuration } = record;
  // Where a run goes on from given masks, its schedule depends on them; its end does not.
  const expected = keepSchedule(countable, configuration.density, configuration.rounds);
  const first = configuration.startMasks === null ? 0 : expected.length - 1;
  if (rounds.length !== expected.length) return `${rounds.length} rounds instead of ${expected.length}`;
  for (let i = first; i < expected.length; i++) {
    if (rounds[i]!.kept !== expected[i])
      return `round ${i + 1} kept ${rounds[i]!.kept} weights instead of ${expected[i]}`;
  }
  const last = rounds.at(-1)!.kept;
  return record.kept === last
    ? undefined
    : `${record.kept} weights kept in the end, but ${last} after the last round`;
}

async function faultOfHash(path: string, expected: string): Promise<string | undefined> {
  const found = await sha256File(path);
  return found === expected
    ? undefined
    : `${path} has SHA-256 ${found}, not ${expected}: it was changed after the run`;
}

async function readNamedMasks(folder: string): Promise<NamedMask[]> {
  const { tensors } = await readSafetensors(join(folder, FILES.masks));
  return [...tensors].map(([name, { dtype, shape, data }]) => {
    if (dtype !== 'U8' || !(data instanceof Uint8Array) || data.some((value) => value > 1)) {
      throw new PxError('ERR_FILE', `mask '${name}' is not made of U8 zeros and ones`);
    }
    return { name, shape, keep: data };
  });
}

function faultOfMasks(record: RunRecord, masks: readonly NamedMask[]): string | undefined {
  const layers = new Map((record.layers ?? []).map((layer) => [layer.name, layer]));
  if (layers.size !== masks.length) return `${masks.length} masks for ${layers.size} tensors`;
  let kept = 0;
  let countable = 0;
  for (const { name, shape, keep } of masks) {
    const layer = layers.get(name);
    if (layer === undefined || String(layer.shape) !== String(shape))
      return `mask '${name}' [${shape}] is none of the run's`;
    const count = keep.reduce((sum, value) => sum + value, 0);
    if (count !== layer.kept) return `mask '${name}' keeps ${count} weights, ${FILES.run} says ${layer.kept}`;
    if (layer.role === 'pruned') {
      kept += count;
      countable += keep.length;
    } else if (record.configuration.startMasks === null && count !== keep.length) {
      return `mask '${name}' prunes a tensor that is ${layer.role}`;
    }
  }
  if (countable !== record.countable)
    return `${countable} countable weights, ${FILES.run} says ${record.countable}`;
  return kept === record.kept
    ? undefined
    : `the masks keep ${kept} weights, ${FILES.run} says ${record.kept}`;
}

async function faultOfZeros(folder: string, masks: readonly NamedMask[]): Promise<string | undefined> {
  const { model } = await readModel(join(folder, FILES.model));
  return findNonZero(model, masks);
}
