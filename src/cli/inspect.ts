import type { Command } from 'commander';
import type { PixelSize } from '../io/data/options.js';
import { describeProblem } from '../onnx/problem.js';
import { type Inspection, inspectModel } from '../plan/inspect.js';
import { repeated } from './arguments.js';
import { pixelSize } from './data-options.js';
import { openTerminal } from './open-terminal.js';
import { table } from './tables.js';
import { bytes, count, plural, shapeOf } from './text.js';

interface Flags {
  readonly size?: PixelSize;
  readonly outputs?: string[];
}

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description('what a model is made of, what would be pruned, what is not understood')
    .argument('<model>', 'ONNX file')
    .option('--size <pixels>', 'input size where the file leaves it open, N or HxW', pixelSize)
    .option('--outputs <name>', 'graph output that counts; repeatable (default: all)', repeated)
    .action(async (file: string, { size, outputs }: Flags, command: Command) => {
      const terminal = openTerminal(command);
      const found = await inspectModel(file, {
        ...(size && { inputSize: size }),
        ...(outputs && { outputs }),
      });
      terminal.result(describe(file, found), found);
      for (const warning of found.warnings) terminal.warn(warning);
    });
}

function describe(file: string, found: Inspection): string {
  const { input, outputs, tensors, batchNorm, problems } = found;
  const opsets = Object.entries(found.opsets).map(([domain, version]) => `${domain} ${version}`);
  const sections = [
    [
      `${file}: ${bytes(found.bytes)}, ${plural(found.nodes, 'node')}, opset ${opsets.join(', ')}, IR version ${found.irVersion}, ` +
        `by ${found.producer === '' ? 'an unnamed exporter' : found.producer}`,
      `SHA-256 ${found.sha256}`,
      `input: ${input.name} [${input.declared.join(', ')}], one sample ${shapeOf(input.sample)}`,
      `outputs: ${outputs.map(({ name, shape }) => (shape ? `${name} ${shapeOf(shape)}` : name)).join(', ')}`,
      `nodes: ${found.ops.map(({ op, count: times }) => `${op} ${times}`).join(', ')}`,
      `BatchNorm: ${batchNorm.verdict} (${plural(batchNorm.kept, 'node')} kept, ${plural(batchNorm.folded, 'convolution')} folded)`,
    ].join('\n'),
    table(
      ['tensor', 'shape', 'type', 'op', 'uses', 'weights', ''],
      tensors.map(({ name, shape, dataType, op, uses, size, role }) => [
        name,
        shapeOf(shape),
        dataType,
        op,
        plural(uses, 'use'),
        count(size),
        role === 'prunable' ? '' : role,
      ]),
      5,
    ),
    totals(tensors),
  ];
  if (problems.length > 0) {
    const list = problems.map((problem) => `  ${describeProblem(problem)}`);
    sections.push(
      [
        `not understood, so that the model cannot be scored (${plural(problems.length, 'problem')}):`,
        ...list,
      ].join('\n'),
    );
  }
  return sections.join('\n\n');
}

function totals(tensors: Inspection['tensors']): string {
  const lines = (['prunable', 'gate-only', 'unknown'] as const).flatMap((role) => {
    const of = tensors.filter((tensor) => tensor.role === role);
    if (of.length === 0) return [];
    return [
      `${role}: ${plural(
        of.reduce((sum, { size }) => sum + size, 0),
        'weight',
      )} in ${plural(of.length, 'tensor')}`,
    ];
  });
  return lines.length === 0
    ? 'nothing prunable: no Conv, ConvTranspose, Gemm or MatMul with a stored weight'
    : lines.join('\n');
}
