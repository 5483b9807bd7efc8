/** A fast wrong answer is worth nothing: results are checked before anything is measured. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cpuBackend } from '../src/backend/native/cpu.js';
import type { Terminal } from '../src/cli/terminal.js';
import { PxError } from '../src/errors.js';
import { readSafetensors } from '../src/io/safetensors.js';
import { loadModel } from '../src/plan/load.js';
import { scoreRound } from '../src/prune/round.js';

/** Convolutions, normalisation, a residual connection and a head, with the float64 scores of both methods. */
const GOLDEN = 'resnet20-cifar';
/** Relative error of a log2 of R, and of single scores beyond a millionth of the largest; a gate may flip now and then. */
const [R_ERROR, SCORE_ERROR, SHARE_WITHIN] = [1e-5, 1e-3, 0.98];

/** @throws PxError ERR_NUMERIC where scores are not what they should be */
export async function verifyRounds(terminal: Terminal): Promise<void> {
  const path = (file: string) => fileURLToPath(new URL(`../tests/golden/${GOLDEN}/${file}`, import.meta.url));
  const model = await loadModel(path('model.onnx'));
  const { tensors } = await readSafetensors(path('input.safetensors'));
  const { data, shape } = tensors.get('x')!;
  const expected = (await readSafetensors(path('expected-batch.safetensors'))).tensors;
  const scalars = JSON.parse(readFileSync(path('expected-batch.json'), 'utf8'));
  for (const method of ['px', 'px-joint'] as const) {
    const program = await cpuBackend().compile(model.plan, model.weights, { method, norm: 'batch' });
    try {
      const x = Float32Array.from(data as ArrayLike<number>);
      const { scores, log2 } = await scoreRound(program, [{ x, samples: shape[0]! }]);
      if (!(Math.abs(log2.R / scalars[method].log2_R - 1) < R_ERROR))
        fail(`log2 R of ${method} is ${log2.R} instead of ${scalars[method].log2_R}`);
      model.plan.params.forEach(({ name }, i) => {
        const share = shareWithin(scores[i]!, expected.get(`${method}/${name}`)!.data as ArrayLike<number>);
        if (!(share >= SHARE_WITHIN))
          fail(`only ${(share * 100).toFixed(1)} % of the scores of ${name} (${method}) are right`);
      });
    } finally {
      program.dispose();
    }
  }
  terminal.note(`verified: scores of ${GOLDEN}, both methods`);
}

function shareWithin(actual: Float32Array, expected: ArrayLike<number>): number {
  let [looked, good, largest] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, expected[i]!);
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i]!;
    if (!(wanted > 1e-6 * largest)) continue;
    looked++;
    if (Math.abs(actual[i]! - wanted) <= SCORE_ERROR * wanted) good++;
  }
  return looked === 0 ? 1 : good / looked;
}

function fail(message: string): never {
  throw new PxError('ERR_NUMERIC', `not measured, for the results are wrong: ${message}`);
}
