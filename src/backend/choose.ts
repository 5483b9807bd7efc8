import { PxError } from '../errors.js';
import type { Backend } from './backend.js';
import { cpuBackend } from './native/cpu.js';
import { webgpuBackend } from './webgpu/node.js';

export const BACKEND_NAMES = ['cpu', 'webgpu', 'auto'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

export interface BackendChoice {
  /** Default 'cpu'. `auto`: the fastest there is. */
  readonly backend?: BackendName | undefined;
  /** Which adapter of WebGPU: its number in `px backends`, or a part of its name. */
  readonly adapter?: string | undefined;
}

export interface Chosen {
  readonly backend: Backend;
  /** Why this one, where there was a choice. */
  readonly reason?: string;
}

/**
 * The backend that was asked for. `auto` takes a GPU where there is one: a software adapter is the CPU in disguise, and the cpu backend's own
 * kernels are faster.
 *
 * @throws PxError ERR_BACKEND where it is not there, ERR_OPTION for an adapter that is not
 */
export async function chooseBackend({ backend = 'cpu', adapter }: BackendChoice): Promise<Chosen> {
  if (backend === 'cpu') {
    if (adapter !== undefined)
      throw new PxError(
        'ERR_OPTION',
        'adapter (--adapter) goes with the webgpu backend; give --backend webgpu or auto',
      );
    return { backend: cpuBackend() };
  }
  if (backend === 'webgpu') return { backend: await webgpuBackend({ adapter }) };
  try {
    const found = await webgpuBackend({ adapter });
    if (!found.software) return { backend: found, reason: 'a GPU is there' };
    found.destroy();
    const cpu = cpuBackend();
    return { backend: cpu, reason: `${found.description} is software, which the cpu backend outruns` };
  } catch (error) {
    if (!(error instanceof PxError) || error.code !== 'ERR_BACKEND') throw error;
    return { backend: cpuBackend(), reason: `no GPU: ${error.message}` };
  }
}
