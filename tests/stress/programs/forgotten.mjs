/** Programs that nobody disposes, idle or at work, and weights nobody holds; run with --expose-gc. */
import { cpuBackend } from '../../../dist/kernels.js';
import { makeNetwork, megabytes, print, round, SAMPLES, sleep, threadCount } from './network.mjs';

const network = await makeNetwork();
const compile = (weights = network.weights) =>
  cpuBackend().compile(network.plan, weights, { method: 'px-joint', norm: 'batch', threads: 2 });

async function collect() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await sleep(5);
  }
}

async function forgetIdle() {
  await round(await compile(), network);
}

/** Neither the program nor its promise is held. */
async function forgetBusy() {
  const program = await compile();
  program.begin();
  program.push(network.x, SAMPLES).catch(() => undefined);
}

/** The program alone holds its weights. */
async function weightsCollected(expected) {
  const program = await compile(network.weights.map((w) => Float32Array.from(w)));
  await collect();
  const rubbish = network.weights.map((w) => new Float32Array(w.length).fill(7));
  const result = await round(program, network);
  program.dispose();
  return rubbish.length > 0 && result === expected;
}

const program = await compile();
const expected = await round(program, network);
program.dispose();
await collect();
const threads = threadCount();

for (let i = 0; i < 10; i++) await forgetIdle();
await collect();
const rss = process.memoryUsage.rss();
for (let i = 0; i < 30; i++) {
  await forgetIdle();
  if (i % 10 === 9) await collect();
}
for (let i = 0; i < 10; i++) {
  await forgetBusy();
  await collect();
}
const sameWithoutWeights = await weightsCollected(expected);

// A program at work, held by nothing but its own call, must not be collected.
const kept = compile().then((held) => round(held, network));
await collect();
const sameKept = (await kept) === expected;

const end = Date.now() + 20_000;
while (threadCount() > threads && Date.now() < end) await collect();
print({
  threadsLeft: threadCount() - threads,
  rssGrownMB: megabytes(process.memoryUsage.rss() - rss),
  sameWithoutWeights,
  sameKept,
});
