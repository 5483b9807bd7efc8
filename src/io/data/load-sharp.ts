import { PxError } from '../../errors.js';

export type SharpModule = typeof import('sharp').default;
let loading: Promise<SharpModule> | undefined;

/** The image library, loaded when the first image needs it: everything but images works without. ERR_DATA. */
export function loadSharp(): Promise<SharpModule> {
  loading ??= import('sharp').then(
    (module) => module.default,
    (error: unknown) => {
      loading = undefined;
      const remedy = 'install it (npm install sharp), or give tensors (.npy, .safetensors)';
      throw new PxError('ERR_DATA', `images need the package "sharp", which cannot be loaded: ${remedy}`, {
        cause: error,
      });
    },
  );
  return loading;
}
