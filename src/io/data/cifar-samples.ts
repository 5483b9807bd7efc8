/**
 * CIFAR binary files: records of one (CIFAR-10) or two (CIFAR-100: coarse, fine) label bytes and 32×32 red, green and blue planes.
 */

import { PxError } from '../../errors.js';
import type { RandomAccess } from '../random-access.js';
import type { FitPixels, Pixels } from './pixels.js';
import { writeInput } from './pixels.js';
import type { Preprocessing } from './preprocess.js';
import { checkSampleCount } from './tensor-rows.js';
import type { Source } from './types.js';

const SIDE = 32;
const PLANE = SIDE * SIDE;

interface Format {
  readonly name: string;
  /** Largest value of each label byte; the last byte is the class. */
  readonly maxLabels: readonly number[];
}

const FORMATS: readonly Format[] = [
  { name: 'CIFAR-10', maxLabels: [9] },
  { name: 'CIFAR-100', maxLabels: [19, 99] },
];

/**
 * The images of a file whose format follows from its size and label bytes: the size must be a multiple of the record, every label in
 * range. Where both formats fit it is an ERR_DATA, as is a file that fits neither. The source owns `file`. ERR_IO.
 */
export async function cifarSamples(
  file: RandomAccess,
  name: string,
  preprocessing: Preprocessing,
  fitted: FitPixels,
): Promise<Source> {
  const { format, labels } = await detect(file);
  const record = format.maxLabels.length + 3 * PLANE;
  const samples = labels.map((label, index) => ({
    id: `${name}#${index}`,
    label,
    load: async (out: Float32Array) => {
      const planes = await file.read(index * record + format.maxLabels.length, 3 * PLANE);
      writeInput(await fitted(interleave(planes), preprocessing), preprocessing, out);
    },
  }));
  const notes = [`${name}: ${labels.length} ${format.name} images, ${preprocessing.description}`];
  return { samples, notes, close: () => file.close() };
}

async function detect(file: RandomAccess): Promise<{ format: Format; labels: number[] }> {
  const { name: path, size } = file;
  const fitting: { format: Format; labels: number[] }[] = [];
  const problems: string[] = [];
  for (const format of FORMATS) {
    const record = format.maxLabels.length + 3 * PLANE;
    if (size === 0 || size % record !== 0) {
      problems.push(`its ${size} bytes are no multiple of ${format.name}'s ${record}`);
      continue;
    }
    checkSampleCount(path, size / record);
    const labels = await readLabels(file, format, size / record);
    if (typeof labels === 'string') problems.push(labels);
    else fitting.push({ format, labels });
  }
  const [only, other] = fitting;
  if (other)
    throw new PxError(
      'ERR_DATA',
      `${path}: could be CIFAR-10 or CIFAR-100; split the file so that its size tells`,
    );
  if (!only) throw new PxError('ERR_DATA', `${path}: not a CIFAR binary file: ${problems.join('; ')}`);
  return only;
}

/** The class of every record, or what is wrong with the first bad label. */
async function readLabels(file: RandomAccess, format: Format, count: number): Promise<number[] | string> {
  const width = format.maxLabels.length;
  const record = width + 3 * PLANE;
  const perRead = 1024;
  const labels: number[] = [];
  for (let first = 0; first < count; first += perRead) {
    const records = Math.min(perRead, count - first);
    const bytes = await file.read(first * record, records * record);
    for (let i = 0; i < records; i++) {
      for (const [byte, max] of format.maxLabels.entries()) {
        const label = bytes[i * record + byte]!;
        if (label > max) return `record ${first + i} has label ${label}, ${format.name}'s largest is ${max}`;
      }
      labels.push(bytes[i * record + width - 1]!);
    }
  }
  return labels;
}

function interleave(planes: Uint8Array): Pixels {
  const data = new Uint8Array(3 * PLANE);
  for (let p = 0; p < PLANE; p++) {
    for (let c = 0; c < 3; c++) data[p * 3 + c] = planes[c * PLANE + p]!;
  }
  return { data, height: SIDE, width: SIDE, channels: 3 };
}
