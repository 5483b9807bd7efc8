import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { PxError } from '../../src/errors.js';
import { openDataset } from '../../src/io/data/open-dataset.js';
import { damaged, joined } from './bytes.js';
import type { Reader } from './readers.js';

const TARGET = { shape: [3, 8, 8] };

/** Walks a data set to its end, as a run does. */
async function walk(path: string): Promise<void> {
  const data = await openDataset([path], TARGET, { cacheBytes: 0 });
  try {
    for await (const x of data.batches([data.length]))
      if (!x.every(Number.isFinite)) throw new Error('a value that is not finite');
  } finally {
    await data.close();
  }
}

export async function dataReaders(scratch: string): Promise<Reader[]> {
  const images = await smallImages();
  const codes = ['ERR_DATA', 'ERR_FILE'] as const;
  const bin = join(scratch, 'x.bin');
  const image = join(scratch, 'x.png');
  const folder = join(scratch, 'folder');
  return [
    {
      name: 'cifar files',
      input: fc.oneof(damaged(cifarFiles()), cifarLike),
      read: async (bytes) => {
        writeFileSync(bin, bytes);
        await walk(bin);
      },
      codes,
      weight: 3,
    },
    {
      name: 'images',
      input: damaged(images),
      read: async (bytes) => {
        writeFileSync(image, bytes);
        await walk(image);
      },
      codes,
      weight: 1.5,
    },
    {
      name: 'image folders',
      input: folderList.map((list) => new TextEncoder().encode(JSON.stringify(list))),
      read: async (bytes) => {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
        makeFolder(folder, JSON.parse(new TextDecoder().decode(bytes)) as Entry[], images);
        await walk(folder);
      },
      codes: [...codes, 'ERR_IO'],
      weight: 0.5,
    },
  ];
}

function cifarFiles(): Uint8Array[] {
  const record = (labels: number[]) => joined(Uint8Array.from(labels), new Uint8Array(3072).fill(128));
  return [joined(record([3]), record([9])), joined(record([19, 99]), record([0, 0]))];
}

/** Right in size, arbitrary in labels. */
const cifarLike: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.constantFrom(3073, 3074, 3073 * 2, 3074 * 3, 3073 * 3074, 0, 1, 3072),
    fc.array(fc.nat(255), { maxLength: 8 }),
  )
  .map(([size, starts]) => {
    const bytes = new Uint8Array(Math.min(size, 30_000));
    bytes.set(starts.slice(0, bytes.length));
    return bytes;
  });

/** One of each kind, and bombs: headers that claim far more pixels than there are. */
async function smallImages(): Promise<Uint8Array[]> {
  const raw = () =>
    sharp(Buffer.from(Array.from({ length: 12 * 9 * 3 }, (_, i) => (i * 37) % 256)), {
      raw: { width: 12, height: 9, channels: 3 },
    });
  const files = [
    await raw().jpeg().toBuffer(),
    await raw().jpeg({ progressive: true }).toBuffer(),
    await raw().png().toBuffer(),
    await raw().png({ palette: true }).toBuffer(),
    await raw().toColourspace('rgb16').png().toBuffer(),
    await raw().webp().toBuffer(),
    await raw().webp({ lossless: true }).toBuffer(),
    await raw().greyscale().jpeg().toBuffer(),
    await raw().ensureAlpha(0.5).png().toBuffer(),
    await raw().gif().toBuffer(),
    await raw().tiff().toBuffer(),
    Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="60000" height="60000"><image href="/etc/passwd"/></svg>',
    ),
  ];
  const bomb = Uint8Array.from(files[2]!);
  new DataView(bomb.buffer).setUint32(16, 60_000);
  new DataView(bomb.buffer).setUint32(20, 60_000);
  return [...files.map((file) => Uint8Array.from(file)), bomb];
}

interface Entry {
  readonly name: string;
  readonly kind: 'image' | 'empty' | 'text' | 'folder' | 'loop' | 'dangling' | 'self' | 'device';
  readonly which: number;
}

const folderList: fc.Arbitrary<Entry[]> = fc.array(
  fc.record({
    name: fc.constantFrom(
      'a.png',
      'cat/1.jpg',
      'cat/2.png',
      'dog/\u001b[31m.png',
      'line\nbreak.jpg',
      'x.PNG',
      '.hidden.png',
      ' .png',
      'a/b/c/d.webp',
      '<b>.png',
      'cat',
      '\u202egnp.png',
      'ünï/ü.png',
    ),
    kind: fc.constantFrom(
      'image',
      'image',
      'image',
      'image',
      'empty',
      'text',
      'folder',
      'loop',
      'dangling',
      'self',
      'device',
    ),
    which: fc.nat(20),
  }),
  { maxLength: 5 },
);

function makeFolder(root: string, entries: readonly Entry[], images: readonly Uint8Array[]): void {
  for (const { name, kind, which } of entries) {
    const path = join(root, name);
    try {
      mkdirSync(dirname(path), { recursive: true });
      if (kind === 'image') writeFileSync(path, images[which % images.length]!);
      else if (kind === 'empty') writeFileSync(path, '');
      else if (kind === 'text') writeFileSync(path, 'no image');
      else if (kind === 'folder') mkdirSync(path, { recursive: true });
      else
        symlinkSync(
          kind === 'loop' ? '.' : kind === 'self' ? path : kind === 'device' ? '/dev/zero' : 'nowhere',
          path,
        );
    } catch (error) {
      if (error instanceof PxError) throw error; // two entries of one name: the first stays
    }
  }
}
