import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PxError } from '../../src/errors.js';
import { parseNpyHeader } from '../../src/io/data/npy.js';
import { ioError } from '../../src/io/os-error.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/io/safetensors.js';

const GOLDEN = join(import.meta.dirname, '..', 'golden');

/** A valid file with some bytes changed, cut off or doubled. */
function damaged(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }));
  return fc
    .tuple(fc.array(edit, { maxLength: 6 }), fc.nat(valid.length), fc.boolean())
    .map(([edits, cut, keep]) => {
      const bytes = valid.slice(0, keep ? valid.length : cut);
      for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
}

/** Reading either works or fails with the one error class and code. */
function holdsUp(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(PxError);
    expect((error as PxError).code).toBe('ERR_FILE');
  }
}

describe('damaged files', () => {
  const settings = { numRuns: 3000, seed: 20240611 };

  it('in safetensors format are read or refused, never worse', () => {
    const valid = encodeSafetensors(
      new Map([
        ['weight', { dtype: 'F32', shape: [2, 3], data: new Float32Array(6) }],
        ['mask', { dtype: 'U8', shape: [5], data: new Uint8Array(5) }],
      ]),
      { tool: 'x' },
    );
    fc.assert(
      fc.property(damaged(valid), (bytes) =>
        holdsUp(() => {
          for (const { shape, data } of decodeSafetensors(bytes).tensors.values()) {
            expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
            expect(data.byteLength).toBeLessThanOrEqual(bytes.length);
          }
        }),
      ),
      settings,
    );
  });

  it('in .npy format are read or refused, never worse', () => {
    const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    const valid = new Uint8Array([
      0x93,
      ...Buffer.from('NUMPY'),
      1,
      0,
      text.length,
      0,
      ...Buffer.from(text),
      ...new Array(24).fill(1),
    ]);
    expect(parseNpyHeader(valid, valid.length, 'x')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      start: 10 + text.length,
    });
    fc.assert(
      fc.property(damaged(valid), (bytes) => holdsUp(() => parseNpyHeader(bytes, bytes.length, 'x'))),
      settings,
    );
  });
});

describe('files of the reference implementation', () => {
  const files = readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.safetensors'),
  );

  it('are read', () => {
    expect(files.length).toBeGreaterThan(50);
    for (const name of files) {
      const { tensors } = decodeSafetensors(readFileSync(join(GOLDEN, name)), name);
      expect(tensors.size).toBeGreaterThan(0);
    }
  });
});

it.each([
  ['ENOSPC', /cannot write out\.bin: the disk is full; free space.*\(ENOSPC\)/],
  ['EROFS', /read-only/],
  ['EACCES', /permission denied/],
  ['EXYZ', /cannot write out\.bin: strange \(EXYZ\)/],
])('%s becomes an ERR_IO with a remedy', (code, message) => {
  const error = ioError(Object.assign(new Error('strange'), { code }), 'write', 'out.bin');
  expect(error).toMatchObject({ code: 'ERR_IO', message: expect.stringMatching(message) });
  const own = new PxError('ERR_FILE', 'mine');
  expect(ioError(own, 'write', 'out.bin')).toBe(own);
});
