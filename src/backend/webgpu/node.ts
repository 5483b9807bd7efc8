import { PxError } from '../../errors.js';
import { webgpuBackend as open } from './index.js';
import { isSoftware, type WebGpuBackend } from './types.js';

export interface NodeWebGpuOptions {
  /** An adapter by its number in `webgpuAdapters()`, or by a part of its name. Default: the first that is no software. */
  readonly adapter?: string | number | undefined;
}

/** An adapter as Dawn lists it. */
export interface AdapterName {
  readonly name: string;
  /** Dawn's own name of the API below, e.g. "vulkan". */
  readonly api: string;
}

type Create = typeof import('webgpu').create;

const REMEDY =
  'a GPU with a Vulkan, Metal or D3D12 driver is needed; without one, a software driver works: install one (Debian: libvulkan1 and ' +
  'chromium) and name it in VK_ICD_FILENAMES (/usr/lib/chromium/vk_swiftshader_icd.json)';

/** @throws PxError ERR_BACKEND where the package `webgpu` is not installed or has no binary for this platform */
async function dawn(): Promise<Create> {
  try {
    const { create } = await import('webgpu');
    return create;
  } catch (cause) {
    const words = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new PxError(
      'ERR_BACKEND',
      `the webgpu backend needs the package "webgpu", which does not load here (${words}); npm install webgpu, or use the cpu backend`,
      { cause },
    );
  }
}

/** The adapters that Dawn finds, in its order. @throws PxError ERR_BACKEND */
export async function webgpuAdapters(): Promise<AdapterName[]> {
  const create = await dawn();
  try {
    // Dawn lists its adapters only where it is asked for one that does not exist.
    await create(['adapter=no adapter has this name']).requestAdapter();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [...words.matchAll(/backend: '([^']*)', name: '(.*)'/g)].map(([, api, name]) => ({
      api: api!,
      name: name!,
    }));
  }
  return [];
}

/**
 * The WebGPU backend in Node, on Dawn. It lets go of Dawn by itself once nothing refers to it, so that the process can end.
 *
 * @throws PxError ERR_BACKEND where there is no adapter, or none of that name
 */
export async function webgpuBackend(options: NodeWebGpuOptions = {}): Promise<WebGpuBackend> {
  const create = await dawn();
  const all = await webgpuAdapters();
  if (all.length === 0) throw new PxError('ERR_BACKEND', `webgpu: there is no adapter; ${REMEDY}`);
  const chosen = choose(all, options.adapter);
  const gpu = create([`adapter=${chosen.name}`, `backend=${chosen.api}`]);
  return open(gpu, { name: `${chosen.name} (${chosen.api})` });
}

function choose(all: readonly AdapterName[], wanted: string | number | undefined): AdapterName {
  if (wanted === undefined) return all.find(({ name }) => !isSoftware(name)) ?? all[0]!;
  const number = typeof wanted === 'number' ? wanted : /^\d+$/.test(wanted) ? Number(wanted) : undefined;
  const found =
    number === undefined
      ? all.find(({ name }) => name.toLowerCase().includes(String(wanted).toLowerCase()))
      : all[number];
  if (found) return found;
  const list = all.map(({ name, api }, i) => `${i}: ${name} (${api})`).join('; ');
  throw new PxError('ERR_OPTION', `there is no adapter "${wanted}"; there are ${list}`);
}
