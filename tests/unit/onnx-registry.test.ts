import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findConverter, knownOps } from '../../src/onnx/registry.js';

const table = readFileSync(new URL('../../docs/operators.md', import.meta.url), 'utf8');

it('the table of operators names every operator with a converter', () => {
  const missing = knownOps().filter(({ op }) => !new RegExp(`\\b${op}\\b`).test(table));
  expect(missing).toEqual([]);
});

it('a converter holds from its opset on, until a later one takes over', () => {
  expect(findConverter('', 'Gelu', 19)).toBeUndefined();
  expect(findConverter('', 'Gelu', 20)).toBeDefined();
  expect(findConverter('com.microsoft', 'Gelu', 1)).toBeDefined();
  expect(findConverter('', 'Resize', 10)).not.toBe(findConverter('', 'Resize', 11));
  expect(findConverter('', 'Resize', 28)).toBe(findConverter('', 'Resize', 11));
  expect(findConverter('', 'toString', 17)).toBeUndefined();
});
