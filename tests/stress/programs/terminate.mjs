/**
 * Terminates threads that score, in every phase of their work, and looks at what they leave behind.
 *
 *   node terminate.mjs COUNT
 */
import { Worker } from 'node:worker_threads';
import { cpuBackend } from '../../../dist/kernels.js';
import {
  makeNetwork,
  megabytes,
  print,
  round,
  SAMPLES,
  sleep,
  threadCount,
  threadsDownTo,
} from './network.mjs';

const PHASES = [
  'start',
  'compile',
  'compiled',
  'push',
  'finish',
  'unsettled',
  'dispose',
  'select',
  'exit',
  'throw',
];
const AT_ONCE = 3;

const count = Number(process.argv[2]);
const network = await makeNetwork();
const program = await cpuBackend().compile(network.plan, network.weights, {
  method: 'px',
  norm: 'batch',
  threads: 2,
});
const expected = await round(program, network);
const done = Object.fromEntries(PHASES.map((phase) => [phase, 0]));

async function one(i) {
  const phase = PHASES[i % PHASES.length];
  const method = i % 2 ? 'px' : 'px-joint';
  const worker = new Worker(new URL('terminated.mjs', import.meta.url), {
    workerData: { ...network, phase, samples: SAMPLES, method },
  });
  let error;
  worker.on('error', (e) => (error = e));
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  if (phase !== 'exit' && phase !== 'throw') {
    if (phase === 'start') await sleep(i % 40);
    else await Promise.race([new Promise((resolve) => worker.once('message', resolve)), exited]);
    if (['push', 'finish', 'select'].includes(phase)) await sleep((i * 7) % 30);
    await worker.terminate();
  }
  await exited;
  if (phase === 'throw' ? error?.message !== 'on purpose' : error)
    throw error ?? new Error('no error arrived');
  done[phase]++;
}

/** Sequential but for AT_ONCE threads side by side. */
async function all(from, to) {
  for (let i = from; i < to; i += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - i) }, (_, k) => one(i + k)));
}

const warmUp = Math.min(count, Math.max(27, count / 5));
await all(0, warmUp);
const threads = threadCount();
const before = process.memoryUsage.rss();
await all(warmUp, count);
print({
  done,
  threadsBefore: threads,
  threadsAfter: await threadsDownTo(threads),
  rssBeforeMB: megabytes(before),
  rssAfterMB: megabytes(process.memoryUsage.rss()),
  same: (await round(program, network)) === expected,
});
program.dispose();
