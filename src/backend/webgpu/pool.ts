import { PxError } from '../../errors.js';
import type { Plan } from '../../plan/plan.js';
import { BUFFER } from './constants.js';
import { sizeOf } from './places.js';

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
  const limit = largestBuffer(device);
  if (bytes <= limit) return;
  throw new PxError(
    'ERR_MEMORY',
    `webgpu: ${what} takes ${bytes} bytes, but one buffer of this device holds at most ${limit}; ` +
      `use a smaller micro-batch (${PART_OF_RESULT}), a smaller input size, or the cpu backend`,
  );
}

/** @throws PxError ERR_MEMORY where a tensor of so many samples is beyond a buffer, with the number that fits */
export function checkMicroBatch(device: GPUDevice, plan: Plan, samples: number): void {
  const limit = largestBuffer(device);
  const bytes = plan.values.map(({ shape }) => 4 * sizeOf(shape));
  const most = Math.max(...bytes);
  if (samples * most <= limit) return;
  const maker = plan.steps.find(({ output }) => bytes[output] === most);
  const what = maker ? `the output of node '${maker.name}'` : 'the input';
  const fit = Math.floor(limit / most);
  const remedy =
    fit > 0 ? `use a micro-batch of at most ${fit} (${PART_OF_RESULT})` : 'use a smaller input size';
  throw new PxError(
    'ERR_MEMORY',
    `webgpu: ${what} takes ${samples * most} bytes for ${samples} samples, but one buffer of this device holds at most ${limit}; ` +
      `${remedy}, or the cpu backend`,
  );
}

const PART_OF_RESULT = 'under norm batch it is part of the result';

function largestBuffer({ limits }: GPUDevice): number {
  return Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
}
