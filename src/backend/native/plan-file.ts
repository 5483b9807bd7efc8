import type { Plan } from '../../plan/plan.js';
import type { CompileOptions } from '../backend.js';
import { encodePlan } from './wire.js';
import { WordWriter } from './words.js';

const MAGIC = 0x4e525850; // "PXRN"

/**
 * One scoring round as a file for native/tools/run_plan.cc, which runs it without Node. `masks` are bit-packed, `batches` hold whole
 * samples of the plan's input shape.
 */
export function encodePlanFile(
  plan: Plan,
  weights: readonly Float32Array[],
  masks: readonly Uint8Array[],
  batches: readonly { x: Float32Array; samples: number }[],
  options: Pick<CompileOptions, 'method' | 'norm'>,
): Uint8Array {
  const w = new WordWriter();
  const bytes = encodePlan(plan);
  w.u32(MAGIC);
  w.flag(options.method === 'px-joint');
  w.flag(options.norm === 'batch');
  w.u32(bytes.length);
  w.padded(bytes);
  weights.forEach((values, i) => {
    w.raw(values);
    const mask = masks[i] ?? new Uint8Array(Math.ceil(values.length / 8)).fill(0xff);
    w.u32(mask.length);
    w.padded(mask);
  });
  for (const b of batches) {
    w.u32(b.samples);
    w.raw(b.x);
  }
  return w.finish();
}
