import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Method, NormStatistics } from '../../src/backend/backend.js';
import { readSafetensors } from '../../src/io/safetensors.js';

const ROOT = fileURLToPath(new URL('../golden', import.meta.url));

/** Scalars are null where the quantity is 0. */
export interface Expected {
  readonly norm: NormStatistics;
  readonly micro_batch: number;
  readonly prunable: readonly string[];
  readonly gate_only: readonly string[];
  readonly px: Scalars;
  readonly 'px-joint': Scalars;
}

interface Scalars {
  readonly log2_R: number | null;
  readonly log2_Jfv2?: number | null;
  readonly log2_Jvt2?: number | null;
  readonly sums: Readonly<Record<string, number>>;
}

export interface GoldenCase {
  readonly name: string;
  readonly model: string;
  /** "-running", "-batch", or "" where the graph has no normalisation. */
  readonly variants: readonly string[];
}

export function goldenPath(name: string, file: string): string {
  return join(ROOT, name, file);
}

export function goldenCases(): GoldenCase[] {
  return readdirSync(ROOT)
    .sort()
    .map((name) => ({
      name,
      model: goldenPath(name, 'model.onnx'),
      variants: ['', '-running', '-batch'].filter(
        (v) =>
          existsSync(goldenPath(name, `expected${v}.json`)) &&
          existsSync(goldenPath(name, `expected${v}.safetensors`)),
      ),
    }))
    .filter((c) => c.variants.length > 0);
}

export function goldenExpected(name: string, variant: string): Expected {
  return JSON.parse(readFileSync(goldenPath(name, `expected${variant}.json`), 'utf8')) as Expected;
}

export async function goldenTensors(name: string, file: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensors(goldenPath(name, file));
  return new Map([...tensors].map(([k, t]) => [k, Float32Array.from(t.data as ArrayLike<number>)]));
}

export async function goldenMasks(
  name: string,
  file = 'masks.safetensors',
): Promise<Map<string, Uint8Array> | undefined> {
  if (!existsSync(goldenPath(name, file))) return undefined;
  const { tensors } = await readSafetensors(goldenPath(name, file));
  return new Map([...tensors].map(([k, t]) => [k, t.data as Uint8Array]));
}

export const METHODS: readonly Method[] = ['px', 'px-joint'];

/** What share of a tensor's scores may lie beyond which relative error; only scores above 1e-6 of its largest are compared. */
export interface Tolerance {
  readonly within: readonly { readonly error: number; readonly share: number }[];
}

const NETWORKS = ['resnet20-cifar', 'mobilenetv2-thin', 'shufflenetv2-x0.5', 'densenet-thin'];

export function tolerance(name: string): Tolerance {
  if (NETWORKS.includes(name))
    return {
      within: [
        { error: 1e-4, share: 0.97 },
        { error: 1e-3, share: 0.99 },
      ],
    };
  return { within: [{ error: name.startsWith('deep-overflow') ? 3e-4 : 1e-5, share: 1 }] };
}

/** Empty when `actual` is close enough; otherwise what is wrong with it. */
export function compareScores(actual: Float32Array, expected: Float32Array, allowed: Tolerance): string[] {
  const largest = expected.reduce((a, b) => Math.max(a, b), 0);
  const wrong: string[] = [];
  if (actual.length !== expected.length) return [`${actual.length} scores, ${expected.length} expected`];
  const unsound = actual.findIndex((v) => !(Number.isFinite(v) && v >= 0));
  if (unsound >= 0) wrong.push(`score ${unsound} is ${actual[unsound]}`);
  const errors: number[] = [];
  expected.forEach((e, i) => {
    if (e > 1e-6 * largest) errors.push(Math.abs((actual[i] ?? 0) - e) / e);
    else if ((actual[i] ?? 0) > 1.1e-6 * largest || (e === 0 && largest === 0 && actual[i] !== 0))
      wrong.push(`score ${i} is ${actual[i]}, expected ${e}`);
  });
  for (const { error, share } of allowed.within) {
    const good = errors.filter((e) => e <= error).length;
    if (good < share * errors.length)
      wrong.push(
        `${good} of ${errors.length} within ${error} (${100 * share} % needed), worst ${Math.max(...errors).toExponential(2)}`,
      );
  }
  return wrong;
}
