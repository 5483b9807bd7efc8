/** Masks of a model's weights as masks of a PyTorch state_dict. */
import { PxError } from '../../errors.js';
import type { Dtype } from '../../io/dtype.js';
import { openSafetensors, type SafetensorsFile } from '../../io/safetensors.js';
import { dataType } from '../../onnx/data-types.js';
import type { LoadedModel } from '../../plan/load.js';
import type { LinearStep, ParamId } from '../../plan/plan.js';
import { countKept, packMask } from '../masks.js';
import type { MaskMap } from '../options.js';
import type { Match, Reason, Source, Target } from './choose.js';
import { sameShape, transpose } from './layout.js';
import { matchTensors } from './match.js';
import type { Precision } from './precision.js';

/** One mask under its new name. */
export interface MappedMask {
  /** Initializer of the model. */
  readonly onnx: string;
  readonly stateDict: string;
  /** Shape in the state_dict. */
  readonly shape: readonly number[];
  /** How the state_dict holds the weight: as the model does, in another shape but the same order, or transposed. */
  readonly layout: 'same' | 'reshaped' | 'transposed';
  /** True where BatchNorm was folded into the model's weight: each channel has a factor of its own. */
  readonly scaled: boolean;
  /** What decided: content alone; all tensors that share the weight; names or order among tensors of equal content. */
  readonly by: Reason;
  readonly kept: number;
  /** One byte a weight, 0 or 1, in the state_dict's layout. */
  readonly mask: Uint8Array;
}

export interface MappedMasks {
  /** In the order of the masks. */
  readonly mapped: readonly MappedMask[];
  /** Masks whose weights the state_dict does not hold, and why. Empty unless `partial`. */
  readonly unmatched: readonly { readonly onnx: string; readonly reason: string }[];
  /** Tensors of the state_dict with two or more axes that have no mask. */
  readonly unmasked: readonly string[];
}

/**
 * Finds for every masked weight the tensor of a state_dict that holds its values, and brings the mask into that tensor's
 * name, shape and layout.
 *
 * @param masks one byte a weight by tensor name, stored layout (`readMasks`, `prune`)
 * @param path the state_dict as safetensors, with the very weights that the model was exported with
 * @param partial leave out masks whose weights are not found, instead of failing
 * @throws PxError ERR_MISMATCH listing all weights that are not found or not unique, ERR_FILE, ERR_IO
 */
export async function mapMasks(
  model: LoadedModel,
  masks: MaskMap,
  path: string,
  { partial = false }: { readonly partial?: boolean } = {},
): Promise<MappedMasks> {
  const file = await openSafetensors(path);
  try {
    const targets = file.names.flatMap((name) => targetOf(file, name));
    const sources = model.plan.params.flatMap(({ name }, id) =>
      masks.has(name) ? [sourceOf(model, name, id)] : [],
    );
    const { matches, unmatched } = await matchTensors(sources, targets);
    const failures = unmatched.map(({ source, candidates }) => ({
      onnx: source.name,
      reason: reasonFor(source, candidates, targets),
    }));
    if (failures.length > 0 && !partial) throw mismatch(path, failures);
    const masked = new Set(matches.map(({ target }) => target.name));
    const inOrder = sources.flatMap((source) => matches.filter((match) => match.source === source));
    return {
      mapped: inOrder.map((match) => mapMask(match, masks.get(match.source.name)!)),
      unmatched: failures,
      unmasked: file.names.filter((name) => !masked.has(name) && file.info(name).shape.length > 1),
    };
  } finally {
    await file.close();
  }
}

/** Most weights that one message names. */
const LISTED = 20;

const PRECISIONS: Readonly<Partial<Record<Dtype, Precision>>> = {
  F64: 'F32',
  F32: 'F32',
  F16: 'F16',
  BF16: 'BF16',
};

function targetOf(file: SafetensorsFile, name: string): Target[] {
  const { dtype, shape } = file.info(name);
  const precision = PRECISIONS[dtype];
  if (precision === undefined) return [];
  const size = shape.reduce((product, length) => product * length, 1);
  return [{ name, shape, size, precision, read: () => file.readFloat32(name) }];
}

function sourceOf({ onnx, plan, weights }: LoadedModel, name: string, id: ParamId): Source {
  const type = dataType(onnx.tensors.get(name)!.dataType).name;
  const steps = plan.steps.filter(
    (step) => step.kind === 'linear' && step.weight.param === id,
  ) as LinearStep[];
  return {
    name,
    shape: plan.params[id]!.shape,
    values: weights[id]!,
    precision: type === 'float16' ? 'F16' : type === 'bfloat16' ? 'BF16' : 'F32',
    uses: steps.length,
    inputsFirst: steps.some(({ op, weight }) => op === 'dense' && weight.outStride < weight.inStride),
  };
}

function mapMask({ source, target, matrix, scaled, by }: Match, mask: Uint8Array): MappedMask {
  const placed = matrix ? transpose(mask, matrix.columns, matrix.rows) : mask;
  return {
    onnx: source.name,
    stateDict: target.name,
    shape: target.shape,
    layout: matrix ? 'transposed' : sameShape(source.shape, target.shape) ? 'same' : 'reshaped',
    scaled: scaled ?? false,
    by,
    kept: countKept(packMask(mask)),
    mask: placed,
  };
}

function reasonFor(source: Source, candidates: readonly string[], targets: readonly Target[]): string {
  if (candidates.length > 0) {
    return `its values are those of ${list(candidates)}, and neither names nor number tell which tensor belongs to which weight`;
  }
  const alike = targets.filter((target) => target.size === source.values.length).map(({ name }) => name);
  return alike.length === 0
    ? `no floating-point tensor has ${source.values.length} elements`
    : `no tensor has its values; of its size ${alike.length === 1 ? 'is' : 'are'} ${list(alike)}`;
}

function mismatch(path: string, failures: MappedMasks['unmatched']): PxError {
  const shown = failures.slice(0, LISTED).map(({ onnx, reason }) => `'${onnx}': ${reason}`);
  if (failures.length > LISTED) shown.push(`and ${failures.length - LISTED} more`);
  return new PxError(
    'ERR_MISMATCH',
    `${path}: ${failures.length} of the masked weights are not found by content:\n  ${shown.join('\n  ')}\n` +
      'give the state_dict with which the model was exported, or leave these masks out with --partial',
  );
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `'${name}'`);
  if (names.length > 5) shown.push(`${names.length - 5} more`);
  return shown.join(', ');
}
