/** The one place where the page gets its backend from. */
import type { Backend } from '../../src/backend/backend.js';
import type { Device } from './protocol.js';

export type Opened = { readonly backend: Backend } | Extract<Device, { present: false }>;

/** Opens the graphics device, or says why there is none. */
export async function openBackend(): Promise<Opened> {
  return missing('failed', 'this build has no backend');
}

function missing(why: Extract<Device, { present: false }>['why'], message: string): Opened {
  return { present: false, why, message };
}
