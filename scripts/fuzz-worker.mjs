// One reader's share of scripts/fuzz.mjs.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
const { allReaders } = await import('../tests/fuzz/readers.ts');
const { drive, newTally } = await import('../tests/fuzz/drive.ts');

/** fast-check keeps its runs; in slices it stays small, and a failure is reproduced by a short run. */
const SLICE = 2000;

const { list, name, inputs, seed, scratch, last } = workerData;
const readers = await allReaders(mkdtempSync(join(scratch, 'reader-')));
if (list) parentPort.postMessage(readers.map((reader) => ({ name: reader.name, weight: reader.weight })));
else {
  const reader = readers.find((one) => one.name === name);
  const place = new Int32Array(last, 0, 2);
  const bytes = new Uint8Array(last, 8);
  const onInput = (input) => {
    bytes.set(input.subarray(0, bytes.length));
    place[1] = input.length;
    Atomics.add(place, 0, 1);
  };
  const tally = newTally();
  const started = performance.now();
  let failure;
  for (let done = 0, slice = 0; done < inputs && failure === undefined; done += SLICE, slice++) {
    try {
      await drive(
        reader,
        { seed: (seed + slice) | 0, inputs: Math.min(SLICE, inputs - done), onInput },
        tally,
      );
    } catch (error) {
      failure = `${error.cause?.stack ?? error.stack}\n${error.message}`.slice(0, 6000);
    }
  }
  parentPort.postMessage({
    ...(failure === undefined ? {} : { failure }),
    outcomes: Object.fromEntries(tally.outcomes),
    slowestMs: Math.round(tally.slowestMs),
    seconds: Math.round((performance.now() - started) / 1000),
    peakMB: Math.round(process.resourceUsage().maxRSS / 1024),
  });
}
