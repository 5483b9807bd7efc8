/** Opens data sources by what they are and joins them into one data set. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { PxError } from '../../errors.js';
import { ioError } from '../os-error.js';
import { sha256 } from '../sha256.js';
import { throwIfAborted } from './abort.js';
import { openCifar } from './cifar.js';
import { isImageName } from './image-kind.js';
import { openImageFile, openImageFolder } from './images.js';
import type { SampleIterable } from './iterable.js';
import { drainIterable } from './iterable.js';
import { checkTarget, isBadData, joinSources } from './join-sources.js';
import { openNpy } from './npy.js';
import type { DatasetOptions } from './options.js';
import { checkOptions } from './options.js';
import { resolvePreprocessing } from './preprocess.js';
import { openSafetensorsSource } from './safetensors-source.js';
import { sourceNames } from './source-names.js';
import type { Dataset, InputTarget, SkippedSample, Source } from './types.js';

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
    return await joinSources(opened, skipped, target, options, sha256);
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
