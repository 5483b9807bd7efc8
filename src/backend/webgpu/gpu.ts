import { PxError } from '../../errors.js';
import { BUFFER, MAP_READ } from './constants.js';
import { Pipelines } from './pipelines.js';

/** Storage buffers a kernel binds at most, slots among them; every WebGPU device has as many. */
const STORAGE_BUFFERS = 8;

/** A device with its kernels, and what went wrong with it. */
export class Gpu {
  readonly pipelines: Pipelines;
  /** Rejects when the device is lost or reports an error nobody caught; never resolves. */
  readonly failed: Promise<never>;
  private error: PxError | undefined;
  private fail!: (error: PxError) => void;

  /** Workgroups that keep the device busy: a large GPU runs a thousand at a time, a software adapter pays for each. */
  readonly workgroups: number;

  constructor(
    readonly device: GPUDevice,
    software: boolean,
  ) {
    this.workgroups = software ? 8 : 2048;
    this.pipelines = new Pipelines(device);
    this.failed = new Promise((_, reject) => {
      this.fail = (error) => {
        this.error ??= error;
        reject(error);
      };
    });
    this.failed.catch(() => undefined); // noticed by those who race against it
    device.lost.then(({ reason, message }) => this.fail(lost(reason, message)));
    device.onuncapturederror = ({ error }) => this.fail(translate(error));
  }

  /** @throws PxError if the device is gone */
  check(): void {
    if (this.error) throw this.error;
  }

  get usable(): boolean {
    return this.error === undefined;
  }

  /** Does `work` and throws what the device says against it. */
  async checked<T>(work: () => T): Promise<T> {
    this.device.pushErrorScope('validation');
    this.device.pushErrorScope('out-of-memory');
    let result: T;
    try {
      result = work();
    } catch (error) {
      void this.device.popErrorScope().catch(() => undefined);
      void this.device.popErrorScope().catch(() => undefined);
      throw error;
    }
    const scopes = [this.device.popErrorScope(), this.device.popErrorScope()];
    for (const error of await this.orFailed(Promise.all(scopes))) if (error) throw translate(error);
    return result;
  }

  /** The promise's result, or the device's failure if that comes first. */
  orFailed<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.failed]);
  }

  uniforms(bytes: ArrayBuffer): GPUBuffer {
    const usage = BUFFER.UNIFORM | BUFFER.COPY_DST;
    const buffer = this.device.createBuffer({ label: 'parameters', size: bytes.byteLength, usage });
    this.device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  /** Copies buffers to the host, after everything submitted so far. */
  async read(
    parts: readonly { readonly buffer: GPUBuffer; readonly bytes: number }[],
  ): Promise<ArrayBuffer[]> {
    this.check();
    const offsets: number[] = [];
    let total = 0;
    for (const { bytes } of parts) {
      offsets.push(total);
      total += Math.ceil(bytes / 256) * 256;
    }
    const usage = BUFFER.MAP_READ | BUFFER.COPY_DST;
    const staging = this.device.createBuffer({ label: 'results', size: Math.max(256, total), usage });
    try {
      const encoder = this.device.createCommandEncoder();
      parts.forEach(({ buffer, bytes }, i) => {
        encoder.copyBufferToBuffer(buffer, 0, staging, offsets[i]!, Math.ceil(bytes / 4) * 4);
      });
      this.device.queue.submit([encoder.finish()]);
      await this.orFailed(staging.mapAsync(MAP_READ));
      const mapped = staging.getMappedRange();
      const results = parts.map(({ bytes }, i) => mapped.slice(offsets[i], offsets[i]! + bytes));
      staging.unmap();
      return results;
    } catch (error) {
      throw this.error ?? asPxError(error);
    } finally {
      staging.destroy();
    }
  }

  destroy(): void {
    this.error ??= new PxError('ERR_STATE', 'webgpu: the device was released');
    this.device.destroy();
  }
}

/** Opens the adapter's device with all it has to offer in sizes. @throws PxError ERR_BACKEND */
export async function openDevice(adapter: GPUAdapter, software: boolean): Promise<Gpu> {
  const { limits } = adapter;
  const wanted = ['maxBufferSize', 'maxStorageBufferBindingSize'] as const;
  if (limits.maxStorageBuffersPerShaderStage < STORAGE_BUFFERS)
    throw new PxError(
      'ERR_BACKEND',
      `webgpu: this adapter binds ${limits.maxStorageBuffersPerShaderStage} storage buffers at once; ${STORAGE_BUFFERS} are needed`,
    );
  try {
    const requiredLimits = Object.fromEntries(wanted.map((name) => [name, limits[name]]));
    const device = await adapter.requestDevice({ label: 'path-exclusion', requiredLimits });
    return new Gpu(device, software);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new PxError('ERR_BACKEND', `webgpu: the adapter gives no device: ${words}`, { cause });
  }
}

function lost(reason: string, message: string): PxError {
  return new PxError(
    'ERR_BACKEND',
    `webgpu: the device is lost (${reason}): ${message.trim()}; run again, with a smaller micro-batch if it was too much for it`,
  );
}

/** A device's error with Dawn's (or the browser's) own words. */
export function translate(error: GPUError): PxError {
  const outOfMemory = error.constructor.name === 'GPUOutOfMemoryError';
  const remedy = outOfMemory ? '; use a smaller micro-batch, or the cpu backend' : '';
  return new PxError(
    outOfMemory ? 'ERR_MEMORY' : 'ERR_BACKEND',
    `webgpu: ${outOfMemory ? 'out of memory' : 'the device refuses'}: ${error.message.trim()}${remedy}`,
  );
}

export function asPxError(error: unknown): PxError {
  if (error instanceof PxError) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new PxError('ERR_BACKEND', `webgpu: ${words}`, { cause: error });
}
