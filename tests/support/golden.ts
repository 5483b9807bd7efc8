import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Log2Scalars, Method, NormStatistics } from '../../src/backend/backend.js';
import { readSafetensors } from '../../src/io/safetensors.js';

const folder = fileURLToPath(new URL('../golden/', import.meta.url));

/** A golden case: a model, its input, masks if any, and what the float64 oracle made of them. */
export interface GoldenCase {
  readonly name: string;
  readonly model: string;
  /** [samples, ...shape] */
  readonly x: Float32Array;
  readonly samples: number;
  /** 0/1 by parameter name. */
  readonly masks?: ReadonlyMap<string, Uint8Array>;
}

export interface GoldenExpectation {
  readonly microBatch: number;
  readonly prunable: readonly string[];
  readonly gateOnly: readonly string[];
  /** log2 scalars by method; null where the network is cut. */
  readonly log2: Readonly<Record<Method, Readonly<Record<keyof Log2Scalars, number | null>>>>;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Names of all cases with an expectation (the round-by-round pruning case has none). */
export function goldenNames(): string[] {
  return readdirSync(folder).filter((name) => goldenNorms(name).length > 0);
}

/** Statistics a case has expectations for; 'running' stands for both where there is no normalisation. */
export function goldenNorms(name: string): NormStatistics[] {
  const norms: NormStatistics[] = [];
  if (existsSync(path.join(folder, name, 'expected.safetensors')) || existsSync(path.join(folder, name, 'expected-running.safetensors'))) norms.push('running');
  if (existsSync(path.join(folder, name, 'expected-batch.safetensors'))) norms.push('batch');
  return norms;
}

/** Bytes of the case's model and tensors, to tell small cases from networks. */
export function goldenSize(name: string): number {
  return readFileSync(path.join(folder, name, 'model.onnx')).length;
}

export async function readGolden(name: string): Promise<GoldenCase> {
  const at = path.join(folder, name);
  const x = (await readSafetensors(path.join(at, 'input.safetensors'))).tensors.get('x')!;
  const masksFile = path.join(at, 'masks.safetensors');
  const masks = existsSync(masksFile) ? (await readSafetensors(masksFile)).tensors : undefined;
  return {
    name,
    model: path.join(at, 'model.onnx'),
    x: x.data as Float32Array,
    samples: x.shape[0]!,
    ...(masks && { masks: new Map([...masks].map(([key, { data }]) => [key, Uint8Array.from(data as ArrayLike<number>)])) }),
  };
}

export async function readExpectation(name: string, norm: NormStatistics): Promise<GoldenExpectation> {
  const stem = path.join(folder, name, existsSync(path.join(folder, name, 'expected.safetensors')) ? 'expected' : `expected-${norm}`);
  const json = JSON.parse(readFileSync(`${stem}.json`, 'utf8')) as Record<string, never> & { micro_batch: number; prunable: string[]; gate_only: string[] };
  const { tensors } = await readSafetensors(`${stem}.safetensors`);
  const log2 = (method: Method) => {
    const { log2_R, log2_Jfv2 = null, log2_Jvt2 = null } = json[method] as Record<string, number | null>;
    return { R: log2_R ?? null, Jfv2: log2_Jfv2, Jvt2: log2_Jvt2 };
  };
  return {
    microBatch: json.micro_batch,
    prunable: json.prunable,
    gateOnly: json.gate_only,
    log2: { px: log2('px'), 'px-joint': log2('px-joint') },
    tensors: new Map([...tensors].map(([key, { data }]) => [key, Float32Array.from(data as ArrayLike<number>)])),
  };
}
