import { PxError } from '../errors.js';
import { openSafetensors, type SafeTensor, writeSafetensors } from '../io/safetensors.js';
import type { PlanParam } from '../plan/plan.js';
import type { Configuration } from './configuration.js';
import type { MaskMap } from './options.js';

/** Writes masks as safetensors: one U8 tensor of 0/1 per prunable parameter, in its shape. @throws PxError ERR_IO */
export async function writeMasks(
  path: string,
  params: readonly PlanParam[],
  masks: MaskMap,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const tensors = new Map<string, SafeTensor>(
    params.map(({ name, shape }) => [name, { dtype: 'U8', shape, data: masks.get(name)! }]),
  );
  await writeSafetensors(path, tensors, metadata);
}

/**
 * Reads masks for a model's prunable tensors.
 *
 * @throws PxError ERR_MISMATCH where a tensor is not the model's or has another shape or type, ERR_FILE, ERR_IO
 */
export async function readMasks(
  path: string,
  params: readonly PlanParam[],
): Promise<Map<string, Uint8Array>> {
  const file = await openSafetensors(path);
  try {
    const shapes = new Map(params.map((param) => [param.name, param.shape]));
    const masks = new Map<string, Uint8Array>();
    for (const name of file.names) {
      const { dtype, shape } = file.info(name);
      const expected = shapes.get(name);
      if (
        expected === undefined ||
        String(expected) !== String(shape) ||
        (dtype !== 'U8' && dtype !== 'BOOL')
      ) {
        const wanted = expected ? `U8 [${expected.join(', ')}]` : 'no prunable tensor of that name';
        throw new PxError(
          'ERR_MISMATCH',
          `${path}: mask '${name}' is ${dtype} [${shape.join(', ')}], the model has ${wanted}: use masks made for this model`,
        );
      }
      const values = await file.read(name);
      masks.set(name, new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength));
    }
    return masks;
  } finally {
    await file.close();
  }
}

/** What a masks file says about its origin. `density` is the share of countable weights kept. */
export function maskMetadata(
  configuration: Configuration,
  density: number,
  roundsDone: number,
): Record<string, string> {
  const { version, modelSha256, method, norm, microBatch, dataDigest, backend } = configuration;
  return {
    version,
    model_sha256: modelSha256,
    method,
    density: String(density),
    rounds: String(roundsDone),
    norm,
    micro_batch: String(microBatch),
    data_digest: dataDigest,
    backend,
  };
}
