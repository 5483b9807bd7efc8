import type { PxError } from '../errors.js';
import { fuse } from '../graph/fuse.js';
import type { Graph } from '../graph/graph.js';
import { weightOf } from '../graph/graph.js';
import { sizeOf } from '../graph/tensor.js';
import { dataType } from '../onnx/data-types.js';
import { type BatchNormReport, batchNormReport } from '../onnx/folded-norm.js';
import { type ImportOptions, importPartly } from '../onnx/import.js';
import type { Problem } from '../onnx/problem.js';
import type { OnnxModel } from '../onnx/proto.js';
import { readModel } from '../onnx/read.js';
import { buildPlan, partlyProblems, planProblems } from './build.js';
import type { Plan } from './plan.js';

/** A tensor that a Conv, ConvTranspose, Gemm or MatMul multiplies with. */
export interface InspectedTensor {
  readonly name: string;
  /** As stored. */
  readonly shape: readonly number[];
  readonly size: number;
  readonly dataType: string;
  /** First consuming node. */
  readonly op: string;
  readonly node: string;
  /** How many nodes use it. */
  readonly uses: number;
  /** 'gate-only': no input-output path crosses it, it stays dense. 'unknown': the graph is not understood as a whole. */
  readonly role: 'prunable' | 'gate-only' | 'unknown';
}

export interface Inspection {
  readonly file?: string;
  readonly bytes: number;
  readonly sha256: string;
  /** "pytorch 2.1.0", or '' when the file does not say. */
  readonly producer: string;
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly nodes: number;
  /** How often each operator occurs, the most frequent first. */
  readonly ops: readonly { readonly op: string; readonly count: number }[];
  /** As the file declares it (strings are symbolic), and the shape of one sample that was looked at. */
  readonly input: {
    readonly name: string;
    readonly declared: readonly (number | string)[];
    readonly sample: readonly number[];
  };
  /** Shapes are per sample; absent where the graph is not understood up to there. */
  readonly outputs: readonly { readonly name: string; readonly shape?: readonly number[] }[];
  readonly tensors: readonly InspectedTensor[];
  readonly batchNorm: BatchNormReport;
  /** Everything that would refuse the model, all at once; empty when it can be scored. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Looked at where the file leaves the input size open and the caller gives none. */
const DEFAULT_SIZE = 224;

/**
 * Describes a model for `px inspect`: what is prunable, gate-only, folded or not understood. Does not throw for what cannot be
 * treated; that is listed in `problems`.
 *
 * @throws PxError ERR_IO or ERR_FILE when there is no readable model, ERR_UNSUPPORTED for an opset or inputs that are not read at all
 */
export async function inspectModel(
  source: string | Uint8Array,
  options: ImportOptions = {},
): Promise<Inspection> {
  const { model, sha256 } = await readModel(source);
  const { partly, assumed } = importWithSize(model, options);
  const problems: Problem[] = [...partly.blocking];
  const warnings = [...partly.warnings];
  if (assumed) warnings.push(`the file leaves the input size open; ${DEFAULT_SIZE} is assumed here (--size)`);
  const graph = fuse(partly.graph);
  let plan: Plan | undefined;
  if (problems.length > 0) problems.push(...partlyProblems(graph, partly.looseEnds));
  else {
    problems.push(...planProblems(graph));
    if (problems.length === 0) {
      const built = buildPlan(graph, model.file ?? 'the model');
      plan = built.plan;
      warnings.push(...built.warnings);
    }
  }
  const batchNorm = batchNormReport(model);
  if (batchNorm.explanation !== undefined) warnings.push(batchNorm.explanation);
  const shapes = new Map(partly.graph.outputs.map(({ name, value }) => [name, graph.values[value]!.shape]));
  return {
    ...(model.file === undefined ? {} : { file: model.file }),
    bytes: model.bytes.length,
    sha256,
    producer: model.producer,
    irVersion: model.irVersion,
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    nodes: model.graph.nodes.length,
    ops: countOps(model),
    input: { name: partly.inputName, declared: partly.declared, sample: partly.inputShape },
    outputs: model.graph.outputs.map(({ name }) => {
      const shape = shapes.get(name);
      return { name, ...(shape === undefined ? {} : { shape }) };
    }),
    tensors: describeTensors(model, graph, plan),
    batchNorm,
    problems,
    warnings,
  };
}

function importWithSize(model: OnnxModel, options: ImportOptions) {
  try {
    return { partly: importPartly(model, options), assumed: false };
  } catch (error) {
    if (
      (error as PxError).code !== 'ERR_OPTION' ||
      options.inputShape !== undefined ||
      options.inputSize !== undefined
    )
      throw error;
    return { partly: importPartly(model, { ...options, inputSize: [DEFAULT_SIZE] }), assumed: true };
  }
}

function countOps(model: OnnxModel): Inspection['ops'] {
  const counts = new Map<string, number>();
  for (const { domain, opType } of model.graph.nodes) {
    const op = domain === '' ? opType : `${domain}.${opType}`;
    counts.set(op, (counts.get(op) ?? 0) + 1);
  }
  return [...counts]
    .map(([op, count]) => ({ op, count }))
    .sort((a, b) => b.count - a.count || (a.op < b.op ? -1 : 1));
}

function describeTensors(model: OnnxModel, graph: Graph, plan: Plan | undefined): InspectedTensor[] {
  const gateOnly = new Set(plan?.params.filter((param) => param.gateOnly).map((param) => param.name));
  const found = new Map<string, InspectedTensor>();
  for (const node of graph.nodes) {
    const weight = weightOf(node);
    if (weight === undefined) continue;
    const { tensor: name, stored: shape } = weight;
    const before = found.get(name);
    const role = plan === undefined ? 'unknown' : gateOnly.has(name) ? 'gate-only' : 'prunable';
    const { op, name: first } = node.origin;
    const type = dataType(model.tensors.get(name)?.dataType ?? 0).name;
    found.set(
      name,
      before
        ? { ...before, uses: before.uses + 1 }
        : { name, shape, size: sizeOf(shape), dataType: type, op, node: first, uses: 1, role },
    );
  }
  return [...found.values()];
}
