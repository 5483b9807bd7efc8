/** What the stress programs work on: a ResNet-20 for small images, its weights where all threads can read them. */
import { readdirSync } from 'node:fs';
import { newModel } from '../../../dist/index.js';
import { loadModel } from '../../../dist/kernels.js';

export const SAMPLES = 16;

/** @param {number} size height and width of the images */
export async function makeNetwork(size = 16) {
  const { plan, weights } = await loadModel(newModel('resnet20', { size, seed: 3 }));
  return { plan, weights: weights.map(shared), x: shared(images(SAMPLES * 3 * size * size)) };
}

/** A copy that every thread reads in place, and that cannot be transferred. */
function shared(values) {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}

function images(length) {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
}

/** One round; its log2 scalars and the sum over all scores, as text: equal text is the same bytes for all that matters here. */
export async function round(program, { x }, samples = SAMPLES) {
  program.begin();
  await program.push(x, samples);
  const { scores, log2 } = await program.finish();
  const sums = scores.map((s) => s.reduce((sum, value) => sum + value, 0));
  return JSON.stringify([log2, sums]);
}

/** Threads of this process, or -1 where the system does not tell. */
export function threadCount() {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').length : -1;
}

export function megabytes(bytes) {
  return Math.round(bytes / 2 ** 20);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until there are no more than `count` threads; threads end a moment after who asked them to. */
export async function threadsDownTo(count, seconds = 20) {
  for (const end = Date.now() + seconds * 1000; threadCount() > count && Date.now() < end; ) await sleep(20);
  return threadCount();
}

export function print(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
