import type { Command } from 'commander';
import { writeModel } from '../index.js';
import type { PixelSize } from '../io/data/options.js';
import { refuseSameFile } from '../onnx/patch-external.js';
import { type LoadedModel, loadModel } from '../plan/load.js';
import { type MaskFile, readMaskFile } from '../prune/mask-file.js';
import { countKept, packMask } from '../prune/masks.js';
import { repeated } from './arguments.js';
import { pixelSize } from './data-options.js';
import { openTerminal } from './open-terminal.js';
import { table } from './tables.js';
import type { Terminal } from './terminal.js';
import { count, percent, plural, shapeOf } from './text.js';

/** What `px apply` and `px map` share: masks, and the model whose tensors they are for. */
export interface MaskFlags {
  readonly output: string;
  readonly partial?: boolean;
  readonly size?: PixelSize;
  readonly outputs?: string[];
}

export function addApply(program: Command): void {
  const command = program
    .command('apply')
    .description('write a model with its masked weights zero, from masks made for it or for a copy of it')
    .argument('<masks>', 'safetensors masks, as px prune writes them')
    .argument('<model>', 'ONNX file with tensors of these names and shapes')
    .requiredOption('-o, --output <file>', 'ONNX file to write; external data go beside it');
  addMaskOptions(command, 'keep prunable tensors whole that the masks do not name');
  command.action(async (masks: string, model: string, flags: MaskFlags, self: Command) =>
    run(masks, model, flags, openTerminal(self)),
  );
}

export function addMaskOptions(command: Command, partial: string): Command {
  return command
    .option('--partial', `${partial}, instead of failing`)
    .option('--outputs <name>', 'graph output that counts; repeatable (default: all)', repeated)
    .option('--size <pixels>', 'input size where the file leaves it open, N or HxW', pixelSize);
}

/** Loads the model and the masks for it, and says what is odd about them. */
export async function loadMasked(
  masksPath: string,
  file: string,
  { partial = false, size, outputs }: MaskFlags,
  terminal: Terminal,
): Promise<{ model: LoadedModel; found: MaskFile }> {
  const model = await loadModel(file, { ...(size && { inputSize: size }), ...(outputs && { outputs }) });
  const found = await readMaskFile(masksPath, model.plan.params, { partial });
  const { model_sha256: madeFor } = found.metadata;
  if (madeFor !== undefined && madeFor !== model.sha256) {
    terminal.warn(
      `${masksPath} was made for another file than ${file} (SHA-256 ${short(madeFor)}, here ${short(model.sha256)}); ` +
        'names and shapes agree, which is right for a copy with other weights',
    );
  }
  if (found.missing.length > 0) terminal.warn(`no mask, kept whole: ${found.missing.join(', ')}`);
  return { model, found };
}

async function run(masksPath: string, file: string, flags: MaskFlags, terminal: Terminal): Promise<void> {
  await refuseSameFile(masksPath, flags.output);
  const { model, found } = await loadMasked(masksPath, file, flags, terminal);
  const files = await writeModel(model, found.masks, flags.output);
  const layers = model.plan.params.map(({ name, shape, size, gateOnly }) => {
    const mask = found.masks.get(name);
    const kept = mask === undefined ? size : countKept(packMask(mask));
    const role = mask === undefined ? 'no mask' : gateOnly ? 'gate-only' : 'masked';
    return { name, shape, role, weights: size, kept, density: kept / size };
  });
  const counted = layers.filter((_, id) => !model.plan.params[id]!.gateOnly);
  const countable = counted.reduce((sum, { weights }) => sum + weights, 0);
  const kept = counted.reduce((sum, layer) => sum + layer.kept, 0);
  const rows = layers.map(({ name, shape, role, weights, kept: left, density }) => [
    name,
    shapeOf(shape),
    role === 'masked' ? '' : role,
    count(weights),
    count(left),
    percent(density),
  ]);
  const lines = [
    table(['tensor', 'shape', '', 'weights', 'kept (weights)', 'density'], rows, 3),
    `kept ${count(kept)} of ${plural(countable, 'weight')} (${percent(countable === 0 ? 1 : kept / countable)})`,
    `files: ${files.join(', ')}`,
  ];
  terminal.result(lines.join('\n'), { masks: masksPath, model: file, files, countable, kept, layers });
}

function short(sha256: string): string {
  return `${sha256.slice(0, 12)}…`;
}
