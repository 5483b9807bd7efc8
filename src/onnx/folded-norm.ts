import type { OnnxModel, OnnxNode } from './proto.js';

/** What became of the network's BatchNorm layers on the way into the file. */
export interface BatchNormReport {
  /** BatchNormalization nodes in the graph. */
  readonly kept: number;
  /** Convolutions whose bias or output carries a name that exporters leave when they fold BatchNorm into them. */
  readonly folded: number;
  /** "possibly folded": every convolution has a bias and nothing normalises, which is also how networks without BatchNorm look. */
  readonly verdict: 'kept' | 'folded' | 'partly folded' | 'possibly folded' | 'none';
  /** What it means for scoring, and how to export instead; absent when there is nothing to say. */
  readonly explanation?: string;
}

/** Names given to folded biases by PyTorch's older exporter, its newer one, and tf2onnx. */
const FOLDED_BIAS = /^(onnx::Conv(Transpose)?_)?\d+$|\.weight_bias$|_fused_bn$/;
/** PyTorch's newer exporter leaves a folded BatchNorm's output name behind, also where the folded bias is 0 and dropped. */
const FOLDED_OUTPUT = /^getitem(_\d+)?$/;
const NORMS = new Set([
  'BatchNormalization',
  'InstanceNormalization',
  'LayerNormalization',
  'GroupNormalization',
]);
/** Fewer convolutions than this tell nothing. */
const FEW = 5;

const LOSS =
  'Under --norm batch the statistics of folded layers are not measured anew as weights go, so deep networks may lose whole layers at low density.';
const REMEDY =
  'Export with BatchNorm kept, from PyTorch with torch.onnx.export(model.eval(), ..., dynamo=False, do_constant_folding=False) or (..., dynamo=True, optimize=False).';

/** Looks for BatchNorm layers that an exporter folded into the convolutions before them. */
export function batchNormReport(model: OnnxModel): BatchNormReport {
  const { nodes } = model.graph;
  const kept = nodes.filter((node) => node.opType === 'BatchNormalization').length;
  const convolutions = nodes.filter((node) => node.opType === 'Conv' || node.opType === 'ConvTranspose');
  const biased = convolutions.filter((node) => biasOf(node) !== '');
  const renamed = (node: OnnxNode) =>
    model.producer.startsWith('pytorch') && FOLDED_OUTPUT.test(node.outputs[0] ?? '');
  const folded = convolutions.filter((node) => FOLDED_BIAS.test(biasOf(node)) || renamed(node)).length;
  if (folded > 0) {
    const verdict = kept > 0 ? 'partly folded' : 'folded';
    const explanation = `the exporter folded BatchNorm into ${folded} of ${convolutions.length} convolutions. ${LOSS} ${REMEDY}`;
    return { kept, folded, verdict, explanation };
  }
  if (kept > 0) return { kept, folded, verdict: 'kept' };
  const normalised = nodes.some((node) => NORMS.has(node.opType));
  if (!normalised && convolutions.length >= FEW && biased.length >= 0.9 * convolutions.length) {
    // PyTorch's exporters rename what they fold, so a module's own names tell that they did not.
    const own = model.producer.startsWith('pytorch') && biased.every(hasOwnBias);
    const who = own ? 'before the export (fuse_conv_bn and the like)' : 'on the way into this file';
    const instead = own ? 'Export the model as it was before that.' : REMEDY;
    const explanation = `no layer normalises and ${biased.length} of ${convolutions.length} convolutions have a bias: either the network has no BatchNorm, and nothing is lost, or it was folded ${who}. ${LOSS} ${instead}`;
    return { kept, folded, verdict: 'possibly folded', explanation };
  }
  return { kept, folded, verdict: 'none' };
}

/** Are weight and bias "<module>.weight" and "<module>.bias"? */
function hasOwnBias(node: OnnxNode): boolean {
  const module = /^(.*)\.bias$/.exec(biasOf(node))?.[1];
  return module !== undefined && node.inputs[1] === `${module}.weight`;
}

function biasOf(node: OnnxNode): string {
  return node.inputs[2] ?? '';
}
