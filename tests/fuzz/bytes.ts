/** Damage to any file: bytes changed, cut out, cut off, doubled, put in. */
import fc from 'fast-check';

interface Edit {
  readonly kind: 'set' | 'flip' | 'remove' | 'insert' | 'repeat' | 'cut' | 'number';
  /** Place in the file, as a share of its length. */
  readonly place: number;
  readonly value: number;
  readonly length: number;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(
    'set',
    'set',
    'set',
    'flip',
    'flip',
    'flip',
    'flip',
    'remove',
    'insert',
    'repeat',
    'cut',
    'number',
  ),
  place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  value: fc.integer({ min: 0, max: 255 }),
  length: fc.integer({ min: 1, max: 40 }),
});

/** One of the valid files with up to four edits. */
export function damaged(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(valid.length - 1), fc.array(edit, { maxLength: 4 }))
    .map(([which, edits]) => edits.reduce(apply, valid[which]!));
}

function apply(bytes: Uint8Array, { kind, place, value, length }: Edit): Uint8Array {
  const at = Math.floor(place * bytes.length);
  const out = bytes.slice();
  switch (kind) {
    case 'set':
      out[at] = value;
      return out;
    case 'flip':
      out[at] = (out[at] ?? 0) ^ (1 << (value & 7));
      return out;
    case 'number':
      // The largest varint, and the largest fixed number, in one.
      out.fill(0xff, at, at + Math.min(length, 9));
      return out;
    case 'cut':
      return bytes.slice(0, at);
    case 'remove':
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 'insert':
      return joined(bytes.subarray(0, at), new Uint8Array(length).fill(value), bytes.subarray(at));
    case 'repeat':
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
  }
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
