import { withFileAccess } from '../file-access.js';
import { npySamples } from './npy-samples.js';
import type { InputTarget, Source } from './types.js';

export { type NpyHeader, parseNpyHeader } from './npy-samples.js';

/** Opens a file and validates header, shape and length. ERR_IO, ERR_FILE, ERR_DATA. */
export function openNpy(path: string, name: string, target: InputTarget): Promise<Source> {
  return withFileAccess(path, (file) => npySamples(file, name, target));
}
