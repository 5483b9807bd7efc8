/**
 * A small labelled image set made by formulas, for demonstrations and tests: ten classes of 32×32 RGB patterns that differ in
 * what a convolution can see (orientation, frequency, shape), with colour, phase, position, contrast and noise varied.
 */
import { PxError } from '../errors.js';
import type { Uniform } from './random.js';
import { uniformSource } from './random.js';

const SIZE = 32;
const PIXELS = SIZE * SIZE;
const RECORD = 1 + 3 * PIXELS;

/** Brightness in [−1, 1] at (x, y), both in [−1, 1]. */
type Pattern = (x: number, y: number) => number;

/** One class per entry; each call draws one random member of the class. */
const CLASSES: readonly ((uniform: Uniform) => Pattern)[] = [
  (u) => grating(0, u),
  (u) => grating(Math.PI / 4, u),
  (u) => grating(Math.PI / 2, u),
  (u) => grating((3 * Math.PI) / 4, u),
  (u) => {
    const [a, b] = [grating(0, u), grating(Math.PI / 2, u)];
    return (x, y) => Math.sign(a(x, y) * b(x, y)); // checkers
  },
  (u) => radial(u, (r, size) => 2 * Math.exp(-((r / size) ** 2)) - 1), // blob
  (u) => radial(u, (r, size) => 2 * Math.exp(-(((r - 1.5 * size) / (0.4 * size)) ** 2)) - 1), // ring
  (u) => radial(u, (r, size) => Math.cos((4 * r) / size)), // concentric waves
  (u) => {
    const [cx, cy, half] = [between(u, -0.3, 0.3), between(u, -0.3, 0.3), between(u, 0.25, 0.55)];
    return (x, y) => (Math.max(Math.abs(x - cx), Math.abs(y - cy)) < half ? 1 : -1); // square
  },
  (u) => {
    const [cx, cy, width] = [between(u, -0.3, 0.3), between(u, -0.3, 0.3), between(u, 0.12, 0.25)];
    return (x, y) => (Math.min(Math.abs(x - cx), Math.abs(y - cy)) < width ? 1 : -1); // cross
  },
];

export const SYNTHETIC_CLASSES = CLASSES.length;

/**
 * `perClass` images of each class, classes alternating, as the bytes of a CIFAR-10 binary file (per image one label byte, then
 * 1024 red, green and blue bytes). The same bytes for the same seed on every machine. ERR_OPTION.
 */
export function syntheticImages(perClass: number, seed: number): Uint8Array {
  if (!Number.isInteger(perClass) || perClass < 1 || perClass > 100_000) {
    throw new PxError('ERR_OPTION', `images per class must be an integer from 1 to 100000, not ${perClass}`);
  }
  const uniform = uniformSource(seed);
  const out = new Uint8Array(perClass * CLASSES.length * RECORD);
  for (let index = 0; index < perClass * CLASSES.length; index++) {
    const label = index % CLASSES.length;
    const record = out.subarray(index * RECORD, (index + 1) * RECORD);
    record[0] = label;
    paint(record.subarray(1), CLASSES[label]!(uniform), uniform);
  }
  return out;
}

/** Mixes two random colours by the pattern's brightness and adds noise; `planes` holds R, G and B one after another. */
function paint(planes: Uint8Array, pattern: Pattern, uniform: Uniform): void {
  const dark = [0, 1, 2].map(() => between(uniform, 0, 120));
  const light = dark.map((value) => value + between(uniform, 50, 130));
  const noise = between(uniform, 5, 30);
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const x = ((pixel % SIZE) + 0.5) / (SIZE / 2) - 1;
    const y = (Math.floor(pixel / SIZE) + 0.5) / (SIZE / 2) - 1;
    const brightness = (pattern(x, y) + 1) / 2;
    for (let channel = 0; channel < 3; channel++) {
      const clean = dark[channel]! + brightness * (light[channel]! - dark[channel]!);
      const value = Math.round(clean + between(uniform, -noise, noise));
      planes[channel * PIXELS + pixel] = Math.min(255, Math.max(0, value));
    }
  }
}

function grating(direction: number, uniform: Uniform): Pattern {
  const angle = direction + between(uniform, -0.15, 0.15);
  const [frequency, phase] = [between(uniform, 6, 12), between(uniform, 0, 2 * Math.PI)];
  return (x, y) => Math.sin(frequency * (x * Math.cos(angle) + y * Math.sin(angle)) + phase);
}

function radial(uniform: Uniform, profile: (radius: number, size: number) => number): Pattern {
  const [cx, cy, size] = [
    between(uniform, -0.35, 0.35),
    between(uniform, -0.35, 0.35),
    between(uniform, 0.25, 0.45),
  ];
  return (x, y) => profile(Math.hypot(x - cx, y - cy), size);
}

function between(uniform: Uniform, low: number, high: number): number {
  return low + (high - low) * uniform();
}
