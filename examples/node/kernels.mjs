/**
 * The parts below files and options: a compiled plan, scoring rounds over arrays of your own, and the exact selection. This
 * is what a tool with its own data pipeline and its own schedule calls.
 *
 *   node kernels.mjs
 */
import { newModel } from 'path-exclusion';
import {
  countKept,
  cpuBackend,
  fullMask,
  keepSchedule,
  loadModel,
  scoreRound,
  selectTopK,
} from 'path-exclusion/kernels';

const { plan, weights, inputShape } = await loadModel(newModel('resnet20', { size: 16, seed: 1 }));

// Two micro-batches of eight samples each; any Float32Array of samples × input shape does.
const elements = inputShape.reduce((product, size) => product * size, 1);
const microBatches = [1, 2].map((phase) => ({
  samples: 8,
  x: Float32Array.from({ length: 8 * elements }, (_, i) => Math.sin(phase + i * i)),
}));

const program = await cpuBackend().compile(plan, weights, { method: 'px-joint', norm: 'batch' });
try {
  let masks = plan.params.map(({ size }) => fullMask(size));
  const takesPart = plan.params.map(({ gateOnly }) => !gateOnly);
  const countable = plan.params.reduce((sum, { size, gateOnly }) => sum + (gateOnly ? 0 : size), 0);
  for (const k of keepSchedule(countable, 0.05, 5)) {
    program.setMasks(masks);
    const { scores, log2 } = await scoreRound(program, microBatches);
    masks = selectTopK(scores, masks, k, { takesPart });
    const kept = masks.reduce((sum, mask) => sum + countKept(mask), 0);
    console.log(`R was 2^${log2.R.toFixed(2)}, kept ${kept} of ${countable} weights`);
  }
} finally {
  program.dispose();
}
