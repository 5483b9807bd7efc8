import { createHash } from 'node:crypto';
import type { NewHash } from '../hash.js';

/** Node's own. */
export const sha256: NewHash = () => createHash('sha256');
