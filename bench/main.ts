/**
 * npm run bench: checks the results of what it is about to measure, then measures it.
 *
 *   npm run bench -- --only rounds --models resnet20 --threads 1,2 --json bench.json
 *   npm run bench -- --quick
 *   npm run bench -- --only rounds --peer px_torch.py --python python3
 *
 * scripts/setup.mjs has run before. Tables go to stdout, what is going on to stderr.
 */
import { spawnSync } from 'node:child_process';
import { describeMachine } from '../src/bench/machine.js';
import { machineLine } from '../src/cli/bench-tables.js';
import { Terminal } from '../src/cli/terminal.js';
import { PxError } from '../src/errors.js';
import { writeFileAtomic } from '../src/io/atomic.js';
import { parseOptions } from './options.js';
import { measureSections } from './sections.js';

const terminal = new Terminal(false, false);
try {
  const options = parseOptions(process.argv.slice(2));
  const machine = describeMachine();
  console.log(machineLine(machine));
  await terminal.interruptible(async () => {
    const sections = await measureSections(options, terminal);
    if (options.json === undefined) return;
    const record = { machine, commit: commit(), date: new Date().toISOString(), options, ...sections };
    // In one piece at the end: a run that is stopped leaves no file, or the one of before.
    await writeFileAtomic(options.json, `${JSON.stringify(record, null, 2)}\n`);
  });
} catch (error) {
  if (!(error instanceof PxError)) throw error;
  process.stderr.write(`bench: ${error.message} (${error.code})\n`);
  process.exitCode = error.exitCode;
}

/** What was measured; null outside a checkout. */
function commit(): string | null {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=12'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : null;
}
