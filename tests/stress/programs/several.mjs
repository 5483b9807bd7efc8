/** Several threads score at once, with the main thread, on the same weights in shared memory. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { cpuBackend } from '../../../dist/kernels.js';
import { makeNetwork, print, round, threadCount, threadsDownTo } from './network.mjs';

async function rounds({ plan, weights, x }) {
  const program = await cpuBackend().compile(plan, weights, {
    method: 'px-joint',
    norm: 'batch',
    threads: 2,
  });
  const results = [];
  for (let i = 0; i < 3; i++) results.push(await round(program, { x }));
  program.dispose();
  return results;
}

if (isMainThread) {
  const before = threadCount();
  const network = await makeNetwork();
  const others = Array.from(
    { length: 4 },
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: network });
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  const all = (await Promise.all([rounds(network), ...others])).flat();
  print({
    rounds: all.length,
    different: new Set(all).size,
    threadsLeft: (await threadsDownTo(before)) - before,
  });
} else {
  parentPort.postMessage(await rounds(workerData));
}
