import type { Gpu } from './gpu.js';
import { bindingsOf } from './pipelines.js';
import type { Pool } from './pool.js';
import { type Dispatch, isDispatch, type Operation, type Tensor } from './recorder.js';

/** Bytes a kernel's parameters take in the uniform buffer: the alignment every device allows. */
const UNIFORM_BYTES = 256;
const SLOT_BYTES = 8;

interface BoundDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number];
  readonly cost: number;
}

interface BoundCopy {
  readonly from: GPUBuffer;
  readonly to: GPUBuffer;
  readonly bytes: number;
  readonly slots?: readonly [number, number];
}

/** What every schedule of a program binds beside its tensors. */
export interface Common {
  readonly slots: GPUBuffer;
  /** Bound where a variant of a kernel looks at nothing: one for readers, one for each place a writer may have. */
  readonly nothing: { readonly read: GPUBuffer; readonly written: readonly GPUBuffer[] };
}

/** Operations with buffers, bind groups and pipelines: nothing is left to make when it runs. */
export class Schedule {
  private readonly commands: (BoundDispatch | BoundCopy)[];
  private readonly uniforms: GPUBuffer;
  private readonly places: Map<Tensor, GPUBuffer>;

  /**
   * @param keep working tensors whose contents are read after the schedule has run
   * @param clear slots [from, to) that begin empty
   */
  constructor(
    private readonly gpu: Gpu,
    pool: Pool,
    private readonly common: Common,
    operations: readonly Operation[],
    keep: readonly Tensor[],
    private readonly clear: readonly [number, number],
  ) {
    const dispatches = operations.filter(isDispatch);
    this.uniforms = gpu.uniforms(encode(dispatches));
    this.places = allocate(operations, keep, pool);
    let uniform = 0;
    this.commands = operations.map((operation) => {
      if (isDispatch(operation)) return this.bind(operation, UNIFORM_BYTES * uniform++);
      const { from, to, slots } = operation;
      const bytes = 4 * from.elements;
      return { from: this.bufferOf(from), to: this.bufferOf(to), bytes, ...(slots && { slots }) };
    });
  }

  /** Encodes from `first` on until `budget` operations are exceeded. */
  encode(first: number, budget: number): { commands: GPUCommandBuffer; next: number; cost: number } {
    const encoder = this.gpu.device.createCommandEncoder();
    if (first === 0) {
      const [from, to] = this.clear;
      if (to > from) encoder.clearBuffer(this.common.slots, SLOT_BYTES * from, SLOT_BYTES * (to - from));
    }
    let pass: GPUComputePassEncoder | undefined;
    let cost = 0;
    let next = first;
    for (; next < this.commands.length && (cost < budget || next === first); next++) {
      const command = this.commands[next]!;
      if ('pipeline' in command) {
        pass ??= encoder.beginComputePass();
        pass.setPipeline(command.pipeline);
        pass.setBindGroup(0, command.group);
        pass.dispatchWorkgroups(...command.workgroups);
        cost += command.cost;
      } else {
        pass?.end();
        pass = undefined;
        encoder.copyBufferToBuffer(command.from, 0, command.to, 0, command.bytes);
        if (command.slots) this.copySlot(encoder, ...command.slots);
      }
    }
    pass?.end();
    return { commands: encoder.finish(), next, cost };
  }

  /** Where a tensor lies; working memory holds it from its first use to its last. */
  bufferOf(tensor: Tensor): GPUBuffer {
    return tensor.buffer ?? this.places.get(tensor)!;
  }

  get length(): number {
    return this.commands.length;
  }

  /** Frees what the schedule alone has. Working memory stays in the pool. */
  dispose(): void {
    this.uniforms.destroy();
  }

  /** A buffer is not copied onto itself: by way of the pool. */
  private copySlot(encoder: GPUCommandEncoder, from: number, to: number): void {
    const between = this.common.nothing.written[0]!;
    encoder.copyBufferToBuffer(this.common.slots, SLOT_BYTES * from, between, 0, SLOT_BYTES);
    encoder.copyBufferToBuffer(between, 0, this.common.slots, SLOT_BYTES * to, SLOT_BYTES);
  }

  private bind({ kernel, tensors, workgroups, cost }: Dispatch, offset: number): BoundDispatch {
    let written = 0;
    const entries = bindingsOf(kernel.shader).map(({ index, type }): GPUBindGroupEntry => {
      if (index === 0)
        return { binding: 0, resource: { buffer: this.uniforms, offset, size: UNIFORM_BYTES } };
      if (index === 1) return { binding: 1, resource: { buffer: this.common.slots } };
      const tensor = tensors[index - 2];
      const { read, written: sinks } = this.common.nothing;
      const buffer = tensor ? this.bufferOf(tensor) : type === 'storage' ? sinks[written++]! : read;
      return { binding: index, resource: { buffer } };
    });
    const layout = this.gpu.pipelines.layout(kernel.shader);
    const group = this.gpu.device.createBindGroup({ label: kernel.shader, layout, entries });
    return { pipeline: this.gpu.pipelines.get(kernel), group, workgroups, cost };
  }
}

/** All parameters, one after another, each in its 256 bytes. */
function encode(dispatches: readonly Dispatch[]): ArrayBuffer {
  const bytes = new ArrayBuffer(Math.max(1, dispatches.length) * UNIFORM_BYTES);
  const view = new DataView(bytes);
  dispatches.forEach(({ params }, i) => {
    params.forEach((param, k) => {
      const at = i * UNIFORM_BYTES + 4 * k;
      if (typeof param === 'number') view.setInt32(at, param, true);
      else view.setFloat32(at, param.f32, true);
    });
  });
  return bytes;
}

/** A buffer for every working tensor, from its first use to its last. */
function allocate(
  operations: readonly Operation[],
  keep: readonly Tensor[],
  pool: Pool,
): Map<Tensor, GPUBuffer> {
  const last = new Map<Tensor, number>();
  operations.forEach((operation, i) => {
    for (const tensor of tensorsOf(operation)) last.set(tensor, i);
  });
  for (const tensor of keep) last.set(tensor, operations.length);
  const places = new Map<Tensor, GPUBuffer>();
  operations.forEach((operation, i) => {
    const tensors = tensorsOf(operation);
    for (const tensor of tensors) {
      if (!places.has(tensor)) places.set(tensor, pool.acquire(4 * tensor.elements));
    }
    for (const tensor of tensors) if (last.get(tensor) === i) pool.release(places.get(tensor)!);
  });
  for (const tensor of keep) {
    const buffer = places.get(tensor);
    if (buffer) pool.release(buffer);
  }
  return places;
}

/** The working tensors of an operation, each once. */
function tensorsOf(operation: Operation): Set<Tensor> {
  const all = isDispatch(operation) ? operation.tensors : [operation.from, operation.to];
  return new Set(
    all.filter((tensor): tensor is Tensor => tensor !== undefined && tensor.buffer === undefined),
  );
}
