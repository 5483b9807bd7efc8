/** TypeScript that uses the package's types; every @ts-expect-error below must be one. */
import { loadModel, openDataset, type PruneResult, PxError, type PxErrorCode, prune } from 'path-exclusion';
import { cpuBackend, type Program } from 'path-exclusion/kernels';

export async function run(path: string): Promise<PruneResult> {
  const model = await loadModel(path);
  const data = await openDataset(['photos/'], { shape: model.inputShape });
  // @ts-expect-error density is a number
  await prune(model, data, { density: 'half' });
  return prune(model, data, { density: 0.1, rounds: 100 });
}

export async function compile(path: string): Promise<Program> {
  const { plan, weights } = await loadModel(path);
  return cpuBackend().compile(plan, weights, { method: 'px', norm: 'batch' });
}

export function codeOf(error: unknown): PxErrorCode | undefined {
  return error instanceof PxError ? error.code : undefined;
}
