import type { Command } from 'commander';
import { PxError } from '../errors.js';
import { verifyRun } from '../prune/verify.js';
import { openTerminal } from './open-terminal.js';

const SYMBOLS = { passed: 'ok', failed: 'FAILED', skipped: 'not checked' } as const;

export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('check the folder of a finished run: hashes, counts, zeros exactly where the masks prune')
    .argument('<folder>', 'folder of a px prune run')
    .option('--model <file>', 'the input model (default: where run.json says it was)')
    .action(async (folder: string, flags: { readonly model?: string }, command: Command) => {
      const terminal = openTerminal(command);
      const checks = await verifyRun(folder, flags.model);
      const failed = checks.filter((check) => check.outcome === 'failed');
      const lines = checks.map(
        ({ name, outcome, detail }) => `${SYMBOLS[outcome].padEnd(11)}  ${name}: ${detail}`,
      );
      const text = lines.join('\n');
      const data = { folder, passed: failed.length === 0, checks };
      if (failed.length === 0) return terminal.result(text, data);
      const names = failed.map((check) => check.name).join(', ');
      const message = `${folder} is not what its run left: ${names}; prune again to get it back`;
      terminal.failedResult(text, data, new PxError('ERR_MISMATCH', message));
    });
}
