/** NumPy .npy files (format 1 to 3) of shape [N, ...input], used as they are: no scaling, no resizing. */

import { PxError } from '../../errors.js';
import type { Dtype } from '../dtype.js';
import { elementSize, viewBytes } from '../dtype.js';
import type { RandomAccess } from '../random-access.js';
import { elementCount } from '../safetensors-header.js';
import { countSamples, writeFinite } from './tensor-rows.js';
import type { InputTarget, Source } from './types.js';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
/** A shape and a type take some hundred bytes. */
const MAX_HEADER = 65_536;
/** NumPy's own limit, since version 2. */
const MAX_AXES = 64;

/** A Map, because the key comes from a file: an object also answers to 'constructor'. */
const DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['<f8', 'F64'],
  ['<f4', 'F32'],
  ['<f2', 'F16'],
  ['<i8', 'I64'],
  ['<u8', 'U64'],
  ['<i4', 'I32'],
  ['<u4', 'U32'],
  ['<i2', 'I16'],
  ['<u2', 'U16'],
  ['|i1', 'I8'],
  ['|u1', 'U8'],
  ['|b1', 'BOOL'],
]);

export interface NpyHeader {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte of the data in the file. */
  readonly start: number;
}

/** Validates header, shape and length. The source owns `file`. ERR_IO, ERR_FILE, ERR_DATA. */
export async function npySamples(file: RandomAccess, name: string, target: InputTarget): Promise<Source> {
  const first = await file.read(0, Math.min(file.size, MAX_HEADER + 12));
  const { dtype, shape, start } = parseNpyHeader(first, file.size, file.name);
  const samples = countSamples(file.name, shape, target);
  const count = elementCount(target.shape);
  return {
    samples: Array.from({ length: samples }, (_, index) => ({
      id: `${name}#${index}`,
      load: async (out: Float32Array) => {
        const bytes = count * elementSize(dtype);
        const values = viewBytes(dtype, await file.read(start + index * bytes, bytes));
        writeFinite(`${file.name}, sample ${index}`, dtype, values, out);
      },
    })),
    notes: [`${name}: ${samples} samples, values used as they are`],
    close: () => file.close(),
  };
}

/** Reads the header from the first bytes of a file of `fileSize` bytes. ERR_FILE names `file` and what is wrong. */
export function parseNpyHeader(first: Uint8Array, fileSize: number, file: string): NpyHeader {
  const fail = (what: string): PxError => new PxError('ERR_FILE', `${file}: ${what}`);
  if (first.length < 12 || !MAGIC.every((byte, i) => first[i] === byte)) throw fail('not a .npy file');
  const version = first[6]!;
  if (version < 1 || version > 3) throw fail(`.npy format ${version} is unknown; save it with numpy.save`);
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
  const [length, from] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  const start = from + length;
  if (length > MAX_HEADER || start > first.length)
    throw fail(`header of ${length} bytes; truncated or damaged`);

  const text = new TextDecoder('utf-8').decode(first.subarray(from, start));
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const sizes = /'shape':\s*\(([\d\s,]*)\)/
    .exec(text)?.[1]
    ?.split(',')
    .map((size) => size.trim());
  // One comma may follow the last size, and does where it is the only one.
  if (sizes?.at(-1) === '') sizes.pop();
  const plain = sizes?.every((size) => /^\d{1,16}$/.test(size)) && sizes.length <= MAX_AXES;
  if (order === undefined || sizes === undefined || !plain) throw fail('header does not describe an array');
  const dtype = descr === undefined ? undefined : DTYPES.get(descr);
  if (!dtype)
    throw fail(`element type ${descr ?? 'record'} is not supported; save as little-endian float32 ('<f4')`);
  if (order === 'True') throw fail('Fortran order is not supported; save numpy.ascontiguousarray(x)');
  const shape = sizes.map(Number);
  const bytes = elementCount(shape) * elementSize(dtype);
  if (start + bytes !== fileSize)
    throw fail(`${descr} [${shape.join(', ')}] needs ${start + bytes} bytes, the file has ${fileSize}`);
  return { dtype, shape, start };
}
