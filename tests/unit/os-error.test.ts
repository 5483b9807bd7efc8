import { describe, expect, it } from 'vitest';
import { PxError } from '../../src/errors.js';
import { ioError } from '../../src/io/os-error.js';

describe('ioError', () => {
  it('names path and remedy where the system refuses', () => {
    const refusal = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
    expect(ioError(refusal, 'write', 'out/masks')).toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(/^cannot write out\/masks: the disk is full.*\(ENOSPC\)$/),
      cause: refusal,
    });
  });

  it('blames no file for anything else', () => {
    for (const error of [new PxError('ERR_FILE', 'x.npy: not a .npy file'), new TypeError('x is undefined')])
      expect(ioError(error, 'read', 'x.npy')).toBe(error);
  });
});
