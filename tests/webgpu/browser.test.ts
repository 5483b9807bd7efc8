import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** Every file that the browser's entry leads to, types aside. */
function reached(file: string, seen = new Map<string, string>()): Map<string, string> {
  if (seen.has(file)) return seen;
  const text = readFileSync(file, 'utf8');
  seen.set(file, text);
  for (const [, clause, source] of text.matchAll(/^(?:import|export) ([^;]*?) ?from '([^']+)'/gm)) {
    if (clause!.startsWith('type ')) continue;
    expect(source, `${file} imports a package or a part of Node`).toMatch(/^\.\.?\//);
    reached(resolve(dirname(file), source!.replace(/\.js$/, '.ts')), seen);
  }
  return seen;
}

it('the WebGPU backend runs without Node: no built-in, no package, no global of its own', () => {
  const files = reached(fileURLToPath(new URL('../../src/backend/webgpu/index.ts', import.meta.url)));
  expect(files.size).toBeGreaterThan(20);
  for (const [file, text] of files)
    expect(text, file).not.toMatch(/\b(process|Buffer|__dirname|require)\b[.([]/);
});
