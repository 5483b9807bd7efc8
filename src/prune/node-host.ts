import { sha256 } from '../io/sha256.js';
import type { Host } from './host.js';
import { selectTopKAsync } from './select.js';

export const nodeHost: Host = {
  sha256,
  select: selectTopKAsync,
  availableMemory: () => process.availableMemory(),
};
