/** Samples handed over by a program: walked once, and kept in memory, because scoring walks them every round. */
import { PxError } from '../../errors.js';
import { elementCount } from '../safetensors-header.js';
import { throwIfAborted } from './abort.js';
import { checkFinite } from './tensor-rows.js';
import type { InputTarget, Sample, SampleInfo, Source } from './types.js';

/** One sample, or several of them one after another; with an identifier and a label it must be one. */
export type SampleChunk = Float32Array | (Partial<SampleInfo> & { readonly data: Float32Array });
export type SampleIterable = AsyncIterable<SampleChunk> | Iterable<SampleChunk>;

/** Walks an iterable to its end. `name` goes into the samples' identifiers. ERR_DATA where a chunk is no whole number of samples. */
export async function drainIterable(
  chunks: SampleIterable,
  name: string,
  target: InputTarget,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const size = elementCount(target.shape);
  const samples: Sample[] = [];
  for await (const chunk of chunks) {
    throwIfAborted(signal);
    const { data, id, label } =
      chunk instanceof Float32Array ? { data: chunk, id: undefined, label: undefined } : chunk;
    if (!(data instanceof Float32Array) || data.length === 0 || data.length % size !== 0) {
      const got = data instanceof Float32Array ? `${data.length} numbers` : typeof data;
      throw new PxError(
        'ERR_DATA',
        `${name}: chunk ${samples.length} has ${got}; it must be a Float32Array of samples of ${size} numbers [${target.shape.join(', ')}]`,
      );
    }
    if (id !== undefined && data.length !== size) {
      throw new PxError(
        'ERR_DATA',
        `${name}: "${id}" names ${data.length / size} samples; give each sample its own chunk`,
      );
    }
    for (let from = 0; from < data.length; from += size) {
      const values = data.slice(from, from + size);
      const sampleId = id ?? `${name}#${samples.length}`;
      samples.push({
        id: sampleId,
        ...(label !== undefined && { label }),
        load: async (out) => {
          checkFinite(sampleId, values);
          out.set(values);
        },
      });
    }
  }
  return { samples, notes: [], close: async () => {} };
}
