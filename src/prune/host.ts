import type { NewHash } from '../hash.js';
import type { Select } from './select-options.js';

/** What a run takes from where it runs: Node (node-host.ts) or a browser. */
export interface Host {
  readonly sha256: NewHash;
  readonly select: Select;
  /** Bytes of memory that are free; undefined where the system does not say. */
  availableMemory(): number | undefined;
}
