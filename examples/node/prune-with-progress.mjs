/**
 * Prunes with a progress line, and stops within moments on Ctrl-C or after a time limit.
 *
 *   node prune-with-progress.mjs model.onnx photos/ pruned.onnx [seconds]
 */
import { loadModel, PxError, prune, writeModel } from 'path-exclusion';

const [file, data, output, limit = '3600'] = process.argv.slice(2);
if (output === undefined) {
  console.error('usage: node prune-with-progress.mjs <model.onnx> <data> <pruned.onnx> [seconds]');
  process.exit(2);
}

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());

try {
  const model = await loadModel(file);
  const { masks, kept, countable } = await prune(model, data, {
    density: 0.1,
    rounds: 10,
    signal: AbortSignal.any([interrupt.signal, AbortSignal.timeout(1000 * Number(limit))]),
    onProgress: ({ phase, round, rounds, remainingSeconds }) => {
      if (phase === 'round')
        console.error(`round ${round} of ${rounds}, ${remainingSeconds.toFixed(0)} s left`);
    },
  });
  const files = await writeModel(model, masks, output);
  console.log(`kept ${kept} of ${countable} weights: ${files.join(', ')}`);
} catch (error) {
  // Whatever fails on purpose is a PxError: `code` for programs, `message` for people, `exitCode` for shells.
  if (!(error instanceof PxError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = error.exitCode;
}
