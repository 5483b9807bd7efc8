/** What .npy and safetensors sources share: checking shapes against the model, reading one sample as float32. */
import { PxError } from '../../errors.js';
import type { Dtype, TypedArray } from '../dtype.js';
import { toFloat32 } from '../dtype.js';
import type { InputTarget } from './types.js';

/** Of one file. */
const MAX_SAMPLES = 2 ** 24;

/** Number of samples in a tensor of this shape. ERR_DATA where it is not [N, ...the model's input]. */
export function countSamples(what: string, shape: readonly number[], target: InputTarget): number {
  const [samples, ...rest] = shape;
  if (samples === undefined || samples === 0 || rest.join() !== target.shape.join()) {
    const remedy = shape.join() === target.shape.join() ? '; a single sample needs a leading axis of 1' : '';
    const wants = `[N, ${target.shape.join(', ')}] with N ≥ 1`;
    throw new PxError(
      'ERR_DATA',
      `${what}: shape [${shape.join(', ')}] does not match the model's input ${wants}${remedy}`,
    );
  }
  checkSampleCount(what, samples);
  return samples;
}

/** Every sample takes a few hundred bytes, also where a file's own samples are tiny or holes. ERR_DATA. */
export function checkSampleCount(what: string, samples: number): void {
  if (samples > MAX_SAMPLES)
    throw new PxError(
      'ERR_DATA',
      `${what}: ${samples} samples, more than ${MAX_SAMPLES}; split the file and score fewer`,
    );
}

/** Copies one sample as float32 into `out`. ERR_DATA where a value is NaN or infinite in float32. */
export function writeFinite(what: string, dtype: Dtype, values: TypedArray, out: Float32Array): void {
  out.set(toFloat32(dtype, values));
  checkFinite(what, out);
}

export function checkFinite(what: string, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new PxError(
        'ERR_DATA',
        `${what}: value ${values[i]} at flat index ${i}; clean the data, or leave bad samples out (skipBad)`,
      );
    }
  }
}
