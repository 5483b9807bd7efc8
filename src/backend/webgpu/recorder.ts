import type { Kernel } from './pipelines.js';

/** An array of 32-bit elements on the device. Without a buffer of its own it is working memory, held from its first use to its last. */
export interface Tensor {
  readonly elements: number;
  readonly buffer?: GPUBuffer;
}

/** A tensor of h, g or j: float32 × 2^exponent. Its slot holds the largest entry (by its bits) and the exponent. */
export interface Scaled {
  readonly tensor: Tensor;
  readonly slot: number;
}

/** A float in a kernel's parameters; plain numbers are integers. */
export interface F32 {
  readonly f32: number;
}
export const f32 = (value: number): F32 => ({ f32: value });
export type Param = number | F32;

export interface Dispatch {
  readonly kernel: Kernel;
  /** From binding 2 on, in order; undefined where this variant of the kernel does not look. */
  readonly tensors: readonly (Tensor | undefined)[];
  readonly params: readonly Param[];
  readonly workgroups: readonly [number, number];
  /** Rough number of operations, by which work is cut into submissions. */
  readonly cost: number;
}

export interface Copy {
  readonly from: Tensor;
  readonly to: Tensor;
  /** Slots to copy along, if these are scaled tensors. */
  readonly slots?: readonly [from: number, to: number];
}

export type Operation = Dispatch | Copy;

export function isDispatch(operation: Operation): operation is Dispatch {
  return 'kernel' in operation;
}

/** Workgroups along one dimension of a dispatch that every device takes. */
export const MAX_WORKGROUPS = 65535;

/** What is to run, in order. Nothing here touches the device. */
export class Recorder {
  readonly operations: Operation[] = [];
  private nextSlot: number;

  /**
   * @param firstSlot slots below are kept from pass to pass and belong to the program
   * @param most workgroups that kernels are started with whose invocations take one element after another
   */
  constructor(
    readonly firstSlot: number,
    private readonly most: number,
  ) {
    this.nextSlot = firstSlot;
  }

  get slots(): number {
    return this.nextSlot;
  }

  tensor(elements: number): Tensor {
    return { elements };
  }

  slot(): number {
    return this.nextSlot++;
  }

  scaled(elements: number): Scaled {
    return { tensor: this.tensor(elements), slot: this.slot() };
  }

  /** A kernel whose invocations walk over `count` things in strides. */
  strided(
    kernel: Kernel,
    tensors: Dispatch['tensors'],
    params: readonly Param[],
    count: number,
    group = 256,
    cost = count,
  ): void {
    const workgroups = Math.max(1, Math.min(this.most, Math.ceil(count / group)));
    this.operations.push({ kernel, tensors, params, workgroups: [workgroups, 1], cost });
  }

  /** A kernel with one workgroup per tile, in as many rows as the limit on workgroups asks for. */
  tiled(
    kernel: Kernel,
    tensors: Dispatch['tensors'],
    params: readonly Param[],
    tiles: number,
    cost: number,
  ): void {
    const rows = Math.ceil(tiles / MAX_WORKGROUPS);
    this.operations.push({ kernel, tensors, params, workgroups: [Math.ceil(tiles / rows), rows], cost });
  }

  copy(from: Tensor, to: Tensor, slots?: readonly [number, number]): void {
    this.operations.push({ from, to, ...(slots && { slots }) });
  }
}
