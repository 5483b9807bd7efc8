/** Images as samples: single files, and folders walked recursively in a fixed order. */
import type { Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { PxError } from '../../errors.js';
import { ioError, systemCode } from '../os-error.js';
import { decodeImage } from './decode-image.js';
import { fitPixels } from './fit-pixels.js';
import { writeInput } from './pixels.js';
import type { Preprocessing } from './preprocess.js';
import type { Sample, Source } from './types.js';

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp']);

export function isImageName(name: string): boolean {
  return EXTENSIONS.has(extname(name).toLowerCase());
}

export function openImageFile(path: string, name: string, preprocessing: Preprocessing): Source {
  const sample = imageSample(path, name, undefined, preprocessing);
  return {
    samples: [sample],
    notes: [`single images: ${preprocessing.description}`],
    close: async () => {},
  };
}

/**
 * All images below a folder, ordered by path (code units, "/" between parts). Where an image lies in a sub-folder, the first
 * one's name is its class. Other files are counted in the notes; `name` goes before the samples' paths. ERR_IO, ERR_DATA where there is no image.
 */
export async function openImageFolder(
  folder: string,
  name: string,
  preprocessing: Preprocessing,
): Promise<Source> {
  const files: string[] = [];
  await walk(folder, '', files, new Set());
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
  const samples = images.map((file) => {
    const slash = file.indexOf('/');
    return imageSample(
      join(folder, file),
      `${name}/${file}`,
      slash < 0 ? undefined : file.slice(0, slash),
      preprocessing,
    );
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

function imageSample(
  path: string,
  id: string,
  label: string | undefined,
  preprocessing: Preprocessing,
): Sample {
  return {
    id,
    ...(label !== undefined && { label }),
    load: async (out) => {
      const pixels = await decodeImage(path, preprocessing.needsAlpha);
      writeInput(await fitPixels(pixels, preprocessing), preprocessing, out);
    },
  };
}

/** What a link leads to; undefined where that is not there, which is then said of the file when it is read. */
async function statLink(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw ioError(error, 'read', path);
  }
}

/** Collects relative paths of all files; links are followed, `above` holds the real paths of the folders we are in. */
async function walk(
  root: string,
  relative: string,
  files: string[],
  above: ReadonlySet<string>,
): Promise<void> {
  const folder = join(root, relative);
  try {
    const real = await realpath(folder);
    if (above.has(real))
      throw new PxError('ERR_DATA', `${folder}: a link that leads back to a folder around it; remove it`);
    const inside = new Set([...above, real]);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      const kind = entry.isSymbolicLink() ? await statLink(join(root, path)) : entry;
      if (kind === undefined) files.push(path);
      else if (kind.isDirectory()) await walk(root, path, files, inside);
      else if (kind.isFile()) files.push(path);
      else throw new PxError('ERR_DATA', `${join(root, path)}: a pipe or device, not a file; remove it`);
    }
  } catch (error) {
    throw ioError(error, 'read', folder);
  }
}
