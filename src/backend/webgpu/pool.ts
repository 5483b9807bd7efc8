import { PxError } from '../../errors.js';
import { BUFFER } from './constants.js';

/** How far a buffer may exceed what is asked for, if it is to be used for that. */
const SLACK = 2;
const GRAIN = 256;

/**
 * Buffers of one program, working memory and lasting ones. Working memory is handed out and taken back while a schedule is made, not while it
 * runs: schedules never run at the same time, so all of them may use the same buffers.
 */
export class Pool {
  private readonly free: GPUBuffer[] = [];
  private readonly all = new Set<GPUBuffer>();
  private bytes = 0;
  private most = 0;

  constructor(private readonly device: GPUDevice) {}

  get current(): number {
    return this.bytes;
  }

  get peak(): number {
    return this.most;
  }

  /** @throws PxError ERR_MEMORY where no buffer of this size can exist on the device */
  create(bytes: number, usage: number, what: string): GPUBuffer {
    const size = Math.max(GRAIN, Math.ceil(bytes / GRAIN) * GRAIN);
    checkSize(this.device, size, what);
    const buffer = this.device.createBuffer({ label: what, size, usage });
    this.all.add(buffer);
    this.bytes += size;
    this.most = Math.max(this.most, this.bytes);
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    if (!this.all.delete(buffer)) return;
    this.bytes -= buffer.size;
    buffer.destroy();
  }

  /** The smallest free buffer that is large enough, or a new one. */
  acquire(bytes: number): GPUBuffer {
    let best = -1;
    this.free.forEach((buffer, i) => {
      if (buffer.size < bytes || buffer.size > SLACK * Math.max(bytes, GRAIN)) return;
      if (best < 0 || buffer.size < this.free[best]!.size) best = i;
    });
    if (best >= 0) return this.free.splice(best, 1)[0]!;
    return this.create(bytes, BUFFER.STORAGE | BUFFER.COPY_SRC | BUFFER.COPY_DST, 'working memory');
  }

  release(buffer: GPUBuffer): void {
    this.free.push(buffer);
  }

  destroyAll(): void {
    for (const buffer of this.all) buffer.destroy();
    this.all.clear();
    this.free.length = 0;
    this.bytes = 0;
  }
}

/** @throws PxError ERR_MEMORY with the device's limit */
export function checkSize(device: GPUDevice, bytes: number, what: string): void {
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  if (bytes <= limit) return;
  throw new PxError(
    'ERR_MEMORY',
    `webgpu: ${what} takes ${bytes} bytes, but one buffer of this device holds at most ${limit}; ` +
      'use a smaller micro-batch (under norm batch it is part of the result), a smaller input size, or the cpu backend',
  );
}
