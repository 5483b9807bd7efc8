import type { Command } from 'commander';
import { PxError } from '../errors.js';
import { mapMasks } from '../index.js';
import { type SafeTensor, writeSafetensors } from '../io/safetensors.js';
import { refuseSameFile } from '../onnx/patch-external.js';
import type { MappedMask } from '../prune/state-dict/map.js';
import { addMaskOptions, loadMasked, type MaskFlags } from './apply.js';
import { openTerminal } from './open-terminal.js';
import { table } from './tables.js';
import type { Terminal } from './terminal.js';
import { count, plural, shapeOf } from './text.js';

export function addMap(program: Command): void {
  const command = program
    .command('map')
    .description("write masks under a PyTorch state_dict's names and layouts, matched by the weights' values")
    .argument('<masks>', 'safetensors masks, as px prune writes them')
    .argument('<model>', 'ONNX file the masks were made for')
    .argument('<state_dict>', 'safetensors state_dict with the weights that the model was exported with')
    .requiredOption('-o, --output <file>', 'safetensors file to write');
  addMaskOptions(command, 'leave out masks that are missing or whose weights are not found');
  command.action(async (masks: string, model: string, stateDict: string, flags: MaskFlags, self: Command) =>
    run(masks, model, stateDict, flags, openTerminal(self)),
  );
}

async function run(
  masksPath: string,
  file: string,
  stateDict: string,
  flags: MaskFlags,
  terminal: Terminal,
): Promise<void> {
  refusePickle(stateDict);
  const { output, partial } = flags;
  for (const input of [masksPath, file, stateDict]) await refuseSameFile(input, output);
  const { model, found } = await loadMasked(masksPath, file, flags, terminal);
  const options = partial === undefined ? {} : { partial };
  const { mapped, unmatched, unmasked } = await mapMasks(model, found.masks, stateDict, options);
  for (const { onnx, reason } of unmatched) terminal.warn(`left out '${onnx}': ${reason}`);
  const guessed = mapped.filter(({ by }) => by === 'order').map(({ stateDict: name }) => name);
  if (guessed.length > 0) {
    terminal.warn(`equal contents, told apart by their order alone: ${guessed.join(', ')}; check them`);
  }
  if (unmasked.length > 0) terminal.note(`no mask for: ${unmasked.join(', ')}`);

  const tensors = new Map<string, SafeTensor>(
    mapped.map(({ stateDict: name, shape, mask }) => [name, { dtype: 'U8', shape, data: mask }]),
  );
  await writeSafetensors(output, tensors, { ...found.metadata, layout: 'state_dict' });
  const weights = mapped.reduce((sum, { mask }) => sum + mask.length, 0);
  const kept = mapped.reduce((sum, tensor) => sum + tensor.kept, 0);
  const lines = [
    table(
      ['tensor', 'state_dict', 'shape', 'layout', 'matched by', 'weights', 'kept (weights)'],
      mapped.map(row),
      5,
    ),
    `kept ${count(kept)} of ${plural(weights, 'weight')} in ${plural(mapped.length, 'tensor')}`,
    `masks: ${output}`,
  ];
  terminal.result(lines.join('\n'), {
    masks: output,
    weights,
    kept,
    tensors: mapped.map(({ mask, ...tensor }) => ({ ...tensor, weights: mask.length })),
    unmatched,
    unmasked,
  });
}

function row({ onnx, stateDict, shape, layout, scaled, by, mask, kept }: MappedMask): string[] {
  const how = scaled ? `${by}, scaled by folded BatchNorm` : by;
  return [
    onnx,
    stateDict,
    shapeOf(shape),
    layout === 'same' ? '' : layout,
    how,
    count(mask.length),
    count(kept),
  ];
}

/** What torch.save writes is a pickle, which can run code; it is not read here. */
function refusePickle(path: string): void {
  if (!/\.(pt|pth|bin|ckpt|tar)$/i.test(path)) return;
  throw new PxError(
    'ERR_OPTION',
    `${path}: a state_dict is read as safetensors; write one with safetensors.torch.save_file(model.state_dict(), 'state.safetensors')`,
  );
}
