import { PxError } from '../../errors.js';
import type { Pixels } from './pixels.js';

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

/** sharp's raw output. */
export function toPixels(
  bytes: Buffer,
  info: { readonly width: number; readonly height: number; readonly channels: number },
  wide: boolean,
): Pixels {
  const data = wide ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2) : bytes;
  return { data, height: info.height, width: info.width, channels: info.channels as Pixels['channels'] };
}
