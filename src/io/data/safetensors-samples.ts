/** safetensors files with a tensor "x" [N, ...input] and, if classes are known, "y" [N]; used as they are. */
import { PxError } from '../../errors.js';
import type { RandomAccess } from '../random-access.js';
import { elementCount } from '../safetensors-header.js';
import { readSafetensorsHeader, type SafetensorsFile } from '../safetensors-reader.js';
import { countSamples, writeFinite } from './tensor-rows.js';
import type { InputTarget, Source } from './types.js';

const INTEGERS = new Set(['I64', 'U64', 'I32', 'U32', 'I16', 'U16', 'I8', 'U8']);

/** Validates names and shapes; other tensors are named in the notes. The source owns `source`. ERR_IO, ERR_FILE, ERR_DATA. */
export async function safetensorsSamples(
  source: RandomAccess,
  name: string,
  target: InputTarget,
): Promise<Source> {
  const file = await readSafetensorsHeader(source);
  const { path } = file;
  if (!file.has('x')) {
    const names = file.names.slice(0, 5).join(', ');
    throw new PxError(
      'ERR_DATA',
      `${path}: has no tensor "x" (but ${names || 'none'}); name the samples "x", classes "y"`,
    );
  }
  const { dtype, shape } = file.info('x');
  const samples = countSamples(`${path}, tensor "x"`, shape, target);
  const labels = file.has('y') ? await readLabels(file, samples) : undefined;
  const count = elementCount(target.shape);
  const notes = [`${name}: ${samples} samples${labels ? ' with classes' : ''}, values used as they are`];
  const others = file.names.filter((other) => other !== 'x' && other !== 'y');
  if (others.length > 0)
    notes.push(`${name}: tensors other than x and y were left out (${others.slice(0, 5).join(', ')})`);
  return {
    samples: Array.from({ length: samples }, (_, index) => ({
      id: `${name}#${index}`,
      ...(labels && { label: labels[index]! }),
      load: async (out: Float32Array) => {
        const values = await file.readSlice('x', index * count, count);
        writeFinite(`${path}, sample ${index}`, dtype, values, out);
      },
    })),
    notes,
    close: () => file.close(),
  };
}

async function readLabels(file: SafetensorsFile, samples: number): Promise<number[]> {
  const { dtype, shape } = file.info('y');
  if (!INTEGERS.has(dtype) || elementCount(shape) !== samples || shape[0] !== samples) {
    throw new PxError(
      'ERR_DATA',
      `${file.path}: "y" is ${dtype} [${shape.join(', ')}]; it must be ${samples} integer classes`,
    );
  }
  return Array.from(await file.read('y'), Number);
}
