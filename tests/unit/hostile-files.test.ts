/** Files that are not what they seem: pipes, devices, bombs, holes. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { parseNpyHeader } from '../../src/io/data/npy.js';
import { openDataset } from '../../src/io/data/open-dataset.js';
import { decodeSafetensors, openSafetensors } from '../../src/io/safetensors.js';
import { loadModel } from '../../src/plan/load.js';
import { onnxFile } from '../support/onnx-file.js';

const folder = mkdtempSync(join(tmpdir(), 'px-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const TARGET = { shape: [3, 8, 8] };

/** Opens and reads all samples. */
async function walk(path: string): Promise<number> {
  const data = await openDataset([path], TARGET);
  try {
    for await (const batch of data.batches([data.length])) expect(batch.every(Number.isFinite)).toBe(true);
    return data.length;
  } finally {
    await data.close();
  }
}

const unix = describe.skipIf(process.platform === 'win32');

unix('pipes and devices', () => {
  it('are refused, not waited for', async () => {
    for (const name of ['x.npy', 'x.bin', 'x.safetensors', 'x.png', 'm.onnx'])
      execFileSync('mkfifo', [join(folder, name)]);
    for (const name of ['x.npy', 'x.bin', 'x.safetensors', 'x.png']) {
      await expect(walk(join(folder, name))).rejects.toMatchObject({
        code: 'ERR_DATA',
        message: expect.stringContaining('pipe'),
      });
    }
    await expect(openSafetensors(join(folder, 'x.safetensors'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(loadModel(join(folder, 'm.onnx'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(loadModel('/dev/zero')).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('are refused in a folder of images, also behind a link', async () => {
    const images = join(folder, 'with-device');
    mkdirSync(images);
    symlinkSync('/dev/zero', join(images, 'a.png'));
    await expect(walk(images)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('a.png'),
    });
  });

  it('are refused as external data', async () => {
    const models = join(folder, 'model');
    mkdirSync(models);
    execFileSync('mkfifo', [join(models, 'w.bin')]);
    const tensors = { w: { dims: [2, 2], data: [], storage: { location: 'w.bin' } } };
    writeFileSync(
      join(models, 'm.onnx'),
      onnxFile({ inputs: { x: ['N', 2] }, outputs: ['y'], tensors, nodes: [['MatMul', ['x', 'w'], ['y']]] }),
    );
    await expect(loadModel(join(models, 'm.onnx'))).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining('regular file'),
    });
  });
});

describe('images', () => {
  it('of other formats do not get to the decoder, whatever their name', async () => {
    const secret = join(folder, 'secret.png');
    await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toFile(secret);
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="8" height="8"><image xlink:href="${secret}" width="8" height="8"/></svg>`;
    const gif = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .gif()
      .toBuffer();
    for (const [name, bytes] of [
      ['svg.png', svg],
      ['gif.jpg', gif],
      ['empty.webp', ''],
    ] as const) {
      writeFileSync(join(folder, name), bytes);
      await expect(walk(join(folder, name))).rejects.toMatchObject({
        code: 'ERR_DATA',
        message: expect.stringContaining('not a JPEG, PNG or WebP'),
      });
    }
  });

  it('that claim or hold more pixels than the limit are refused before they are decoded', async () => {
    const path = join(folder, 'bomb.png');
    // Some kilobytes that decode to 192 MB.
    await sharp({ create: { width: 8200, height: 8200, channels: 3, background: 'black' } })
      .png({ compressionLevel: 9 })
      .toFile(path);
    const before = process.memoryUsage().rss;
    await expect(walk(path)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('pixel limit'),
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });
});

describe('tensor files', () => {
  it('with a .npy header of blanks are refused in linear time', () => {
    for (const filler of [
      ' '.repeat(60_000),
      '1,'.repeat(30_000),
      '(1,'.repeat(20_000),
      '1 '.repeat(30_000),
    ]) {
      const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${filler}x), }`;
      const bytes = Buffer.concat([
        Buffer.from([0x93, ...Buffer.from('NUMPY'), 2, 0, 0, 0, 0, 0]),
        Buffer.from(text),
      ]);
      bytes.writeUInt32LE(text.length, 8);
      const start = performance.now();
      expect(() => parseNpyHeader(bytes, bytes.length, 'x')).toThrow(/truncated|describe/);
      expect(performance.now() - start).toBeLessThan(500);
    }
  });

  it('with a safetensors header of many megabytes are refused before it is read', async () => {
    const path = join(folder, 'header.safetensors');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(50_000_000n);
    writeFileSync(path, length);
    truncateSync(path, 60_000_000); // a hole: nothing is on the disk
    await expect(openSafetensors(path)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('header'),
    });
    expect(() => decodeSafetensors(length)).toThrow(/header/);
  });

  it('that are holes of a terabyte are refused by their number of samples', async () => {
    const path = join(folder, 'hole.bin');
    writeFileSync(path, '');
    truncateSync(path, 3073 * 2 ** 25);
    await expect(walk(path)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('samples'),
    });
  });

  it('with a tensor larger than memory are an error that says so', async () => {
    const path = join(folder, 'large.safetensors');
    const size = 2 ** 41;
    const json = Buffer.from(JSON.stringify({ x: { dtype: 'U8', shape: [size], data_offsets: [0, size] } }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(path, Buffer.concat([length, json]));
    truncateSync(path, 8 + json.length + size);
    const file = await openSafetensors(path);
    await expect(file.read('x')).rejects.toMatchObject({ code: 'ERR_MEMORY' });
    await file.close();
  });
});
