import { PxError } from '../../errors.js';
import type { Plan } from '../../plan/plan.js';
import { BUFFER } from './constants.js';
import type { Gpu } from './gpu.js';
import { lift } from './numbers.js';
import { Pool } from './pool.js';
import type { Scaled, Tensor } from './recorder.js';

type Words = Float32Array | Uint32Array | Int32Array;

const USAGE = BUFFER.STORAGE | BUFFER.COPY_DST | BUFFER.COPY_SRC;

/** What lies on the device as long as the program: weights, masks, constants of the Plan, and what is summed up over a round. */
export class Store {
  readonly weights: readonly Tensor[];
  readonly masks: readonly Tensor[];
  /** (θ·2^shift)² stands for θ², so that it stays in range. */
  readonly shifts: readonly number[];
  private readonly constants = new Map<unknown, Tensor>();
  private readonly lasting = new Map<string, Tensor>();
  private readonly kept = new Map<string, Scaled>();
  private nextSlot = 1; // slot 0 tells the status, from the beginning of a round to its end
  /** Weights, masks and constants: what they take is not the program's working memory. */
  private readonly uploads: Pool;

  constructor(
    private readonly gpu: Gpu,
    private readonly pool: Pool,
    plan: Plan,
    weights: readonly Float32Array[],
  ) {
    this.uploads = new Pool(gpu.device);
    plan.params.forEach(({ name, size }, i) => {
      if (weights[i]?.length !== size)
        throw new PxError(
          'ERR_OPTION',
          `compile: ${size} weights expected for '${name}', not ${weights[i]?.length}`,
        );
    });
    this.shifts = weights.map((w) => lift(largestMagnitude(w)));
    this.weights = plan.params.map(({ name }, i) => this.upload(weights[i]!, `weight '${name}'`));
    this.masks = plan.params.map(({ name, size }) =>
      this.upload(new Uint32Array(Math.ceil(size / 32)).fill(0xffffffff), `the mask of '${name}'`),
    );
  }

  setMask(param: number, bits: Uint8Array): void {
    const words = new Uint8Array(Math.ceil(bits.length / 4) * 4);
    words.set(bits);
    this.gpu.device.queue.writeBuffer(this.masks[param]!.buffer!, 0, words);
  }

  /** The same array is uploaded once; `key` names one that is made anew each time. */
  constant(data: Words, key: unknown = data): Tensor {
    let tensor = this.constants.get(key);
    if (!tensor) this.constants.set(key, (tensor = this.upload(data, 'a constant of the model')));
    return tensor;
  }

  /** An array made once and kept under a name. */
  table(key: string, make: () => Words): Tensor {
    return this.constants.get(key) ?? this.constant(make(), key);
  }

  /** What is summed up over the micro-batches of a round, 0 at its beginning. */
  sums(key: string, elements: number): Tensor {
    let tensor = this.lasting.get(key);
    if (!tensor) {
      tensor = { elements, buffer: this.pool.create(4 * elements, USAGE, key) };
      this.lasting.set(key, tensor);
    }
    return tensor;
  }

  /** The same for a scaled tensor, whose slot is the program's. */
  scaledSums(key: string, elements: number): Scaled {
    let scaled = this.kept.get(key);
    if (!scaled) this.kept.set(key, (scaled = { tensor: this.sums(key, elements), slot: this.nextSlot++ }));
    return scaled;
  }

  get slots(): number {
    return this.nextSlot;
  }

  /** Everything that is summed up over a round back to 0. */
  clear(encoder: GPUCommandEncoder, slots: GPUBuffer): void {
    for (const { buffer } of this.lasting.values()) encoder.clearBuffer(buffer!);
    encoder.clearBuffer(slots, 0, 8 * this.nextSlot);
  }

  dispose(): void {
    this.uploads.destroyAll();
  }

  private upload(data: Words, what: string): Tensor {
    const buffer = this.uploads.create(data.byteLength, USAGE, what);
    this.gpu.device.queue.writeBuffer(buffer, 0, data as Words & { buffer: ArrayBuffer });
    return { elements: data.length, buffer };
  }
}

function largestMagnitude(values: Float32Array): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) top = Math.max(top, Math.abs(values[i]!));
  return top;
}
