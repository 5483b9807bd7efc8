/** A thread that is meant to be terminated: says when it has come to the phase in workerData, and works on. */
import { parentPort, workerData } from 'node:worker_threads';
import { cpuBackend } from '../../../dist/backend/native/cpu.js';
import { selectTopKAsync } from '../../../dist/prune/select.js';

const { phase, plan, weights, x, samples, method } = workerData;
const reached = () => parentPort.postMessage(phase);
const compile = () => cpuBackend().compile(plan, weights, { method, norm: 'batch', threads: 2 });
const sleepBlocking = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

if (phase === 'select') {
  const scores = [new Float32Array(2 ** 20)];
  const alive = [new Uint8Array(2 ** 17).fill(255)];
  for (let k = 0; ; k++) {
    const selecting = selectTopKAsync(scores, alive, k, { threads: 2 });
    if (k === 0) reached();
    await selecting;
  }
}
if (phase === 'compile') reached();
const program = await compile();
if (phase === 'compiled') reached();
program.begin();
const pushing = program.push(x, samples);
switch (phase) {
  case 'push':
    reached();
    break;
  case 'unsettled': // the call is over, its promise not settled
    sleepBlocking(400);
    reached();
    sleepBlocking(400);
    break;
  case 'dispose':
    program.dispose();
    reached();
    await pushing.catch(() => undefined);
    setInterval(() => undefined, 1000); // alive, with nothing to do
    await new Promise(() => undefined);
    break;
  case 'exit':
    setTimeout(() => process.exit(0), 10);
    break;
  case 'throw':
    setTimeout(() => {
      throw new Error('on purpose');
    }, 10);
    break;
}
await pushing;
const finishing = program.finish();
if (phase === 'finish') reached();
await finishing;
// A thread that comes here was not terminated in time; it works until it is.
for (;;) {
  program.begin();
  await program.push(x, samples);
  await program.finish();
}
