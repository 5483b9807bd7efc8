import { PxError } from '../../errors.js';
import type { NewHash } from '../../hash.js';
import { pause } from '../../pause.js';
import { elementCount } from '../safetensors-header.js';
import { throwIfAborted } from './abort.js';
import { SampleReader } from './sample-reader.js';
import type { Dataset, Sample, SampleInfo, SkippedSample, Source } from './types.js';

/** Samples hashed at a time. */
const DIGEST_STEP = 64;

/** Bytes hashed in one go: some milliseconds. */
const HASH_PIECE = 4 * 1024 * 1024;

/** The samples chosen from all sources. */
export class SampleDataset implements Dataset {
  readonly length: number;
  readonly samples: readonly SampleInfo[];
  readonly #reader: SampleReader;
  #digest: string | undefined;
  #closed = false;

  constructor(
    chosen: readonly Sample[],
    readonly sampleShape: readonly number[],
    readonly notes: readonly string[],
    readonly skipped: readonly SkippedSample[],
    private readonly sources: readonly Source[],
    cacheBytes: number,
    private readonly sha256: NewHash,
  ) {
    this.length = chosen.length;
    this.samples = chosen.map(({ id, label }) => ({ id, ...(label !== undefined && { label }) }));
    this.#reader = new SampleReader(chosen, elementCount(sampleShape), cacheBytes);
  }

  async digest(signal?: AbortSignal): Promise<string> {
    if (this.#digest !== undefined) return this.#digest;
    const hash = this.sha256();
    const sizes = Array.from({ length: Math.ceil(this.length / DIGEST_STEP) }, (_, i) =>
      Math.min(DIGEST_STEP, this.length - i * DIGEST_STEP),
    );
    hash.update(
      `${JSON.stringify([this.sampleShape, this.samples.map(({ id, label }) => [id, label ?? null])])}\n`,
    );
    for await (const x of this.batches(sizes, signal)) {
      for (let at = 0; at < x.byteLength; at += HASH_PIECE) {
        hash.update(new Uint8Array(x.buffer, x.byteOffset + at, Math.min(HASH_PIECE, x.byteLength - at)));
        await pause(); // hashing holds the event loop
        throwIfAborted(signal);
      }
    }
    this.#digest = hash.digest('hex');
    return this.#digest;
  }

  async *batches(microBatchSizes: readonly number[], signal?: AbortSignal): AsyncGenerator<Float32Array> {
    const total = microBatchSizes.reduce((sum, size) => sum + size, 0);
    if (total !== this.length || !microBatchSizes.every((size) => Number.isInteger(size) && size > 0)) {
      throw new PxError(
        'ERR_OPTION',
        `micro-batches of ${microBatchSizes.join(', ')} do not add up to ${this.length} samples`,
      );
    }
    let first = 0;
    let ahead = this.#read(first, microBatchSizes[0]!, signal);
    for (const [i, size] of microBatchSizes.entries()) {
      const x = await ahead;
      first += size;
      const next = microBatchSizes[i + 1];
      if (next !== undefined) ahead = this.#read(first, next, signal);
      yield x;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const source of this.sources) await source.close();
  }

  /** Read ahead of need, so a failure must wait until it is asked for. */
  #read(first: number, count: number, signal: AbortSignal | undefined): Promise<Float32Array> {
    if (this.#closed) throw new PxError('ERR_STATE', 'the data set is closed; open it again');
    const reading = this.#reader.read(first, count, signal);
    reading.catch(() => undefined);
    return reading;
  }
}
