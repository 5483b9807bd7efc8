import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { PxError } from '../../src/errors.js';
import { inspectModel } from '../../src/plan/inspect.js';
import { type LoadedModel, loadModel } from '../../src/plan/load.js';
import { type FileSpec, onnxFile } from '../support/onnx-file.js';
import { damaged } from './bytes.js';
import { HOSTILE_NAMES } from './hostile-values.js';
import { damagedFields } from './onnx-fields.js';
import { hostileGraph } from './onnx-graphs.js';
import type { Reader } from './readers.js';

const GOLDEN = join(import.meta.dirname, '..', 'golden');
/** Plans with values larger than this together are not compiled: that costs time, and nothing else is looked at. */
const SMALL = 200_000;

function smallModels(): Uint8Array[] {
  const files = readdirSync(GOLDEN).map((name) => join(GOLDEN, name, 'model.onnx'));
  return files
    .filter((file) => statSync(file).size < 9000)
    .map((file) => Uint8Array.from(readFileSync(file)));
}

/** Loads and inspects; and what the importer lets through, the engine's own check must let through too. */
async function readModel(source: string | Uint8Array): Promise<void> {
  let model: LoadedModel;
  try {
    model = await loadModel(source, { inputSize: [8] });
  } catch (error) {
    if (!(error instanceof PxError)) throw error;
    if (typeof source !== 'string') await inspectedToo(source, error);
    throw error;
  }
  const { values, steps } = model.plan;
  const total = values.reduce((sum, value) => sum + value.shape.reduce((size, dim) => size * dim, 1), 0);
  if (total > SMALL || steps.length > 100) return;
  const backend = cpuBackend();
  const program = await backend.compile(model.plan, model.weights, {
    method: 'px',
    norm: 'batch',
    threads: 1,
  });
  program.dispose();
}

/** `px inspect` lists problems where loading throws them; it may refuse the same things for the same reasons only. */
async function inspectedToo(bytes: Uint8Array, refusal: PxError): Promise<void> {
  try {
    await inspectModel(bytes);
  } catch (error) {
    if (!(error instanceof PxError)) throw error;
    if (error.code === 'ERR_UNSUPPORTED' || error.code === 'ERR_FILE' || error.code === refusal.code) return;
    throw new Error(
      `inspect fails with ${error.code} (${error.message}) where loading fails with ${refusal.code} (${refusal.message})`,
    );
  }
}

const CODES = ['ERR_FILE', 'ERR_UNSUPPORTED', 'ERR_OPTION', 'ERR_NUMERIC'] as const;

export function onnxReaders(scratch: string): Reader[] {
  const valid = smallModels();
  return [
    { name: 'onnx bytes', input: damaged(valid), read: readModel, codes: CODES, weight: 6 },
    { name: 'onnx fields', input: damagedFields(valid), read: readModel, codes: CODES, weight: 6 },
    { name: 'onnx graphs', input: hostileGraph, read: readModel, codes: CODES, weight: 6 },
    externalReader(scratch),
  ];
}

/** Where external data may claim to lie. In the folder: weights.bin (16 bytes) and sub/more.bin; links lead out of it. */
const LOCATIONS = [
  'weights.bin',
  'sub/more.bin',
  'sub/../weights.bin',
  '../outside.bin',
  '/etc/passwd',
  './weights.bin',
  'link-in',
  'link-out',
  'folder-out/outside.bin',
  'loop',
  'sub',
  '',
  '.',
  'missing.bin',
  '\\\\server\\share',
  'C:\\x',
  'weights.bin\0.png',
  'sub//more.bin',
  '/dev/zero',
  'fifo',
  ...HOSTILE_NAMES,
];

function externalReader(scratch: string): Reader {
  const outer = join(scratch, 'external');
  const folder = join(outer, 'model');
  mkdirSync(join(folder, 'sub'), { recursive: true });
  writeFileSync(join(outer, 'outside.bin'), new Uint8Array(64).fill(1));
  writeFileSync(join(folder, 'weights.bin'), new Uint8Array(16));
  writeFileSync(join(folder, 'sub', 'more.bin'), new Uint8Array(64));
  symlinkSync('weights.bin', join(folder, 'link-in'));
  symlinkSync('../outside.bin', join(folder, 'link-out'));
  symlinkSync('..', join(folder, 'folder-out'));
  symlinkSync('loop', join(folder, 'loop'));
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(folder, 'fifo')]);
  const number = fc.constantFrom<(number | string | undefined)[]>(
    undefined,
    undefined,
    0,
    4,
    16,
    48,
    49,
    64,
    -4,
    2 ** 31,
    2 ** 53,
    1e300,
    '',
    'x',
    '0x10',
    ' 4',
    '1e1',
    '-0',
    'Infinity',
  );
  const input = fc.tuple(fc.constantFrom(...LOCATIONS), number, number).map(([location, offset, length]) => {
    const storage = {
      location,
      ...(offset === undefined ? {} : { offset }),
      ...(length === undefined ? {} : { length }),
    };
    const spec = {
      inputs: { x: ['N', 2] },
      outputs: ['y'],
      tensors: { w: { dims: [2, 2], data: [], storage } },
      nodes: [['MatMul', ['x', 'w'], ['y']]],
    };
    return onnxFile(spec as unknown as FileSpec);
  });
  const file = join(folder, 'model.onnx');
  return {
    name: 'onnx external data',
    input,
    read: async (bytes) => {
      writeFileSync(file, bytes);
      const model = await loadModel(file);
      if (model.weights[0]!.some((value) => value !== 0))
        throw new Error('a file outside the folder was read');
    },
    codes: [...CODES, 'ERR_IO'],
    weight: 1,
  };
}
