import { withFileAccess } from '../file-access.js';
import { safetensorsSamples } from './safetensors-samples.js';
import type { InputTarget, Source } from './types.js';

/** Opens a file and validates names and shapes; other tensors are named in the notes. ERR_IO, ERR_FILE, ERR_DATA. */
export function openSafetensorsSource(path: string, name: string, target: InputTarget): Promise<Source> {
  return withFileAccess(path, (file) => safetensorsSamples(file, name, target));
}
