/** Reads runs of samples concurrently, through a cache where all of them fit into memory. */
import { isAbort, throwIfAborted } from './abort.js';
import { Limiter } from './limiter.js';
import type { Sample } from './types.js';

/** Decoding runs on libuv's four threads; more at a time would only hold more images in memory. */
const CONCURRENCY = 4;

export class SampleReader {
  readonly #limiter = new Limiter(CONCURRENCY);
  /** All samples one after another, so that a micro-batch is a view. Absent where they would be too large. */
  readonly #cache: Float32Array | undefined;
  readonly #cached: (Promise<void> | undefined)[] = [];

  /** `size`: float32 values a sample; `cacheBytes`: the most that may be kept. */
  constructor(
    private readonly samples: readonly Sample[],
    private readonly size: number,
    cacheBytes: number,
  ) {
    if (samples.length * size * 4 <= cacheBytes) this.#cache = new Float32Array(samples.length * size);
  }

  /** `count` samples from index `first` on, contiguous; borrowed. The first failure in order of time is thrown. */
  async read(first: number, count: number, signal: AbortSignal | undefined): Promise<Float32Array> {
    throwIfAborted(signal);
    const all = Array.from({ length: count }, (_, i) => first + i);
    if (this.#cache) {
      await Promise.all(all.map((index) => this.#fill(index, signal)));
      return this.#cache.subarray(first * this.size, (first + count) * this.size);
    }
    const out = new Float32Array(count * this.size);
    await Promise.all(
      all.map((index) => this.#load(index, out.subarray((index - first) * this.size), signal)),
    );
    return out;
  }

  /** Loads a sample into the cache once, however many readers wait for it. */
  async #fill(index: number, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      let loading = this.#cached[index];
      if (!loading) {
        loading = this.#load(index, this.#cache!.subarray(index * this.size), signal);
        this.#cached[index] = loading;
        loading.catch(() => {
          this.#cached[index] = undefined; // another walk may try again
        });
      }
      try {
        return await loading;
      } catch (error) {
        if (!isAbort(error) || signal?.aborted) throw error; // another reader's abort is not ours
      }
    }
  }

  #load(index: number, out: Float32Array, signal: AbortSignal | undefined): Promise<void> {
    return this.#limiter.run(async () => {
      throwIfAborted(signal);
      await this.samples[index]!.load(out.subarray(0, this.size));
    });
  }
}
