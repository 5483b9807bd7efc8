import { withFileAccess } from '../file-access.js';
import { cifarSamples } from './cifar-samples.js';
import { fitPixels } from './fit-pixels.js';
import type { Preprocessing } from './preprocess.js';
import type { Source } from './types.js';

/** Opens a CIFAR binary file. ERR_IO, ERR_DATA. */
export function openCifar(path: string, name: string, preprocessing: Preprocessing): Promise<Source> {
  return withFileAccess(path, (file) => cifarSamples(file, name, preprocessing, fitPixels));
}
