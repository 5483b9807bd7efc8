import type { Command } from 'commander';
import { score } from '../index.js';
import { checkWritable } from '../io/atomic.js';
import { splitMicroBatches } from '../io/data/micro-batch.js';
import { parseScoreOptions } from '../prune/options.js';
import { writeScores } from '../prune/score-file.js';
import { addDataOptions } from './data-options.js';
import { openTerminal } from './open-terminal.js';
import { estimate, prepare } from './prepare.js';
import { showProgress } from './progress.js';
import { addRunOptions, openBackend, type RunFlags, scoreOptions } from './run-options.js';
import { layerTable } from './tables.js';
import type { Terminal } from './terminal.js';
import { duration, plural, powerOfTwo } from './text.js';

interface Flags extends RunFlags {
  readonly output?: string;
}

export function addScore(program: Command): void {
  const command = program
    .command('score')
    .description("score every prunable weight: its share in the bound of the NTK's trace")
    .argument('<model>', 'ONNX file')
    .option('-o, --output <file>', 'safetensors file for the scores (default: only the table is printed)');
  addRunOptions(addDataOptions(command));
  command.action((model: string, flags: Flags, self: Command) => {
    const terminal = openTerminal(self);
    return terminal.interruptible(() => run(model, flags, terminal));
  });
}

async function run(file: string, flags: Flags, terminal: Terminal): Promise<void> {
  parseScoreOptions(scoreOptions(flags)); // refused before a large model is read
  if (flags.output !== undefined && flags.dryRun !== true) await checkWritable(flags.output);
  const { model, dataset, masks } = await prepare(file, flags, terminal);
  const progress = showProgress(terminal.quiet);
  try {
    const options = { ...scoreOptions(flags), masks };
    if (flags.dryRun === true) {
      const { method, microBatch } = parseScoreOptions(options);
      const { text, data } = estimate(model, method, splitMicroBatches(dataset.length, microBatch));
      return terminal.result(text.join('\n'), data);
    }
    const { signal } = terminal;
    const backend = await openBackend(flags, terminal);
    const result = await score(model, dataset, {
      ...options,
      backend,
      signal,
      onProgress: (at) => progress.update(at),
    });
    progress.stop();
    if (flags.output !== undefined) await writeScores(flags.output, model.plan.params, model.sha256, result);
    if (result.log2.R === Number.NEGATIVE_INFINITY) {
      terminal.warn('R is 0: with these masks no path leads from input to output, and all scores are 0');
    }
    const { log2, layers, method, norm, samples, microBatches, dataDigest, seconds } = result;
    const lines = [
      layerTable(layers),
      `R = ${powerOfTwo(log2.R)}${log2.Jfv2 === undefined ? '' : `, ‖J_v f‖² = ${powerOfTwo(log2.Jfv2)}, ‖J_θ v‖² = ${powerOfTwo(log2.Jvt2!)}`}`,
      `method ${method}, norm ${norm}, ${plural(samples, 'sample')} in ${plural(microBatches.length, 'micro-batch', 'micro-batches')}, ` +
        `${duration(seconds)} on ${result.backend}`,
      ...(flags.output === undefined ? [] : [`scores: ${flags.output}`]),
    ];
    terminal.result(lines.join('\n'), {
      model: file,
      modelSha256: model.sha256,
      method,
      norm,
      samples,
      microBatches,
      dataDigest,
      backend: result.backend,
      log2,
      layers,
      seconds,
      scores: flags.output ?? null,
    });
  } finally {
    progress.stop();
    await dataset.close();
  }
}
