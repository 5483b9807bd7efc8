import { PxError } from '../errors.js';
import { MAX_RANK, MAX_VALUE_SIZE } from '../graph/limits.js';
import { sizeOf } from '../graph/tensor.js';
import type { OnnxModel, ValueInfo } from './proto.js';
import { NEWEST_OPSET, OLDEST_OPSET } from './registry.js';

export interface InputSize {
  /** Shape of one sample (batch left out); must agree with every dimension the file fixes. */
  readonly inputShape?: readonly number[];
  /** Fills symbolic dimensions in order, the batch aside: one number for all, or one each. Unused where the file fixes everything. */
  readonly inputSize?: readonly number[];
}

/** The one input that carries data: no initializer, no second one beside it. */
export function dataInput(model: OnnxModel, where: string): ValueInfo {
  const inputs = model.graph.inputs.filter((input) => !model.tensors.has(input.name));
  const [input] = inputs;
  if (input === undefined) throw new PxError('ERR_FILE', `${where} has no input besides its initializers`);
  if (inputs.length > 1) {
    const names = inputs.map((one) => `"${one.name}"`).join(', ');
    throw new PxError(
      'ERR_UNSUPPORTED',
      `${where} has ${inputs.length} inputs (${names}); models with one image input are read. Export it with the others fixed`,
    );
  }
  return input;
}

/**
 * The shape of one sample, and the batch size the file fixes, if any.
 *
 * @throws PxError ERR_OPTION when a symbolic dimension is left open or a given one contradicts the file, ERR_FILE when the input has
 *   no shape
 */
export function sampleShape(
  input: ValueInfo,
  options: InputSize,
  where: string,
): { shape: number[]; baked?: number } {
  const { dims } = input;
  const of = `${where}: input "${input.name}"`;
  if (dims === undefined || dims.length === 0)
    throw new PxError('ERR_FILE', `${of} has no shape with a batch axis; export it with one`);
  const [lead, ...rest] = dims;
  const written = `[${dims.join(', ')}]`;
  const baked = typeof lead === 'number' ? lead : undefined;
  if (baked !== undefined && !(baked >= 1)) throw new PxError('ERR_FILE', `${of} has shape ${written}`);
  const { inputShape, inputSize: size } = options;
  if (inputShape !== undefined && inputShape.length !== rest.length) {
    throw new PxError(
      'ERR_OPTION',
      `${of} has shape ${written}, of which one sample has ${rest.length} dimensions, not ${inputShape.length} as in [${inputShape}]`,
    );
  }
  const open = rest.filter((dim) => typeof dim !== 'number').length;
  if (
    inputShape === undefined &&
    size !== undefined &&
    open > 0 &&
    size.length !== 1 &&
    size.length !== open
  ) {
    throw new PxError(
      'ERR_OPTION',
      `${of} has shape ${written} with ${open} open dimensions besides the batch, but ${size.length} sizes are given`,
    );
  }
  let next = 0;
  const shape = rest.map((dim, i) => {
    const given =
      inputShape?.[i] ?? (typeof dim === 'number' ? dim : (size?.[size.length === 1 ? 0 : next++] ?? 0));
    if (typeof dim === 'number' && given !== dim)
      throw new PxError('ERR_OPTION', `${of} has shape ${written}; [${inputShape}] does not fit it`);
    if (typeof dim === 'number' && !(dim >= 1)) throw new PxError('ERR_FILE', `${of} has shape ${written}`);
    if (!Number.isInteger(given) || given < 1 || given > MAX_VALUE_SIZE) {
      throw new PxError(
        'ERR_OPTION',
        `${of} has shape ${written}: give the size of its open dimensions (--size 224, or --size 224x320)`,
      );
    }
    return given;
  });
  if (shape.length >= MAX_RANK || !(sizeOf(shape) <= MAX_VALUE_SIZE)) {
    throw new PxError(
      'ERR_UNSUPPORTED',
      `${of} has shape ${written}: one sample of [${shape}] is not a size that can be computed`,
    );
  }
  return { shape, ...(baked === undefined ? {} : { baked }) };
}

/** The version of the standard operators, and a warning where it is newer than what was looked at. */
export function standardOpset(model: OnnxModel, where: string): { opset: number; warning?: string } {
  const opset = model.opsets.get('');
  if (opset === undefined) {
    throw new PxError(
      'ERR_FILE',
      `${where} names no opset of the standard operators; check the file with onnx.checker`,
    );
  }
  if (opset < OLDEST_OPSET) {
    const remedy = 'Convert it with onnx.version_converter';
    throw new PxError(
      'ERR_UNSUPPORTED',
      `${where} uses opset ${opset}; ${OLDEST_OPSET} and later are read. ${remedy}`,
    );
  }
  if (opset <= NEWEST_OPSET) return { opset };
  return {
    opset,
    warning: `the model uses opset ${opset}; operators are read as of ${NEWEST_OPSET}, the newest looked at`,
  };
}

/** Names of the outputs that count, in the file's order. @throws PxError ERR_OPTION for a name the model does not have */
export function chosenOutputs(
  model: OnnxModel,
  asked: readonly string[] | undefined,
  where: string,
): readonly string[] {
  const names = model.graph.outputs.map((output) => output.name);
  if (names.length === 0) throw new PxError('ERR_FILE', `${where} has no output`);
  if (asked === undefined) return names;
  const quoted = (list: readonly string[]) => list.map((name) => `"${name}"`).join(', ');
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new PxError('ERR_OPTION', `${where} has no output ${quoted(unknown)}; it has ${quoted(names)}`);
  }
  if (asked.length === 0)
    throw new PxError('ERR_OPTION', `no output is chosen; ${where} has ${quoted(names)}`);
  return names.filter((name) => asked.includes(name));
}
