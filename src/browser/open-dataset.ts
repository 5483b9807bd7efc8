/** Data sets from what a browser holds: files that a person chose, bitmaps, arrays. */
import { PxError } from '../errors.js';
import { throwIfAborted } from '../io/data/abort.js';
import { cifarSamples } from '../io/data/cifar-samples.js';
import { fitWith } from '../io/data/enlarge.js';
import { isImageName } from '../io/data/image-kind.js';
import { folderSamples, singleImage } from '../io/data/image-samples.js';
import { drainIterable, type SampleChunk } from '../io/data/iterable.js';
import { checkTarget, isBadData, joinSources } from '../io/data/join-sources.js';
import { npySamples } from '../io/data/npy-samples.js';
import { checkOptions, type DatasetOptions } from '../io/data/options.js';
import { type FitPixels, writeInput } from '../io/data/pixels.js';
import { type Preprocessing, resolvePreprocessing } from '../io/data/preprocess.js';
import { safetensorsSamples } from '../io/data/safetensors-samples.js';
import { shrinkPlainly } from '../io/data/shrink.js';
import type { Dataset, InputTarget, Sample, SkippedSample, Source } from '../io/data/types.js';
import { elementCount } from '../io/safetensors-header.js';
import { blobAccess } from './blob-access.js';
import { bitmapPixels, decodeBlob } from './decode-image.js';
import { sha256 } from './sha256.js';

/**
 * A file: an image (.jpg, .png, .webp), CIFAR .bin, .npy or .safetensors. `path` is its name or, where it came in a folder, its path
 * from that folder's name on, "/" between parts: "photos/cat/1.jpg" is of class "cat".
 */
export interface GivenFile {
  readonly path: string;
  readonly blob: Blob;
}

/** Samples of the model's input shape, or bitmaps, which are fitted to it; any mixture. */
export type Samples = Iterable<SampleChunk | ImageBitmap> | AsyncIterable<SampleChunk | ImageBitmap>;

export type BrowserSource = GivenFile | Float32Array | Samples;

const fitPixels: FitPixels = (pixels, preprocessing) => fitWith(shrinkPlainly, pixels, preprocessing);

/**
 * Opens all sources, joined in the given order (images of one folder together, in order of path), and draws the samples as
 * `openDataset` of the Node package does. Iterables are walked once; files are decoded when they are first needed.
 *
 * @throws PxError ERR_OPTION, ERR_DATA and ERR_FILE naming the file, ERR_IO, ERR_ABORTED
 */
export async function openDataset(
  sources: readonly BrowserSource[],
  target: InputTarget,
  options: DatasetOptions = {},
): Promise<Dataset> {
  checkOptions(options);
  checkTarget(target);
  if (sources.length === 0) throw new PxError('ERR_OPTION', 'no data given; give images or tensors');
  const opened: Source[] = [];
  const skipped: SkippedSample[] = [];
  let unnamed = 0;
  for (const group of byFolder(sources)) {
    throwIfAborted(options.signal);
    if (!isFiles(group)) {
      const name = `samples${unnamed++ === 0 ? '' : unnamed - 1}`;
      const chunks = chunksOf(group instanceof Float32Array ? [group] : group, name, target, options);
      opened.push(await drainIterable(chunks, name, target, options.signal));
      continue;
    }
    try {
      opened.push(await openFiles(group, target, options));
    } catch (error) {
      if (!options.skipBad || !isBadData(error)) throw error;
      skipped.push({ id: group[0]!.path, reason: error.message });
    }
  }
  return joinSources(opened, skipped, target, options, sha256);
}

/** One file by itself, or those of one folder. */
type Files = readonly GivenFile[];

/** Files of one folder become one source, at the place of the first. */
function byFolder(sources: readonly BrowserSource[]): (Files | Float32Array | Samples)[] {
  const folders = new Map<string, GivenFile[]>();
  const groups: (Files | Float32Array | Samples)[] = [];
  for (const source of sources) {
    if (!isFile(source)) {
      groups.push(source);
      continue;
    }
    const slash = source.path.indexOf('/');
    const folder = slash < 0 ? undefined : folders.get(source.path.slice(0, slash));
    if (folder !== undefined) folder.push(source);
    else {
      const group = [source];
      if (slash >= 0) folders.set(source.path.slice(0, slash), group);
      groups.push(group);
    }
  }
  return groups;
}

function isFile(source: unknown): source is GivenFile {
  return typeof source === 'object' && source !== null && 'blob' in source && 'path' in source;
}

function isFiles(group: Files | Float32Array | Samples): group is Files {
  return Array.isArray(group) && isFile(group[0]);
}

async function openFiles(files: Files, target: InputTarget, options: DatasetOptions): Promise<Source> {
  const first = files[0]!;
  const slash = first.path.indexOf('/');
  if (slash >= 0) return openFolder(first.path.slice(0, slash), files, target, options);
  const { path, blob } = first;
  if (isImageName(path)) {
    const preprocessing = resolvePreprocessing(target, options, 'imagenet');
    return singleImage(path, preprocessing, imageLoader(first, preprocessing));
  }
  switch (path.slice(path.lastIndexOf('.')).toLowerCase()) {
    case '.bin':
      return cifarSamples(
        blobAccess(blob, path),
        path,
        resolvePreprocessing(target, options, 'cifar10'),
        fitPixels,
      );
    case '.npy':
      return npySamples(blobAccess(blob, path), path, target);
    case '.safetensors':
      return safetensorsSamples(blobAccess(blob, path), path, target);
    default:
      throw new PxError(
        'ERR_DATA',
        `${path}: unknown kind of data; known are folders of images, .jpg, .png, .webp, CIFAR .bin, .npy and .safetensors`,
      );
  }
}

function openFolder(folder: string, files: Files, target: InputTarget, options: DatasetOptions): Source {
  const preprocessing = resolvePreprocessing(target, options, 'imagenet');
  const inside = new Map(files.map((file) => [file.path.slice(folder.length + 1), file]));
  return folderSamples(folder, folder, [...inside.keys()], preprocessing, (path) =>
    imageLoader(inside.get(path)!, preprocessing),
  );
}

function imageLoader({ path, blob }: GivenFile, preprocessing: Preprocessing): Sample['load'] {
  return async (out) => {
    const pixels = await decodeBlob(blob, path, preprocessing.needsAlpha);
    writeInput(await fitPixels(pixels, preprocessing), preprocessing, out);
  };
}

/** Bitmaps become arrays of the input's shape; they stay the caller's to close. */
async function* chunksOf(
  samples: Samples,
  name: string,
  target: InputTarget,
  options: DatasetOptions,
): AsyncGenerator<SampleChunk> {
  let count = 0;
  for await (const sample of samples) {
    if (typeof ImageBitmap !== 'undefined' && sample instanceof ImageBitmap) {
      const preprocessing = resolvePreprocessing(target, options, 'imagenet');
      const pixels = bitmapPixels(sample, `${name}#${count}`, preprocessing.needsAlpha);
      const out = new Float32Array(elementCount(target.shape));
      writeInput(await fitPixels(pixels, preprocessing), preprocessing, out);
      yield out;
    } else yield sample as SampleChunk;
    count++;
  }
}
