/** The one place where the page gets its backend from. */
import { type WebGpuBackend, webgpuBackend } from '../../src/backend/webgpu/index.js';
import type { Device } from './protocol.js';

export type Opened = { readonly backend: WebGpuBackend } | Missing;
type Missing = Extract<Device, { present: false }>;

/** Opens the graphics device, or says why there is none. */
export async function openBackend(): Promise<Opened> {
  if (!isSecureContext) return missing('insecure');
  // Types say that it is always there; browsers do not.
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu === undefined) return missing('absent');
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter === null) return missing('no adapter');
    return { backend: await webgpuBackend(gpu, { adapter }) };
  } catch (error) {
    return missing('failed', error instanceof Error ? error.message : String(error));
  }
}

function missing(why: Missing['why'], message = `no WebGPU (${why})`): Missing {
  return { present: false, why, message };
}
