/**
 * Writes the corpus of native/tools/fuzz_plan.cc: the Plans of the small golden cases, each behind a byte of options. Run it when the
 * wire format changes:  node --import tsx tests/fuzz/write-plan-corpus.ts
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePlan } from '../../src/backend/native/wire.js';
import { loadModel } from '../../src/plan/load.js';

const golden = join(import.meta.dirname, '..', 'golden');
const folder = join(import.meta.dirname, 'corpus', 'plan');
/** Larger ones only slow the fuzzer down. */
const MAX_BYTES = 6000;

mkdirSync(folder, { recursive: true });
for (const [i, name] of readdirSync(golden).sort().entries()) {
  if (name.endsWith('-masked')) continue; // the same Plan
  const { plan } = await loadModel(join(golden, name, 'model.onnx'), { inputSize: [8] });
  const bytes = encodePlan(plan);
  if (bytes.length > MAX_BYTES) continue;
  // All four combinations of method and statistics occur, and 1 to 20 samples.
  const options = (i % 4) | ((i % 20) << 2);
  writeFileSync(join(folder, `${name}.bin`), Uint8Array.of(options, ...bytes));
}
