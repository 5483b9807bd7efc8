/** Operators that are known and refused: why, and the nearest thing to do. Everything else unknown gets the last words. */
const FLOAT_REMEDY = 'prune the float model, and quantise afterwards';
const CONTROL_REMEDY =
  'export with fixed shapes and without branches on data, or fold it with onnx-simplifier';
const OUTPUT_REMEDY =
  'cut the model before it, for example with onnx.utils.extract_model, or choose other outputs';

export const ATTENTION = 'products of two activations (attention) have no path through them yet';
export const ATTENTION_REMEDY = 'prune the convolutional part of the model alone';

interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

function rows(ops: string, reason: string, remedy: string): [string, Refusal][] {
  return ops.split(' ').map((op) => [op, { reason, remedy }]);
}

const REFUSED = new Map<string, Refusal>([
  ...rows('If Loop Scan SequenceMap', 'control flow has no fixed set of paths', CONTROL_REMEDY),
  ...rows(
    'QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger QLinearAdd',
    'it belongs to a quantised graph',
    FLOAT_REMEDY,
  ),
  ...rows(
    'LSTM GRU RNN',
    'recurrent layers use a weight many times on one path',
    'prune the convolutional part alone',
  ),
  ...rows('Attention MultiHeadAttention Einsum', ATTENTION, ATTENTION_REMEDY),
  ...rows(
    'NonMaxSuppression TopK ArgMax ArgMin RoiAlign',
    'it selects by value and has no path through it',
    OUTPUT_REMEDY,
  ),
  ...rows(
    'LRN LpNormalization MeanVarianceNormalization RMSNormalization',
    'this normalisation is not one of those PX is defined for',
    'replace it by BatchNorm, LayerNorm or GroupNorm',
  ),
  ...rows(
    'Where Greater Less Equal Not And Or',
    'it chooses by value; only constants can be chosen from',
    OUTPUT_REMEDY,
  ),
  ...rows('DeformConv GridSample AffineGrid', 'sampling positions that depend on the data', OUTPUT_REMEDY),
  ...rows(
    'ReduceLogSum ReduceLogSumExp ReduceProd ReduceMin LpPool GlobalLpPool',
    'this reduction is not linear in what it reduces',
    OUTPUT_REMEDY,
  ),
  ...rows(
    'Softsign ThresholdedRelu Shrink HardMax Sin Cos Sign Floor Ceil Round Mod',
    'this function is not one of the activations or gates PX is defined for',
    'replace it by a known activation',
  ),
]);

/** @returns why a node without a converter is refused, and what to do */
export function refusal(op: string, domain: string, isFunction: boolean): Refusal {
  const known = domain === '' ? REFUSED.get(op) : undefined;
  if (known !== undefined) return known;
  if (isFunction)
    return {
      reason: 'model-local functions are not expanded',
      remedy: 'inline them with onnx.inliner.inline_local_functions',
    };
  if (domain !== '')
    return {
      reason: `operators of domain "${domain}" are not known`,
      remedy: 'export with standard ONNX operators',
    };
  return {
    reason: 'this operator is not known',
    remedy: 'see docs/operators.md; replace it, or cut the model before it',
  };
}
