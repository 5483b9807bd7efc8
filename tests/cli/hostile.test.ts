/** What a model's names can do to a terminal: nothing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { onnxFile } from '../support/onnx-file.js';
import { px } from './px.js';

const work = mkdtempSync(join(tmpdir(), 'px-cli-hostile-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const NASTY = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e<b>';

describe('a model whose every name is an escape sequence', () => {
  it.each([['inspect'], ['inspect', '--json'], ['score', '--data', 'none.npy']])(
    'px %s %s prints none of them',
    async (command, ...options) => {
      const bytes = onnxFile({
        producer: NASTY,
        inputs: { [`x${NASTY}`]: [`N${NASTY}`, 2] },
        outputs: [`y${NASTY}`],
        tensors: { [`w${NASTY}`]: { dims: [2, 2], data: [1, 2, 3, 4] } },
        nodes: [
          ['MatMul', [`x${NASTY}`, `w${NASTY}`], [`y${NASTY}`]],
          [`Op${NASTY}`, [`x${NASTY}`], [`z${NASTY}`]],
        ],
      });
      writeFileSync(join(work, 'nasty.onnx'), bytes);
      const { stdout, stderr } = await px(work, command!, 'nasty.onnx', ...options);
      const printed = stdout + stderr;
      expect(printed).toContain('owned');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(printed).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    },
  );
});
