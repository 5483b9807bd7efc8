/** Images as samples: single files, and folders walked recursively in a fixed order. */
import type { Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PxError } from '../../errors.js';
import { ioError, systemCode } from '../os-error.js';
import { decodeImage } from './decode-image.js';
import { fitPixels } from './fit-pixels.js';
import { folderSamples, singleImage } from './image-samples.js';
import { writeInput } from './pixels.js';
import type { Preprocessing } from './preprocess.js';
import type { Sample, Source } from './types.js';

export function openImageFile(path: string, name: string, preprocessing: Preprocessing): Source {
  return singleImage(name, preprocessing, imageLoader(path, preprocessing));
}

/** All images below a folder, as folderSamples says. ERR_IO, ERR_DATA where there is no image. */
export async function openImageFolder(
  folder: string,
  name: string,
  preprocessing: Preprocessing,
): Promise<Source> {
  const files: string[] = [];
  await walk(folder, '', files, new Set());
  return folderSamples(folder, name, files, preprocessing, (file) =>
    imageLoader(join(folder, file), preprocessing),
  );
}

function imageLoader(path: string, preprocessing: Preprocessing): Sample['load'] {
  return async (out) => {
    const pixels = await decodeImage(path, preprocessing.needsAlpha);
    writeInput(await fitPixels(pixels, preprocessing), preprocessing, out);
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
