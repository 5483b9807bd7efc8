import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { loadAddon } from '../backend/native/addon.js';
import { VERSION } from '../version.js';

/** Instruction sets the kernels are written for, each including those before it (native/cpu/dispatch.cc). */
const X64_SETS = ['base', 'avx2', 'avx512'];

/** What a measurement depends on besides the code. */
export interface Machine {
  readonly cpu: string;
  /** Processors this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Processes that wanted a processor, on average over the last minute: what others do falls on what is measured. 0 on Windows. */
  readonly load: number;
  /** Operating system and architecture, as Node names them: "linux x64". */
  readonly platform: string;
  readonly node: string;
  /** The instruction set the kernels use unless told otherwise. */
  readonly isa: string;
  /** Of this package. */
  readonly version: string;
}

/** @throws PxError ERR_BACKEND where there is no addon */
export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    load: loadavg()[0]!,
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    isa: process.env.PX_ISA ?? loadAddon().isa,
    version: VERSION,
  };
}

/** The instruction sets this machine runs, the best last. */
export function instructionSets(): string[] {
  const best = X64_SETS.indexOf(loadAddon().isa);
  return X64_SETS.slice(0, Math.max(0, best) + 1);
}
