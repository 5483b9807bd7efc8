/** Trained weights for `px new --weights`: a PyTorch state_dict saved as safetensors. */
import { openSafetensors } from '../io/safetensors.js';
import { IGNORED, type StateDict } from './fill-weights.js';

/** Reads every tensor as float32. ERR_IO, ERR_FILE. */
export async function readStateDict(path: string): Promise<StateDict> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    for (const name of file.names) {
      if (!IGNORED.test(name))
        tensors.set(name, { shape: file.info(name).shape, data: await file.readFloat32(name) });
    }
    return tensors;
  } finally {
    await file.close();
  }
}
