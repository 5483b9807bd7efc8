import { PxError } from '../../errors.js';
import { asPxError, type Gpu, openDevice } from './gpu.js';
import { WebGpuProgram } from './program.js';
import { isSoftware, type WebGpuBackend } from './types.js';

export type { WebGpuBackend };

export interface WebGpuOptions {
  /** Default: the one that `gpu` offers. */
  readonly adapter?: GPUAdapter | undefined;
  /** Default 'high-performance'. */
  readonly powerPreference?: GPUPowerPreference | undefined;
  /** What to call the adapter; default: what it says of itself. */
  readonly name?: string | undefined;
}

/**
 * WGSL kernels on a GPU: in browsers `navigator.gpu`, in Node what the package `webgpu` creates (node.ts). Knows nothing of Node.
 *
 * @throws PxError ERR_BACKEND where there is no adapter, or it gives no device
 */
export async function webgpuBackend(gpu: GPU, options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  const { powerPreference = 'high-performance' } = options;
  const find = async () => options.adapter ?? (await gpu.requestAdapter({ powerPreference }));
  let adapter: GPUAdapter | null;
  try {
    adapter = await find();
  } catch (error) {
    throw asPxError(error);
  }
  if (!adapter)
    throw new PxError(
      'ERR_BACKEND',
      'webgpu: there is no adapter; a GPU with a Vulkan, Metal or D3D12 driver is needed, or a software driver such as SwiftShader',
    );
  const { info } = adapter;
  const description = `webgpu ${options.name ?? nameOf(info)}`;
  const software = info.isFallbackAdapter || isSoftware(description);
  let opened: Promise<Gpu> | undefined = openDevice(adapter, software);
  await opened;

  /** A device that was lost is replaced, once its adapter can be had again. */
  const device = async (): Promise<Gpu> => {
    const current = await opened;
    if (current?.usable) return current;
    const again = await gpu.requestAdapter({ powerPreference });
    if (!again) throw new PxError('ERR_BACKEND', 'webgpu: the adapter is gone');
    opened = openDevice(again, software);
    return opened;
  };

  return {
    name: 'webgpu',
    description,
    software,
    compile: async (plan, weights, compileOptions) =>
      WebGpuProgram.compile(description, await device(), plan, weights, compileOptions),
    destroy: () => {
      opened?.then((current) => current.destroy()).catch(() => undefined);
    },
  };
}

function nameOf(info: GPUAdapterInfo): string {
  return (
    info.description || info.device || [info.vendor, info.architecture].filter(Boolean).join(' ') || 'adapter'
  );
}
