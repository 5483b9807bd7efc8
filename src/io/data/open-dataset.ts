/** Opens data sources by what they are and joins them into one data set. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { PxError } from '../../errors.js';
import { ioError, systemCode } from '../os-error.js';
import { elementCount } from '../safetensors-header.js';
import { isAbort, throwIfAborted } from './abort.js';
import { openCifar } from './cifar.js';
import { SampleDataset } from './dataset.js';
import { isImageName, openImageFile, openImageFolder } from './images.js';
import type { SampleIterable } from './iterable.js';
import { drainIterable } from './iterable.js';
import { Limiter } from './limiter.js';
import { openNpy } from './npy.js';
import type { DatasetOptions } from './options.js';
import { checkOptions } from './options.js';
import { resolvePreprocessing } from './preprocess.js';
import { openSafetensorsSource } from './safetensors-source.js';
import { selectSamples } from './selection.js';
import { sourceNames } from './source-names.js';
import type { Dataset, InputTarget, Sample, SkippedSample, Source } from './types.js';

const DEFAULT_CACHE_BYTES = 2 ** 30;

/** A path (folder, image, .bin, .npy, .safetensors), samples in memory, or an iterable of them. */
export type DataSource = string | Float32Array | SampleIterable;

/**
 * Opens all sources, joined in the given order, and draws the samples. Nothing is decoded yet (but with skipBad every
 * candidate once). ERR_OPTION, ERR_IO, ERR_FILE, ERR_DATA naming the file, ERR_ABORTED.
 */
export async function openDataset(
  sources: readonly DataSource[],
  target: InputTarget,
  options: DatasetOptions = {},
): Promise<Dataset> {
  checkOptions(options);
  checkTarget(target);
  if (sources.length === 0) {
    throw new PxError('ERR_OPTION', 'no data given; name a folder of images or a file');
  }
  const names = nameSources(sources);
  const opened: Source[] = [];
  const skipped: SkippedSample[] = [];
  try {
    for (const [index, source] of sources.entries()) {
      throwIfAborted(options.signal);
      try {
        opened.push(await openSource(source, names[index]!, target, options));
      } catch (error) {
        if (!options.skipBad || !isBadData(error) || typeof source !== 'string') throw error;
        skipped.push({ id: source, reason: error.message });
      }
    }
    const samples = opened.flatMap((source) => source.samples);
    const filter = options.skipBad ? goodSamples(target, skipped, options.signal) : passAll;
    const { chosen, notes } = await selectSamples(samples, options, filter);
    if (chosen.length === 0) throw nothingLeft(skipped);
    const allNotes = [...new Set(opened.flatMap((source) => source.notes)), ...notes];
    const cacheBytes = options.cacheBytes ?? DEFAULT_CACHE_BYTES;
    return new SampleDataset(chosen, target.shape, allNotes, skipped, opened, cacheBytes);
  } catch (error) {
    for (const source of opened) await source.close();
    throw error;
  }
}

async function openSource(
  source: DataSource,
  name: string,
  target: InputTarget,
  options: DatasetOptions,
): Promise<Source> {
  if (typeof source !== 'string') {
    const chunks = source instanceof Float32Array ? [source] : source;
    return drainIterable(chunks, name, target, options.signal);
  }
  const info = await stat(source).catch((error: unknown) => {
    throw ioError(error, 'read', source);
  });
  if (info.isDirectory())
    return openImageFolder(source, name, resolvePreprocessing(target, options, 'imagenet'));
  if (!info.isFile())
    throw new PxError(
      'ERR_DATA',
      `${source}: a pipe or device, neither a file nor a folder; name one of these`,
    );
  if (isImageName(source))
    return openImageFile(source, name, resolvePreprocessing(target, options, 'imagenet'));
  switch (extname(source).toLowerCase()) {
    case '.bin':
      return openCifar(source, name, resolvePreprocessing(target, options, 'cifar10'));
    case '.npy':
      return openNpy(source, name, target);
    case '.safetensors':
      return openSafetensorsSource(source, name, target);
    default:
      throw new PxError(
        'ERR_DATA',
        `${source}: unknown kind of data; known are folders of images, .jpg, .png, .webp, CIFAR .bin, .npy and .safetensors`,
      );
  }
}

/** Paths get the shortest names that tell them apart; samples handed over in memory are "samples", "samples1" … */
function nameSources(sources: readonly DataSource[]): string[] {
  const paths = sourceNames(sources.filter((source) => typeof source === 'string'));
  let [path, memory] = [0, 0];
  return sources.map((source) =>
    typeof source === 'string' ? paths[path++]! : `samples${memory++ === 0 ? '' : memory - 1}`,
  );
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
  const code = systemCode((error as Error).cause);
  return error instanceof PxError && error.code === 'ERR_IO' && (code === 'EACCES' || code === 'ENOENT');
}

/** A file's own fault, as against the options' or the system's. */
function isBadData(error: unknown): error is PxError {
  return error instanceof PxError && (error.code === 'ERR_DATA' || error.code === 'ERR_FILE');
}

function nothingLeft(skipped: readonly SkippedSample[]): PxError {
  const [first] = skipped;
  const bad = skipped.length === 1 ? 'the only one is bad' : `all ${skipped.length} are bad, the first`;
  const why = first ? `${bad}: ${first.reason}` : 'the sources are empty';
  return new PxError('ERR_DATA', `no sample to score with: ${why}`);
}

function checkTarget({ shape }: InputTarget): void {
  if (shape.length === 0 || !shape.every((size) => Number.isInteger(size) && size > 0)) {
    throw new PxError(
      'ERR_OPTION',
      `the model's input shape [${shape.join(', ')}] is not fixed; give its size`,
    );
  }
}
