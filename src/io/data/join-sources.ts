/** Joins opened sources into one data set: which samples are used, and which of them can be. */
import { PxError } from '../../errors.js';
import type { NewHash } from '../../hash.js';
import { elementCount } from '../safetensors-header.js';
import { isAbort, throwIfAborted } from './abort.js';
import { SampleDataset } from './dataset.js';
import { Limiter } from './limiter.js';
import type { DatasetOptions } from './options.js';
import { selectSamples } from './selection.js';
import type { Dataset, InputTarget, Sample, SkippedSample, Source } from './types.js';

const DEFAULT_CACHE_BYTES = 2 ** 30;

/**
 * Draws the samples from sources in order. Nothing is decoded yet (but with skipBad every candidate once).
 *
 * @param skipped what was left out before, added to here
 * @throws PxError ERR_OPTION, ERR_DATA where no sample is left, ERR_ABORTED; with skipBad also ERR_IO
 */
export async function joinSources(
  sources: readonly Source[],
  skipped: SkippedSample[],
  target: InputTarget,
  options: DatasetOptions,
  sha256: NewHash,
): Promise<Dataset> {
  const samples = sources.flatMap((source) => source.samples);
  const filter = options.skipBad ? goodSamples(target, skipped, options.signal) : passAll;
  const { chosen, notes } = await selectSamples(samples, options, filter);
  if (chosen.length === 0) throw nothingLeft(skipped);
  const allNotes = [...new Set(sources.flatMap((source) => source.notes)), ...notes];
  const cacheBytes = options.cacheBytes ?? DEFAULT_CACHE_BYTES;
  return new SampleDataset(chosen, target.shape, allNotes, skipped, sources, cacheBytes, sha256);
}

async function passAll(samples: readonly Sample[]): Promise<readonly Sample[]> {
  return samples;
}

/** Loads every candidate once and lists those that fail. */
function goodSamples(
  target: InputTarget,
  skipped: SkippedSample[],
  signal: AbortSignal | undefined,
): (samples: readonly Sample[]) => Promise<readonly Sample[]> {
  const limiter = new Limiter(4);
  const size = elementCount(target.shape);
  return async (samples) => {
    const reasons = await Promise.all(
      samples.map((sample) =>
        limiter.run(async () => {
          throwIfAborted(signal);
          try {
            await sample.load(new Float32Array(size));
            return undefined;
          } catch (error) {
            if (isAbort(error) || !(isBadData(error) || isUnreadable(error))) throw error;
            return error.message;
          }
        }),
      ),
    );
    return samples.filter((sample, i) => {
      const reason = reasons[i];
      if (reason !== undefined) skipped.push({ id: sample.id, reason });
      return reason === undefined;
    });
  };
}

/** One file that may not be read or is gone. Anything else that the system says (a disk that fails) is not about one file. */
function isUnreadable(error: unknown): error is PxError {
  const code = ((error as Error).cause as { code?: unknown } | undefined)?.code;
  return error instanceof PxError && error.code === 'ERR_IO' && (code === 'EACCES' || code === 'ENOENT');
}

/** A file's own fault, as against the options' or the system's. */
export function isBadData(error: unknown): error is PxError {
  return error instanceof PxError && (error.code === 'ERR_DATA' || error.code === 'ERR_FILE');
}

function nothingLeft(skipped: readonly SkippedSample[]): PxError {
  const [first] = skipped;
  const bad = skipped.length === 1 ? 'the only one is bad' : `all ${skipped.length} are bad, the first`;
  const why = first ? `${bad}: ${first.reason}` : 'the sources are empty';
  return new PxError('ERR_DATA', `no sample to score with: ${why}`);
}

/** Samples have a fixed size. @throws PxError ERR_OPTION */
export function checkTarget({ shape }: InputTarget): void {
  if (shape.length === 0 || !shape.every((size) => Number.isInteger(size) && size > 0)) {
    throw new PxError(
      'ERR_OPTION',
      `the model's input shape [${shape.join(', ')}] is not fixed; give its size`,
    );
  }
}
