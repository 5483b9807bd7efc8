// Feeds generated and damaged files to every reader:  npm run fuzz -- --inputs 100000 [--seed N] [--only NAME]
//
// Each reader runs in a thread of its own kind, which is told from outside when an input takes too long. What fails is printed with
// its seed; the last input is kept in a file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: '' },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);
if (!(Number.isInteger(inputs) && inputs > 0 && Number.isInteger(seed))) {
  console.error('--inputs and --seed take whole numbers');
  process.exit(2);
}

/** Longer than any one input may take (drive.ts): then the reader hangs. */
const PATIENCE_MS = 60_000;
/** What a reader holds beyond the input is bounded by docs/limits.md; these inputs are far below. */
const HEAP_MB = 2048;
const LARGEST_INPUT = 2 ** 22;

const scratch = mkdtempSync(join(tmpdir(), 'px-fuzz-'));
console.log(`seed ${seed}, ${inputs} inputs`);
let failed = false;
const started = performance.now();
const total = new Map();
try {
  const readers = (await ask({ list: true })).filter(({ name }) => name.includes(values.only));
  const weights = readers.reduce((sum, { weight }) => sum + weight, 0);
  for (const { name, weight } of readers) {
    const report = await ask({ name, inputs: Math.ceil((inputs * weight) / weights), seed });
    if (report.failure !== undefined) {
      failed = true;
      console.error(`${name}: FAILED\n${report.failure}`);
    }
    const counts = Object.entries(report.outcomes ?? {});
    for (const [, count] of counts) total.set(name, (total.get(name) ?? 0) + count);
    const list = counts.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
    console.log(
      `${name}: ${total.get(name) ?? 0} inputs (${list}), slowest ${report.slowestMs} ms, ${report.seconds} s, peak ${report.peakMB} MB`,
    );
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const sum = [...total.values()].reduce((a, b) => a + b, 0);
console.log(
  `${sum} inputs in ${Math.round((performance.now() - started) / 1000)} s${failed ? '; failures above' : ', none failed'}`,
);
process.exitCode = failed ? 1 : 0;

/** Runs a job in a fresh thread; resolves with its report, or with the failure that ended it. */
function ask(job) {
  return new Promise((resolve) => {
    const last = new SharedArrayBuffer(LARGEST_INPUT + 8);
    const place = new Int32Array(last, 0, 2); // count of inputs, length of the last
    const worker = new Worker(new URL('./fuzz-worker.mjs', import.meta.url), {
      workerData: { ...job, scratch, last },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    let seen = 0;
    let since = Date.now();
    const end = (report) => {
      clearInterval(watch);
      resolve(report);
    };
    const fail = (why) => {
      const file = join(tmpdir(), `px-fuzz-${process.pid}.bin`);
      writeFileSync(file, new Uint8Array(last, 8, Math.min(place[1], LARGEST_INPUT)).slice());
      end({ failure: `${why}; its input is in ${file}`, slowestMs: '?', seconds: '?', peakMB: '?' });
    };
    const watch = setInterval(() => {
      if (Atomics.load(place, 0) !== seen || job.list) {
        seen = Atomics.load(place, 0);
        since = Date.now();
      } else if (Date.now() - since > PATIENCE_MS) {
        fail(`input ${seen} hangs`);
        void worker.terminate();
      }
    }, 1000);
    worker.on('message', end);
    worker.on('error', (error) => fail(`the thread died: ${error.stack ?? error}`));
  });
}
