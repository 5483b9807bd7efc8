import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/io/data/open-dataset.js';
import type { DatasetOptions } from '../../src/io/data/options.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-images-'));
});
afterEach(() => rm(folder, { recursive: true }));

const RAW = { preset: 'none', scale: 1 } as const;

/** A picture of `height`×`width` pixels whose values come from (row, column, channel). */
function picture(
  height: number,
  width: number,
  channels: 1 | 2 | 3 | 4,
  value: (y: number, x: number, c: number) => number,
): Sharp {
  const data = Buffer.alloc(height * width * channels);
  for (let i = 0; i < data.length; i++) {
    const p = Math.floor(i / channels);
    data[i] = value(Math.floor(p / width), p % width, i % channels);
  }
  return sharp(data, { raw: { height, width, channels } });
}

async function load(paths: string[], shape: number[], options: DatasetOptions = {}): Promise<Float32Array> {
  const data = await openDataset(paths, { shape }, options);
  const out: Float32Array[] = [];
  for await (const x of data.batches([data.length])) out.push(x.slice());
  await data.close();
  expect(out).toHaveLength(1);
  return out[0]!;
}

describe('pixels', () => {
  const value = (y: number, x: number, c: number) => 40 * y + 10 * x + 3 * c;
  const expected = (channels: number[]) =>
    channels.flatMap((c) => [0, 1].flatMap((y) => [0, 1, 2].map((x) => value(y, x, c))));

  it('arrive unchanged as RGB planes, or interleaved where the model wants that', async () => {
    const path = join(folder, 'a.png');
    await picture(2, 3, 3, value).png().toFile(path);
    expect([...(await load([path], [3, 2, 3], RAW))]).toEqual(expected([0, 1, 2]));
    const interleaved = await load([path], [2, 3, 3], RAW);
    expect([...interleaved.subarray(0, 6)]).toEqual([0, 3, 6, 10, 13, 16]);
    expect([...(await load([path], [3, 2, 3], { ...RAW, channels: 'bgr' }))]).toEqual(expected([2, 1, 0]));
    expect([...(await load([path], [4, 2, 3], { ...RAW, channels: [0, 1, 2, 1] }))]).toEqual(
      expected([0, 1, 2, 1]),
    );
  });

  it('become grey by brightness, and grey images three equal channels', async () => {
    const colour = join(folder, 'colour.png');
    await picture(1, 1, 3, (_y, _x, c) => [200, 100, 50][c]!)
      .png()
      .toFile(colour);
    expect((await load([colour], [1, 1, 1], RAW))[0]).toBeCloseTo(0.299 * 200 + 0.587 * 100 + 0.114 * 50, 3);
    const grey = join(folder, 'grey.png');
    await picture(1, 2, 1, (_y, x) => 7 + x)
      .toColourspace('b-w')
      .png()
      .toFile(grey);
    expect([...(await load([grey], [3, 1, 2], RAW))]).toEqual([7, 8, 7, 8, 7, 8]);
  });

  it('keep the precision of 16-bit images, on the same scale', async () => {
    const path = join(folder, 'deep.png');
    const data = new Uint16Array([0, 257, 1000, 65535, 30000, 128]);
    await sharp(data, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(path);
    const x = await load([path], [3, 1, 2], RAW);
    const want = [0, 65535, 257, 30000, 1000, 128].map((v) => Math.fround(v / 257));
    expect([...x]).toEqual(want.map((v) => expect.closeTo(v, 3)));
  });

  it('drop alpha without blending, or give it as a channel', async () => {
    const path = join(folder, 'alpha.png');
    const rgba = (y: number, x: number, c: number) => (c === 3 ? 100 * x : value(y, x, c));
    await picture(2, 3, 4, rgba).png().toFile(path);
    expect([...(await load([path], [3, 2, 3], RAW))]).toEqual(expected([0, 1, 2]));
    const four = await load([path], [4, 2, 3], { ...RAW, channels: [0, 1, 2, 3] });
    expect([...four.subarray(0, 18)]).toEqual(expected([0, 1, 2]));
    expect([...four.subarray(18)]).toEqual([0, 100, 200, 0, 100, 200]);
  });

  it('keep the colours under transparent pixels when resized with alpha as a channel', async () => {
    const path = join(folder, 'alpha.png');
    await picture(8, 8, 4, (_y, x, c) => (c === 3 ? (x < 4 ? 0 : 255) : 90))
      .png()
      .toFile(path);
    const x = await load([path], [4, 4, 4], { ...RAW, channels: [0, 1, 2, 3] });
    expect(new Set(x.subarray(0, 48))).toEqual(new Set([90]));
    expect(x[48]).toBeLessThan(30);
    expect(x[51]).toBeGreaterThan(225);
  });

  it('are the stored ones, whatever colour profile is embedded', async () => {
    const path = join(folder, 'p3.png');
    const stored = await picture(2, 2, 3, (_y, _x, c) => [200, 30, 90][c]!)
      .withIccProfile('p3')
      .png()
      .toBuffer();
    await writeFile(path, stored);
    const plain = await sharp(stored, { ignoreIcc: true }).raw().toBuffer();
    expect([...plain.subarray(0, 3)]).not.toEqual([200, 30, 90]); // converted on the way in by this test
    expect([...(await load([path], [2, 2, 3], RAW))]).toEqual([...plain]);
  });

  it('of CMYK images become RGB', async () => {
    const path = join(folder, 'cmyk.jpg');
    await picture(8, 8, 3, (_y, _x, c) => [230, 60, 30][c]!)
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toFile(path);
    const x = await load([path], [8, 8, 3], RAW);
    expect(x[0]! - x[1]!).toBeGreaterThan(100);
    expect(x).toHaveLength(192);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('are upright whatever EXIF orientation %i says', async (orientation) => {
    // The stored pixels are what a camera held that way writes; upright, the left half is dark and the top left corner red.
    const path = join(folder, `${orientation}.jpg`);
    const upright = picture(32, 16, 3, (y, x, c) => (y < 8 && x < 8 && c === 0 ? 255 : x < 8 ? 0 : 200));
    const stored = sharp(await upright.png().toBuffer());
    if ([2, 4].includes(orientation)) stored.flop();
    if ([3, 4].includes(orientation)) stored.rotate(180);
    let turned = stored;
    if (orientation === 8) turned = stored.rotate(90);
    if (orientation === 6) turned = stored.rotate(270);
    if (orientation === 5) turned = sharp(await stored.rotate(90).png().toBuffer()).flop();
    if (orientation === 7) turned = sharp(await stored.rotate(270).png().toBuffer()).flop();
    await turned
      .withMetadata({ orientation })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toFile(path);
    const x = await load([path], [3, 32, 16], RAW);
    const at = (c: number, y: number, column: number) => x[c * 512 + y * 16 + column]!;
    expect([at(0, 3, 3), at(1, 3, 3), at(0, 20, 3), at(1, 3, 13), at(1, 28, 13)]).toEqual(
      [255, 0, 0, 200, 200].map((v) => expect.closeTo(v, -1)),
    );
  });

  it('are read from JPEG and WebP too', async () => {
    for (const name of ['a.jpg', 'a.WEBP', 'a.jpeg']) {
      const path = join(folder, name);
      await picture(16, 16, 3, (_y, _x, c) => 60 + 60 * c)
        .toFormat(name.endsWith('g') ? 'jpeg' : 'webp')
        .toFile(path);
      const x = await load([path], [3, 16, 16], RAW);
      expect(Math.abs(x[0]! - 60) + Math.abs(x[256]! - 120) + Math.abs(x[512]! - 180)).toBeLessThan(12);
    }
  });
});

describe('values', () => {
  it('follow (x · scale − mean) / std of the preset, ImageNet by default', async () => {
    const path = join(folder, 'a.png');
    await picture(1, 1, 3, (_y, _x, c) => [255, 0, 51][c]!)
      .png()
      .toFile(path);
    expect([...(await load([path], [3, 1, 1]))]).toEqual(
      [(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225].map((v) => expect.closeTo(v, 5)),
    );
    expect([...(await load([path], [3, 1, 1], { channels: 'bgr' }))][0]).toBeCloseTo(
      (0.2 - 0.406) / 0.225,
      5,
    );
    expect((await load([path], [3, 1, 1], { preset: 'cifar10' }))[0]).toBeCloseTo((1 - 0.4914) / 0.247, 5);
    expect((await load([path], [3, 1, 1], { preset: 'none' }))[0]).toBe(1);
  });

  it('take own mean, std and scale; a preset is then only used when asked for', async () => {
    const path = join(folder, 'a.png');
    await picture(1, 1, 3, () => 100)
      .png()
      .toFile(path);
    expect([...(await load([path], [3, 1, 1], { scale: 1, mean: [10, 20, 30], std: [2] }))]).toEqual([
      45, 40, 35,
    ]);
    expect([...(await load([path], [3, 1, 1], { scale: 0.5 }))]).toEqual([50, 50, 50]);
    const mixed = await load([path], [3, 1, 1], { preset: 'imagenet', mean: [0] });
    expect(mixed[0]).toBeCloseTo(100 / 255 / 0.229, 5);
  });

  it('are refused where options contradict the model', async () => {
    const path = join(folder, 'a.png');
    await picture(4, 4, 3, () => 1)
      .png()
      .toFile(path);
    const failing = (shape: number[], options: DatasetOptions) => load([path], shape, options);
    await expect(failing([4, 4, 4], {})).rejects.toThrow(/4 channels.*0,1,2,1/);
    await expect(failing([3, 4, 4], { channels: 'grey' })).rejects.toThrow(/do not match/);
    await expect(failing([3, 4, 4], { mean: [1, 2] })).rejects.toThrow(/mean has 2 numbers/);
    await expect(failing([3, 4, 4], { crop: 5 })).rejects.toThrow(/crop 5×5.*4×4/);
    await expect(failing([3, 4, 4], { size: 3 })).rejects.toThrow(/larger size/);
    await expect(failing([4, 4, 4], { channels: [0, 1, 2, 3] })).rejects.toThrow(/alpha/);
    await expect(failing([7], {})).rejects.toThrow(/no image.*tensors/);
  });

  it.each<[DatasetOptions, RegExp]>([
    [{ preset: 'mnist' as never }, /preset .*must be one of imagenet/],
    [{ std: [0, 1, 1] }, /std/],
    [{ mean: [Number.NaN] }, /mean/],
    [{ scale: 0 }, /scale/],
    [{ size: 0 }, /size/],
    [{ crop: [4, -4] }, /crop/],
    [{ channels: [0, 9] }, /channels/],
    [{ channels: [] }, /channels/],
    [{ perClass: 0 }, /perClass/],
    [{ seed: 0.5 }, /seed/],
    [{ limit: -1 }, /limit/],
  ])('%j is an ERR_OPTION', async (options, message) => {
    await expect(openDataset([folder], { shape: [3, 4, 4] }, options)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(message),
    });
  });
});

describe('resize and crop', () => {
  it('cover the input, keep proportions and crop at the centre', async () => {
    // Bars 20 pixels wide: after halving and cropping 20 of 50 columns at the centre, columns 15 to 34 remain.
    const path = join(folder, 'wide.png');
    await picture(40, 100, 3, (_y, x) => 2 * x)
      .png()
      .toFile(path);
    const x = await load([path], [3, 20, 20], RAW);
    expect(x[0]).toBeCloseTo(2 * (2 * 15 + 0.5), -0.5);
    expect(x[19]).toBeCloseTo(2 * (2 * 34 + 0.5), -0.5);
    const taller = await load([path], [3, 20, 20], { ...RAW, size: 40 });
    expect(taller[0]).toBe(80);
    const squeezed = await load([path], [3, 20, 20], { ...RAW, size: [20, 20] });
    expect(squeezed[0]).toBeLessThan(8);
    expect(squeezed[19]).toBeGreaterThan(188);
  });

  it('zoom in by 256/224 under the ImageNet preset, unless the size is right already', async () => {
    const path = join(folder, 'a.png');
    await picture(448, 448, 3, (_y, x) => x / 2)
      .png()
      .toFile(path);
    const x = await load([path], [3, 224, 224], { preset: 'imagenet', mean: [0], std: [1], scale: 1 });
    expect(x[0]).toBeCloseTo((16.5 / 256) * 224, 0);
    const same = await load([path], [3, 448, 448], { preset: 'imagenet', mean: [0], std: [1], scale: 1 });
    expect(same[447]).toBe(223);
  });

  it('enlarge without a shift, as the training libraries do', async () => {
    const path = join(folder, 'small.png');
    await picture(8, 8, 3, (_y, x) => 10 + 20 * x)
      .png()
      .toFile(path);
    const x = await load([path], [3, 9, 9], RAW);
    expect([...x.subarray(0, 9)]).toEqual([10, 27, 44, 62, 80, 98, 116, 133, 150]);
    const twice = await load([path], [3, 16, 16], { ...RAW, size: [16, 16] });
    expect([...twice.subarray(16, 20)]).toEqual([10, 15, 25, 35]);
    const narrow = await load([path], [3, 16, 4], { ...RAW, size: [16, 4] });
    expect([...narrow.subarray(0, 4)].every((v, i) => Math.abs(v - (20 + 40 * i)) <= 2 || i % 3 === 0)).toBe(
      true,
    );
  });

  it('work for 16-bit pixels', async () => {
    const path = join(folder, 'deep.png');
    const data = new Uint16Array(8 * 8 * 3).fill(1000);
    await sharp(data, { raw: { width: 8, height: 8, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(path);
    const x = await load([path], [3, 4, 4], RAW);
    expect(x.every((v) => Math.abs(v - 1000 / 257) < 0.01)).toBe(true);
  });
});

describe('folders', () => {
  async function tree(files: Record<string, number>): Promise<void> {
    for (const [path, brightness] of Object.entries(files)) {
      await mkdir(join(folder, path, '..'), { recursive: true });
      await picture(2, 2, 3, () => brightness)
        .png()
        .toFile(join(folder, path));
    }
  }

  it('are walked in path order, with the first sub-folder as class', async () => {
    await tree({ 'set/b/2.png': 4, 'set/b/10.png': 3, 'set/a/deep/1.png': 1, 'set/a/z.png': 2 });
    await writeFile(join(folder, 'set', 'a', 'notes.txt'), 'x');
    const data = await openDataset([join(folder, 'set')], { shape: [3, 2, 2] }, { ...RAW, perClass: 'all' });
    expect(data.samples).toEqual([
      { id: 'set/a/deep/1.png', label: 'a' },
      { id: 'set/a/z.png', label: 'a' },
      { id: 'set/b/10.png', label: 'b' },
      { id: 'set/b/2.png', label: 'b' },
    ]);
    expect(data.notes.join('\n')).toMatch(/4 images in 2 classes, RGB CHW.*preset none \(as asked\)/);
    expect(data.notes.join('\n')).toMatch(/left out.*1 \(a\/notes\.txt\)/);
    const firsts: number[] = [];
    for await (const x of data.batches([1, 1, 1, 1])) firsts.push(x[0]!);
    expect(firsts).toEqual([1, 2, 3, 4]);
  });

  it('without sub-folders have no classes; several sources follow one another', async () => {
    await tree({ 'one/b.png': 2, 'one/a.png': 1, 'two/c.png': 3 });
    const data = await openDataset([join(folder, 'two'), join(folder, 'one')], { shape: [3, 2, 2] }, RAW);
    expect(data.samples).toEqual([{ id: 'two/c.png' }, { id: 'one/a.png' }, { id: 'one/b.png' }]);
    await expect(openDataset([join(folder, 'one')], { shape: [3, 2, 2] }, { perClass: 2 })).rejects.toThrow(
      /perClass 2 needs/,
    );
  });

  it('of the same name are told apart, and none is taken twice', async () => {
    await tree({ 'one/set/a.png': 1, 'two/set/a.png': 2 });
    const [one, two] = ['one', 'two'].map((name) => join(folder, name, 'set')) as [string, string];
    const data = await openDataset([one, two], { shape: [3, 2, 2] }, RAW);
    expect(data.samples.map(({ id }) => id)).toEqual(['one/set/a.png', 'two/set/a.png']);
    expect(data.notes).toHaveLength(2);
    const twice = openDataset([one, join(two, '..', '..', 'one', 'set')], { shape: [3, 2, 2] }, RAW);
    await expect(twice).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringMatching(/twice/),
    });
  });

  it('follow links but not in circles', async () => {
    await tree({ 'real/a.png': 1 });
    await mkdir(join(folder, 'set'));
    await symlink(join(folder, 'real'), join(folder, 'set', 'cls'));
    const data = await openDataset([join(folder, 'set')], { shape: [3, 2, 2] }, RAW);
    expect(data.samples).toEqual([{ id: 'set/cls/a.png', label: 'cls' }]);
    await symlink(join(folder, 'set'), join(folder, 'real', 'loop'));
    await expect(openDataset([join(folder, 'set')], { shape: [3, 2, 2] }, RAW)).rejects.toThrow(
      /loop.*leads back/,
    );
  });

  it('without an image say what they hold', async () => {
    await writeFile(join(folder, 'data.npy'), 'x');
    await expect(openDataset([folder], { shape: [3, 2, 2] })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/no JPEG.*1 other \(data\.npy\)/),
    });
    await expect(openDataset([join(folder, 'none')], { shape: [3, 2, 2] })).rejects.toMatchObject({
      code: 'ERR_IO',
    });
  });
});

describe('bad images', () => {
  beforeEach(async () => {
    const good = await picture(64, 64, 3, (y, x, c) => y + x + c)
      .png()
      .toBuffer();
    for (const name of ['a.png', 'c.png']) await writeFile(join(folder, name), good);
    await writeFile(join(folder, 'b.png'), good.subarray(0, good.length / 2));
    await writeFile(join(folder, 'd.jpg'), 'not an image');
  });

  it('are an error that names the file', async () => {
    await expect(load([folder], [3, 64, 64])).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/(b\.png|d\.jpg): cannot be decoded/),
    });
  });

  it('can be left out, and are listed', async () => {
    const data = await openDataset([folder], { shape: [3, 64, 64] }, { skipBad: true });
    expect(data.samples.map((sample) => sample.id.split('/')[1])).toEqual(['a.png', 'c.png']);
    expect(data.skipped.map((sample) => sample.id.split('/')[1])).toEqual(['b.png', 'd.jpg']);
    expect(data.skipped[0]!.reason).toMatch(/b\.png/);
  });

  it('may be links to nothing', async () => {
    await symlink(join(folder, 'gone'), join(folder, 'c2.png'));
    await rm(join(folder, 'b.png'));
    await rm(join(folder, 'd.jpg'));
    await expect(load([folder], [3, 64, 64])).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(/cannot read .*c2\.png: no such file/),
    });
    const data = await openDataset([folder], { shape: [3, 64, 64] }, { skipBad: true });
    expect(data.samples).toHaveLength(2);
    expect(data.skipped).toMatchObject([{ id: expect.stringMatching(/c2\.png$/) }]);
  });

  it('can be all there is', async () => {
    await expect(
      openDataset([join(folder, 'd.jpg')], { shape: [3, 64, 64] }, { skipBad: true }),
    ).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/the only one is bad: .*d\.jpg/),
    });
  });
});
