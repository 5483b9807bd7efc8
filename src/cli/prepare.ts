import { estimateMemory } from '../analysis/memory.js';
import { forwardMacs, roundMacs } from '../analysis/work.js';
import type { Method } from '../backend/backend.js';
import { openDataset } from '../io/data/open-dataset.js';
import type { Dataset } from '../io/data/types.js';
import { type LoadedModel, loadModel } from '../plan/load.js';
import type { Plan } from '../plan/plan.js';
import { readMasks } from '../prune/mask-file.js';
import type { MaskMap } from '../prune/options.js';
import { askedInputSize, type DataFlags, datasetOptions } from './data-options.js';
import type { RunFlags } from './run-options.js';
import type { Terminal } from './terminal.js';
import { bytes, count, macs, plural, shapeOf } from './text.js';

/** What a scoring command works on. */
export interface Prepared {
  readonly model: LoadedModel;
  readonly dataset: Dataset;
  readonly masks: MaskMap | undefined;
}

/** Loads model, data and masks, and says what was chosen for the user. */
export async function prepare(file: string, flags: RunFlags, terminal: Terminal): Promise<Prepared> {
  const size = askedInputSize(flags);
  const model = await loadModel(file, {
    ...(size && { inputSize: size }),
    ...(flags.outputs && { outputs: flags.outputs }),
  });
  for (const warning of model.warnings) terminal.warn(warning);
  const dataset = await openData(file, model.plan, flags, terminal);
  const masks = flags.masks === undefined ? undefined : await readMasks(flags.masks, model.plan.params);
  return { model, dataset, masks };
}

/** Opens the data for a model's input, and says what was chosen. */
export async function openData(
  file: string,
  plan: Plan,
  flags: DataFlags,
  terminal: Terminal,
): Promise<Dataset> {
  const shape = plan.values[plan.input]!.shape;
  const dataset = await openDataset(flags.data, { shape }, datasetOptions(flags, terminal.signal));
  for (const note of dataset.notes) terminal.note(note);
  for (const { id, reason } of dataset.skipped)
    terminal.warn(`left out ${reason.includes(id) ? '' : `${id}: `}${reason}`);
  terminal.note(`${file}: input ${shapeOf(shape)}; ${plural(dataset.length, 'sample')}`);
  return dataset;
}

/** Memory and work of one scoring round, as text and as data. */
export function estimate(model: LoadedModel, method: Method, sizes: readonly number[]) {
  const microBatch = Math.max(...sizes);
  const samples = sizes.reduce((sum, size) => sum + size, 0);
  const memory = estimateMemory(model.plan, { method, microBatch });
  const data = {
    samples,
    microBatches: sizes,
    memoryBytes: memory.total,
    forwardMacsPerSample: forwardMacs(model.plan),
    roundMacs: roundMacs(model.plan, method, samples),
  };
  const text = [
    `micro-batches: ${count(sizes.length)}, the largest of ${plural(microBatch, 'sample')}`,
    `memory: at most about ${bytes(memory.total)} beside weights and images`,
    `work: ${macs(data.forwardMacsPerSample)} a sample forward, ${macs(data.roundMacs)} a round`,
  ];
  return { data, text };
}
