/** Numbers and names that files from strangers hold. */
import fc from 'fast-check';

/** Sizes at and around every limit that matters, and small ones, which reach further into a reader. */
export const hostileInt: fc.Arbitrary<number> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 9 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<number[]>(
      2 ** 16,
      2 ** 26,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32,
      2 ** 32 + 1,
      2 ** 40,
      2 ** 53,
      2 ** 62,
      -(2 ** 62),
      -(2 ** 31),
      -(2 ** 40),
      1_000_003,
      255,
      256,
      1000,
      4096,
    ),
  },
);

/** Names that a terminal, a page, a path or an object would act on. */
export const HOSTILE_NAMES: readonly string[] = [
  '',
  '\u001b[2J\u001b]0;owned\u0007',
  '<img src=x onerror=alert(1)>',
  'a\0b',
  'line\nbreak',
  '\u202egnp.exe',
  '\ud800',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'x'.repeat(5000),
  '../up',
  '/etc/passwd',
  'x',
  'y',
  'w',
  'NaN',
  '-1',
  '1e99',
];

export const hostileName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...HOSTILE_NAMES),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
