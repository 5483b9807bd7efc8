import { it } from 'vitest';
import type { Backend } from '../../src/backend/backend.js';
import { backends } from './backends.js';

/** `define` for every backend that is here; one that is not shows as a skip that says why. */
export async function describeBackends(define: (backend: Backend) => void): Promise<void> {
  for (const { name, backend, missing } of await backends()) {
    if (backend) define(backend);
    else it(`${name} is here`, ({ skip }) => skip(missing));
  }
}
