import type { Command } from 'commander';
import { writeFileAtomic } from '../io/atomic.js';
import { MODEL_NAMES, newModel } from '../models/new-model.js';
import { readStateDict } from '../models/state-dict.js';
import { wholeNumber } from './arguments.js';
import { openTerminal } from './open-terminal.js';
import { bytes } from './text.js';

interface Flags {
  readonly output: string;
  readonly seed?: number;
  readonly classes?: number;
  readonly size?: number;
  readonly channels?: number;
  readonly shortcut?: 'projection' | 'padding';
  readonly weights?: string;
}

export function addNew(program: Command): void {
  program
    .command('new')
    .description(
      'write a classic network as ONNX, freshly initialised (Kaiming normal, fan-in) or with given weights',
    )
    .argument('<network>', MODEL_NAMES.join(', '))
    .requiredOption('-o, --output <file>', 'ONNX file to write')
    .option('--seed <integer>', 'seed of the initial weights (default: 0)', wholeNumber)
    .option(
      '--classes <count>',
      'width of the output (default: 10 for CIFAR networks, else 1000)',
      wholeNumber,
    )
    .option(
      '--size <pixels>',
      'height and width of the input (default: 32 for CIFAR networks, else 224)',
      wholeNumber,
    )
    .option('--channels <count>', 'input channels (default: 3)', wholeNumber)
    .option('--shortcut <kind>', 'resnet20/32/56: projection (1×1 convolution, the default) or padding')
    .option('--weights <file>', 'safetensors state_dict that names exactly the tensors of the network')
    .action(async (network: string, flags: Flags, command: Command) => {
      const terminal = openTerminal(command);
      const { output, weights, ...options } = flags;
      const trained = weights === undefined ? {} : { weights: await readStateDict(weights) };
      const model = newModel(network, { ...options, ...trained });
      await writeFileAtomic(output, model);
      terminal.result(`${output}: ${network}, ${bytes(model.length)}`, {
        file: output,
        network,
        bytes: model.length,
      });
    });
}
