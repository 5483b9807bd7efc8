import { sha256 as noble } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { NewHash } from '../hash.js';

/** In JavaScript: a browser's own wants all bytes at once. */
export const sha256: NewHash = () => {
  const hash = noble.create();
  return {
    update: (data) => hash.update(typeof data === 'string' ? utf8ToBytes(data) : data),
    digest: () => bytesToHex(hash.digest()),
  };
};
