import { PxError } from '../errors.js';
import { fuse } from '../graph/fuse.js';
import type { Graph } from '../graph/graph.js';
import { batchNormReport } from '../onnx/folded-norm.js';
import { type ImportOptions, importModel } from '../onnx/import.js';
import { describeProblem } from '../onnx/problem.js';
import type { OnnxModel } from '../onnx/proto.js';
import { readWeight } from '../onnx/tensor-data.js';
import { buildPlan } from './build.js';
import type { Plan } from './plan.js';

/** Which outputs count (`outputs`), and the input size where the file leaves it open (`inputShape` or `inputSize`). */
export type LoadOptions = ImportOptions;

export interface LoadedModel {
  /** The file as read; the writer patches its bytes. */
  readonly onnx: OnnxModel;
  readonly graph: Graph;
  readonly plan: Plan;
  /** Values of `plan.params`, in that order, stored layout, float32. */
  readonly weights: readonly Float32Array[];
  readonly inputName: string;
  /** Shape of one sample. */
  readonly inputShape: readonly number[];
  /** The batch size the file fixes, if it does; scoring ignores it. */
  readonly bakedBatch?: number;
  /** Identifies the model, external data included (see readModel). */
  readonly sha256: string;
  readonly warnings: readonly string[];
}

/**
 * Prepares a decoded model for scoring.
 *
 * @param sha256 what identifies it (see readModel)
 * @throws PxError ERR_FILE (malformed), ERR_UNSUPPORTED (every node that cannot be treated, at once), ERR_OPTION (unknown output, input
 *   size open), ERR_NUMERIC (a weight that is NaN or infinite), and what reading external data raises
 */
export async function prepareModel(
  model: OnnxModel,
  sha256: string,
  options: LoadOptions = {},
): Promise<LoadedModel> {
  const where = model.file ?? 'the model';
  const imported = importModel(model, options);
  const graph = fuse(imported.graph);
  const { plan, warnings } = buildPlan(graph, where);
  for (const { name } of plan.params) {
    const user = imported.usedAsConstant.get(name);
    if (user === undefined) continue;
    throw new PxError(
      'ERR_UNSUPPORTED',
      `${where}: tensor "${name}" is a weight, but ${user} uses it as a constant, which pruning would change; store it twice`,
    );
  }
  const weights: Float32Array[] = [];
  for (const { name } of plan.params) weights.push(await weightOf(model, name, where));
  return {
    onnx: model,
    graph,
    plan,
    weights,
    inputName: imported.inputName,
    inputShape: imported.inputShape,
    ...(imported.bakedBatch === undefined ? {} : { bakedBatch: imported.bakedBatch }),
    sha256,
    warnings: [
      ...imported.warnings,
      ...imported.ignored.map(
        (problem) => `not needed by the outputs that count, and left out: ${describeProblem(problem)}`,
      ),
      ...warnings,
      ...foldedWarning(model),
    ],
  };
}

function foldedWarning(model: OnnxModel): string[] {
  const { explanation } = batchNormReport(model);
  return explanation === undefined ? [] : [explanation];
}

async function weightOf(model: OnnxModel, name: string, where: string): Promise<Float32Array> {
  const record = model.tensors.get(name);
  if (record === undefined)
    throw new PxError('ERR_FILE', `${where}: weight "${name}" is not stored in the file`);
  const values = await readWeight(model, record);
  // A plain loop: a callback per weight takes seconds on large models.
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new PxError(
        'ERR_NUMERIC',
        `${where}: weight "${name}" has ${values[i]} at index ${i}; repair the file`,
      );
    }
  }
  return values;
}
