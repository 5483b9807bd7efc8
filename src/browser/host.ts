import type { Host } from '../prune/host.js';
import { selectPlainlyAsync } from '../prune/select-plainly.js';
import { sha256 } from './sha256.js';

export const browserHost: Host = {
  sha256,
  select: selectPlainlyAsync,
  // A browser does not say; the backend knows what its device takes.
  availableMemory: () => undefined,
};
