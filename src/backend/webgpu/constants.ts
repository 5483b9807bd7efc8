/** WebGPU's flags by value: browsers have them as globals, Node does not. */
export const BUFFER = {
  MAP_READ: 0x0001,
  COPY_SRC: 0x0004,
  COPY_DST: 0x0008,
  UNIFORM: 0x0040,
  STORAGE: 0x0080,
} as const;
export const COMPUTE_STAGE = 0x4;
export const MAP_READ = 0x1;
