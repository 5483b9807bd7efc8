import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { openNpy, parseNpyHeader } from '../../src/io/data/npy.js';
import { openSafetensorsSource } from '../../src/io/data/safetensors-source.js';
import type { Source } from '../../src/io/data/types.js';
import { elementSize } from '../../src/io/dtype.js';
import { decodeSafetensors, encodeSafetensors, readSafetensors } from '../../src/io/safetensors.js';
import { damaged, joined } from './bytes.js';
import { hostileInt, hostileName } from './hostile-values.js';
import type { Reader } from './readers.js';

/** The model's input in these tests. */
const TARGET = { shape: [2, 3] };

const size = hostileInt.map((value) => (typeof value === 'bigint' ? Number(value) : value));
const SAMPLES = encodeSafetensors(
  new Map([
    ['x', { dtype: 'F32' as const, shape: [4, 2, 3], data: new Float32Array(24).fill(0.5) }],
    ['y', { dtype: 'I64' as const, shape: [4], data: BigInt64Array.of(0n, 1n, 0n, 1n) }],
  ]),
  { tool: 'x' },
);

/** A well-formed container around a header whose claims are arbitrary. */
const hostileHeader: fc.Arbitrary<Uint8Array> = fc
  .record({
    entries: fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom('x', 'y', '__metadata__'), hostileName),
        fc.record({
          dtype: fc.constantFrom(
            'F32',
            'F16',
            'BF16',
            'I64',
            'U8',
            'BOOL',
            'F64',
            'F8_E4M3',
            'constructor',
            '',
          ),
          shape: fc.oneof(
            fc.array(size, { maxLength: 4 }),
            fc.constantFrom<unknown[]>('x', null, [1.5], ['1'], {}),
          ),
          data_offsets: fc.oneof(
            fc.tuple(size, size),
            fc.constant([0, 96]),
            fc.array(size, { maxLength: 3 }),
          ),
        }),
      ),
      { maxLength: 4 },
    ),
    text: fc.option(
      fc.oneof(
        fc.constantFrom('{', '[]', 'null', '{"a":{"a":{"a":', '[['.repeat(3000), '{"x":1}'),
        fc.json(),
      ),
      { nil: undefined, freq: 5 },
    ),
    length: fc.option(size, { nil: undefined, freq: 8 }),
    data: fc.nat(120),
  })
  .map(({ entries, text, length, data }) => {
    const json = new TextEncoder().encode(
      text ??
        `{${entries.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`,
    );
    const prefix = new Uint8Array(8);
    new DataView(prefix.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(length ?? json.length)), true);
    return joined(prefix, json, new Uint8Array(data));
  });

function npyFile(text: string, data: number, version: number, length = text.length): Uint8Array {
  const header = new TextEncoder().encode(text);
  const prefix = version === 1 ? new Uint8Array(10) : new Uint8Array(12);
  prefix.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(prefix.buffer);
  if (version === 1) view.setUint16(8, length, true);
  else view.setUint32(8, length, true);
  return joined(prefix, header, new Uint8Array(data));
}

const VALID_NPY = [
  npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2, 3), }\n", 96, 1),
  npyFile("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3), }\n", 6, 2),
  npyFile("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2, 3), }\n", 24, 3),
];

const hostileNpy: fc.Arbitrary<Uint8Array> = fc
  .record({
    descr: fc.constantFrom(
      '<f4',
      '<f8',
      '>f4',
      '|u1',
      '|O',
      '<U9',
      '|b1',
      'constructor',
      "<f4', 'shape': (1,)",
    ),
    order: fc.constantFrom('False', 'True', 'false', '0'),
    shape: fc.array(fc.oneof(size, fc.constantFrom('0x10', '1e9', '9'.repeat(400), ' 2 ', '')), {
      maxLength: 5,
    }),
    filler: fc.constantFrom('', ' '.repeat(60_000), '(1,'.repeat(2000), '1,'.repeat(20_000)),
    version: fc.constantFrom(1, 2, 3, 0, 9),
    length: fc.option(size, { nil: undefined, freq: 8 }),
    data: fc.constantFrom(0, 6, 24, 48, 96),
  })
  .map(({ descr, order, shape, filler, version, length, data }) => {
    const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')},${filler}), }\n`;
    return npyFile(text, data, version, Math.abs((length ?? text.length) % 2 ** 32));
  });

/** Opens a source of samples from a file and loads them all. */
async function readAll(source: Source): Promise<void> {
  try {
    const out = new Float32Array(6);
    for (const sample of source.samples) await sample.load(out);
  } finally {
    await source.close();
  }
}

export function tensorReaders(scratch: string): Reader[] {
  const npy = join(scratch, 'x.npy');
  const safetensors = join(scratch, 'x.safetensors');
  return [
    {
      name: 'safetensors in memory',
      input: fc.oneof(damaged([SAMPLES]), hostileHeader),
      read: (bytes) => {
        for (const { shape, data } of decodeSafetensors(bytes).tensors.values()) {
          if (
            data.length !== shape.reduce((product, dim) => product * dim, 1) ||
            data.byteLength > bytes.length
          )
            throw new Error('more elements than bytes');
        }
      },
      codes: ['ERR_FILE'],
      weight: 40,
    },
    {
      name: 'safetensors files',
      input: fc.oneof(damaged([SAMPLES]), hostileHeader),
      read: async (bytes) => {
        writeFileSync(safetensors, bytes);
        await readSafetensors(safetensors);
        await readAll(await openSafetensorsSource(safetensors, 'x', TARGET));
      },
      codes: ['ERR_FILE', 'ERR_DATA'],
      weight: 5,
    },
    {
      name: 'npy headers',
      input: fc.oneof(damaged(VALID_NPY), hostileNpy),
      read: (bytes) => {
        const { dtype, shape, start } = parseNpyHeader(bytes, bytes.length, 'x');
        const size = shape.reduce((product, dim) => product * dim, elementSize(dtype));
        if (start + size !== bytes.length) throw new Error('more elements than bytes');
      },
      codes: ['ERR_FILE'],
      weight: 25,
    },
    {
      name: 'npy files',
      input: fc.oneof(damaged(VALID_NPY), hostileNpy),
      read: async (bytes) => {
        writeFileSync(npy, bytes);
        await readAll(await openNpy(npy, 'x', TARGET));
      },
      codes: ['ERR_FILE', 'ERR_DATA'],
      weight: 4,
    },
  ];
}
