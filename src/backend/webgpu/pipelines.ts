import { PxError } from '../../errors.js';
import { COMPUTE_STAGE } from './constants.js';
import { SHADERS } from './shaders.generated.js';

export type ShaderName = keyof typeof SHADERS;
/** Values of a shader's `override` constants. */
export type Overrides = Readonly<Record<string, number>>;

/** A shader with its overrides: what is compiled once per device. */
export interface Kernel {
  readonly shader: ShaderName;
  readonly overrides: Overrides;
}

export interface Binding {
  readonly index: number;
  readonly type: GPUBufferBindingType;
}

/** What a shader declares in group 0, by index. */
export function bindingsOf(shader: ShaderName): Binding[] {
  const declared = SHADERS[shader].matchAll(
    /@group\(0\) @binding\((\d+)\) var<(uniform|storage, read|storage, read_write)>/g,
  );
  return [...declared].map(([, index, space]) => ({
    index: Number(index),
    type: space === 'uniform' ? 'uniform' : space === 'storage, read' ? 'read-only-storage' : 'storage',
  }));
}

/** Compiled kernels of one device, each made once and kept. */
export class Pipelines {
  private readonly layouts = new Map<ShaderName, GPUBindGroupLayout>();
  private readonly modules = new Map<ShaderName, Promise<GPUShaderModule>>();
  private readonly ready = new Map<string, GPUComputePipeline>();
  private readonly pending = new Map<string, Promise<void>>();

  constructor(private readonly device: GPUDevice) {}

  /** Compiles what is not compiled yet. @throws PxError ERR_BACKEND with the compiler's words */
  async prepare(kernels: Iterable<Kernel>): Promise<void> {
    const all: Promise<void>[] = [];
    for (const kernel of kernels) {
      const key = keyOf(kernel);
      if (!this.pending.has(key)) this.pending.set(key, this.compile(key, kernel));
      all.push(this.pending.get(key)!);
    }
    await Promise.all(all);
  }

  /** A kernel that `prepare` has compiled. */
  get(kernel: Kernel): GPUComputePipeline {
    const pipeline = this.ready.get(keyOf(kernel));
    if (!pipeline) throw new PxError('ERR_BACKEND', `webgpu: kernel ${keyOf(kernel)} was never compiled`);
    return pipeline;
  }

  layout(shader: ShaderName): GPUBindGroupLayout {
    let layout = this.layouts.get(shader);
    if (!layout) {
      const entries = bindingsOf(shader).map(({ index, type }) => ({
        binding: index,
        visibility: COMPUTE_STAGE,
        buffer: { type },
      }));
      layout = this.device.createBindGroupLayout({ label: shader, entries });
      this.layouts.set(shader, layout);
    }
    return layout;
  }

  private module(shader: ShaderName): Promise<GPUShaderModule> {
    let module = this.modules.get(shader);
    if (!module) this.modules.set(shader, (module = this.parse(shader)));
    return module;
  }

  private async parse(shader: ShaderName): Promise<GPUShaderModule> {
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label: shader, code: SHADERS[shader] });
    const error = await this.device.popErrorScope();
    if (error) throw new Error(error.message);
    return module;
  }

  private async compile(key: string, { shader, overrides }: Kernel): Promise<void> {
    try {
      const pipeline = await this.device.createComputePipelineAsync({
        label: key,
        layout: this.device.createPipelineLayout({ bindGroupLayouts: [this.layout(shader)] }),
        compute: { module: await this.module(shader), entryPoint: 'main', constants: { ...overrides } },
      });
      this.ready.set(key, pipeline);
    } catch (cause) {
      this.pending.delete(key);
      const words = cause instanceof Error ? cause.message : String(cause);
      throw new PxError('ERR_BACKEND', `webgpu: shaders/${shader}.wgsl does not compile here: ${words}`, {
        cause,
      });
    }
  }
}

export function keyOf({ shader, overrides }: Kernel): string {
  const constants = Object.entries(overrides).map(([name, value]) => `${name}=${value}`);
  return [shader, ...constants].join(' ');
}
