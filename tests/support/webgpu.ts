/** Dawn, held as long as the tests of a file run; undefined where there is no adapter. PX_REQUIRE=webgpu makes that a failure. */
let gpu: GPU | undefined;

export async function webgpuGpu(): Promise<GPU | undefined> {
  const required = (process.env.PX_REQUIRE ?? '').split(',').includes('webgpu');
  try {
    const { create } = await import('webgpu');
    gpu ??= create([]);
    if (await gpu.requestAdapter()) return gpu;
  } catch (error) {
    if (required) throw error;
    return undefined;
  }
  if (required) throw new Error('PX_REQUIRE names webgpu, but there is no adapter');
  return undefined;
}

export async function webgpuDevice(): Promise<GPUDevice | undefined> {
  return (await (await webgpuGpu())?.requestAdapter())?.requestDevice();
}
