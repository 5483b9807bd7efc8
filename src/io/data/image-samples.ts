/** Images as samples: their order, names and classes, wherever they come from. */
import { PxError } from '../../errors.js';
import { isImageName } from './image-kind.js';
import type { Preprocessing } from './preprocess.js';
import type { Sample, Source } from './types.js';

export function singleImage(id: string, { description }: Preprocessing, load: Sample['load']): Source {
  return { samples: [{ id, load }], notes: [`single images: ${description}`], close: async () => {} };
}

/**
 * The images among a folder's files, ordered by path (code units, "/" between parts). Where an image lies in a sub-folder, the first
 * one's name is its class. Other files are counted in the notes; `name` goes before the samples' paths. ERR_DATA where there is no image.
 *
 * @param folder for messages
 * @param files paths within the folder; sorted here
 */
export function folderSamples(
  folder: string,
  name: string,
  files: string[],
  preprocessing: Preprocessing,
  loader: (file: string) => Sample['load'],
): Source {
  files.sort((a, b) => (a < b ? -1 : 1));
  const images = files.filter(isImageName);
  const others = files.filter((file) => !isImageName(file));
  if (images.length === 0) {
    const found =
      others.length === 0
        ? 'no file at all'
        : `${others.length} other (${others.slice(0, 3).join(', ')}); tensor and CIFAR files are named one by one`;
    throw new PxError('ERR_DATA', `${folder}: holds no JPEG, PNG or WebP image, but ${found}`);
  }
  const samples = images.map((file): Sample => {
    const slash = file.indexOf('/');
    return {
      id: `${name}/${file}`,
      ...(slash >= 0 && { label: file.slice(0, slash) }),
      load: loader(file),
    };
  });
  const classes = new Set(samples.map((sample) => sample.label).filter((label) => label !== undefined)).size;
  const notes = [
    `${name}: ${images.length} images${classes > 0 ? ` in ${classes} classes` : ''}, ${preprocessing.description}`,
  ];
  if (others.length > 0) {
    const shown = others.slice(0, 3).join(', ');
    notes.push(
      `${name}: left out what is not JPEG, PNG or WebP: ${others.length} (${shown}${others.length > 3 ? ', …' : ''})`,
    );
  }
  return { samples, notes, close: async () => {} };
}
