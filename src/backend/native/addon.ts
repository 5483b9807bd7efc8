import { createRequire } from 'node:module';
import { PxError } from '../../errors.js';
import { howToBuild, locateAddon } from './locate.js';

/** What native/addon/addon.cc exports. Private to this folder: callers use the Backend interface. */
export interface NativeAddon {
  readonly Program: new (
    plan: Uint8Array,
    weights: readonly Float32Array[],
    options: NativeOptions,
  ) => NativeProgram;
  /** Sets bits in `kept`; false where there is no such selection. `threads` is 1 or more. */
  selectTopK(...args: SelectArguments): boolean;
  /** The same off the event loop; the arrays are borrowed until `done` settles. */
  selectTopKAsync(...args: SelectArguments): NativeCall<boolean>;
  /** Times the last step of a plan; fills `out` with its result and `seconds` with one number per repeat. Arrays are borrowed. */
  timeStep(
    plan: Uint8Array,
    weights: Float32Array,
    mask: Uint8Array,
    options: NativeStepOptions,
    x: Float32Array,
    d: Float32Array,
    out: Float32Array,
    seconds: Float64Array,
  ): NativeCall<void>;
  /** FLOP/s that so many threads reach at best. */
  measurePeak(threads: number, isa?: string): NativeCall<number>;
  /** The best instruction set found on this machine. */
  readonly isa: string;
}

/** Work off the event loop. */
export interface NativeCall<T> {
  readonly done: Promise<T>;
  abort(): void;
}

/** Masks are packed, `kept` holds zeros; k and floor are whole numbers. */
type SelectArguments = [
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  kept: readonly Uint8Array[],
  k: number,
  floor: number,
  threads: number,
];

export interface NativeOptions {
  readonly joint: boolean;
  readonly batchStatistics: boolean;
  readonly threads: number;
  /** Highest instruction set allowed ("base", "avx2"); all by default. */
  readonly isa?: string;
}

export interface NativeStepOptions {
  readonly part: 'f' | 'h' | 'j' | 'data-gradient' | 'weight-gradient';
  readonly samples: number;
  readonly threads: number;
  readonly isa?: string | undefined;
}

export interface NativeProgram {
  setMask(param: number, bits: Uint8Array): void;
  /** Both are filled by finish, and borrowed until the round ends; without them a round of f alone. */
  begin(scores?: readonly Float32Array[], u?: readonly Float32Array[]): void;
  push(x: Float32Array, samples: number, y: readonly Float32Array[] | null): Promise<void>;
  finish(): Promise<{ R: number; Jfv2: number; Jvt2: number }>;
  abort(): void;
  memory(): { current: number; peak: number };
  dispose(): void;
  isa(): string;
}

let loaded: NativeAddon | undefined;

/** Loads the addon once, from where `locateAddon` finds it; ERR_BACKEND with the way out when that fails. */
export function loadAddon(): NativeAddon {
  if (loaded) return loaded;
  const path = locateAddon();
  try {
    loaded = createRequire(import.meta.url)(path) as NativeAddon;
  } catch (cause) {
    throw new PxError(
      'ERR_BACKEND',
      `the native addon could not be loaded from ${path}: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        howToBuild(),
      { cause },
    );
  }
  return loaded;
}

let absent = false;

/** The addon, or undefined where none loads: for what can do without. */
export function findAddon(): NativeAddon | undefined {
  if (absent) return undefined;
  try {
    return loadAddon();
  } catch {
    absent = true;
    return undefined;
  }
}
