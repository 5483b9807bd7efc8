/**
 * Ends the process while a call runs.
 *
 *   node end.mjs exit|throw|reject|kill|worker-exit push|finish|compiled
 */
import { Worker } from 'node:worker_threads';
import { cpuBackend } from '../../../dist/kernels.js';
import { makeNetwork, print, SAMPLES } from './network.mjs';

const [how, phase] = process.argv.slice(2);
const network = await makeNetwork(32);
const program = await cpuBackend().compile(network.plan, network.weights, {
  method: 'px-joint',
  norm: 'batch',
  threads: 2,
});
if (how === 'worker-exit') {
  const workerData = { ...network, phase: 'push', samples: SAMPLES, method: 'px' };
  const worker = new Worker(new URL('terminated.mjs', import.meta.url), { workerData });
  await new Promise((resolve) => worker.once('message', resolve));
}
if (phase !== 'compiled') {
  program.begin();
  const pushing = program.push(network.x, SAMPLES);
  if (phase === 'finish') {
    await pushing;
    program.finish();
  }
}
setTimeout(() => {
  print({ endedAt: Date.now() });
  if (how === 'throw') throw new Error('on purpose');
  if (how === 'reject') Promise.reject(new Error('on purpose'));
  else if (how === 'kill') process.kill(process.pid, 'SIGTERM');
  else process.exit(7);
}, 30);
