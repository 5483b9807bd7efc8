import type { Backend } from '../backend.js';

/** The WebGPU backend, and the end of what it holds on the device. */
export interface WebGpuBackend extends Backend {
  readonly name: 'webgpu';
  /** A software adapter: slower than the cpu backend. */
  readonly software: boolean;
  /** Releases the device; programs compiled on it are of no use any more. */
  destroy(): void;
}

/** Adapters that are the CPU in disguise, by the names their drivers go by. */
export const isSoftware = (name: string): boolean =>
  /swiftshader|llvmpipe|lavapipe|\bwarp\b|basic render/i.test(name);
