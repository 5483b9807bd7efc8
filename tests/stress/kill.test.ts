/** px prune, ended from outside at random moments, goes on to the same bytes. PX_STRESS=1 for 200 kills. */
import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newModel } from '../../src/models/new-model.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { px, start } from '../cli/px.js';
import { uniform } from '../support/random.js';

const LONG = process.env.PX_STRESS === '1';
const ROUNDS = 30;

let work: string;
let straight: Record<string, string>;
/** Milliseconds a whole run takes here. */
let whole: number;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-kill-'));
  await writeFile(join(work, 'images.bin'), syntheticImages(1, 7));
  await writeFile(join(work, 'r20.onnx'), newModel('resnet20', { size: 8, seed: 5 }));
  const began = performance.now();
  expect(await px(work, ...prune('straight'))).toMatchObject({ code: 0 });
  whole = performance.now() - began;
  straight = await contents('straight');
});
afterAll(() => rm(work, { recursive: true, force: true }));

function prune(out: string, ...more: string[]): string[] {
  const data = ['--data', 'images.bin', '--density', '0.05', '--rounds', String(ROUNDS), '--quiet'];
  return ['prune', 'r20.onnx', ...data, '-o', out, ...more];
}

/** Every file of the folder; of run.json what does not tell the time. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(join(work, folder))).sort();
  const files = names.map(async (name) => {
    const bytes = await readFile(join(work, folder, name));
    if (name !== 'run.json') return [name, bytes.toString('base64')];
    const record = JSON.parse(bytes.toString(), (key, value) =>
      key === 'seconds' || key === 'finished' || key === 'backend' ? undefined : value,
    );
    return [name, JSON.stringify(record)];
  });
  return Object.fromEntries(await Promise.all(files));
}

/**
 * When to end a run: after some time, or when a file appears or disappears in its folder for the nth time (then it is amid a write).
 */
function atRandom(random: () => number, out: string, end: () => void): () => void {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  if (random() < 0.5) {
    timer = setTimeout(end, random() * whole);
  } else {
    mkdirSync(join(work, out), { recursive: true });
    let left = 1 + Math.floor(random() * 3 * ROUNDS);
    watcher = watch(join(work, out), () => {
      if (left-- === 1) end();
    });
  }
  return () => {
    clearTimeout(timer);
    watcher?.close();
  };
}

describe.each<[NodeJS.Signals, number]>([
  ['SIGKILL', LONG ? 200 : 6],
  ['SIGINT', LONG ? 40 : 2],
  ['SIGTERM', LONG ? 40 : 2],
])('px prune, ended by %s at random', (signal, times) => {
  it(`${times} times`, { timeout: 60_000 + times * 15_000 }, async () => {
    const random = uniform(signal.length * 1000 + times);
    let [ended, finished] = [0, 0];
    while (ended < times) {
      const out = `${signal}-${finished}`;
      for (let code: number | null = null; code !== 0; ) {
        const threads = String(1 + Math.floor(random() * 3));
        const { child, ended: running } = start(prune(out, '--resume', '--threads', threads), work);
        const leave = atRandom(random, out, () => child.kill(signal));
        const outcome = await running;
        leave();
        code = outcome.code;
        if (code === 0) break;
        ended++;
        // A signal that comes before px listens to it ends it as it ends any program.
        if (outcome.signal === null) expect(outcome).toMatchObject({ code: 130, stderr: /--resume/ });
        else expect(outcome.signal).toBe(signal);
      }
      expect(await contents(out)).toEqual(straight);
      await rm(join(work, out), { recursive: true });
      finished++;
    }
    if (LONG) console.log(`${signal}: ${ended} times ended, ${finished} runs finished, all the same`);
  });
});
