import { describe, expect, it } from 'vitest';
import { byteSize, number, wholeNumber } from '../../src/cli/arguments.js';
import { barWidth } from '../../src/cli/progress.js';
import { layerTable } from '../../src/cli/tables.js';
import {
  bytes,
  count,
  duration,
  escapeControls,
  escapeLines,
  percent,
  plural,
  powerOfTwo,
  safeJson,
} from '../../src/cli/text.js';

describe('what px prints', () => {
  it('has no character left that a terminal would act on', () => {
    const hostile = 'a\u001b[2Jb\u0007\u009b31m\u202ec\r\n';
    expect(escapeControls(hostile)).toBe('a\\u{1b}[2Jb\\u{7}\\u{9b}31m\\u{202e}c\\u{d}\\u{a}');
    expect(escapeLines('one\ntwo\u001b')).toBe('one\ntwo\\u{1b}');
    const json = safeJson({ [hostile]: [hostile] });
    expect(json.replaceAll('\n', '')).toBe(escapeControls(json.replaceAll('\n', '')));
    expect(JSON.parse(json)).toEqual({ [hostile]: [hostile] });
  });

  it('keeps the time left on the line of a narrow terminal', () => {
    expect([20, 80, 200].map(barWidth)).toEqual([5, 18, 40]);
  });

  it('cannot be made to show a row that is none', () => {
    const layer = { shape: [1], role: 'pruned', weights: 1, kept: 1, density: 1, scoreShare: 1 } as const;
    const lines = layerTable([{ ...layer, name: 'a\nconv1.weight  1  1' }]).split('\n');
    expect(lines).toHaveLength(2);
  });

  it('has units, and counts that can be read', () => {
    expect(count(1234567)).toBe('1 234 567');
    expect(count(123)).toBe('123');
    expect(plural(1, 'weight')).toBe('1 weight');
    expect(plural(0, 'micro-batch', 'micro-batches')).toBe('0 micro-batches');
    expect(bytes(999)).toBe('999 B');
    expect(bytes(1_500_000)).toBe('1.50 MB');
    expect(percent(0.018)).toBe('1.80 %');
    expect(percent(0)).toBe('0 %');
    expect(duration(3.21)).toBe('3.2 s');
    expect(duration(61)).toBe('61 s');
    expect(duration(7200)).toBe('2 h 0 min');
    expect(powerOfTwo(Number.NEGATIVE_INFINITY)).toBe('0');
    expect(powerOfTwo(-3.5)).toBe('2^-3.50');
  });
});

describe('option values', () => {
  it('are numbers or refused', () => {
    expect(number('1e-3')).toBe(0.001);
    expect(wholeNumber('12')).toBe(12);
    for (const bad of ['', ' ', 'x', '1,5', 'NaN', '0x']) expect(() => number(bad)).toThrow(/not a number/);
    expect(() => wholeNumber('1.5')).toThrow(/whole/);
  });

  it('of memory take units', () => {
    expect(byteSize('1000')).toBe(1000);
    expect(byteSize('4GB')).toBe(4e9);
    expect(byteSize('1.5 GiB')).toBe(1.5 * 2 ** 30);
    expect(byteSize('512mib')).toBe(512 * 2 ** 20);
    for (const bad of ['', 'GB', '-1GB', '4 gallons']) expect(() => byteSize(bad)).toThrow(/not a size/);
  });
});
