import type { Command } from 'commander';
import { Terminal } from './terminal.js';

/** The terminal as the global options want it. */
export function openTerminal(command: Command): Terminal {
  const { json, quiet } = command.optsWithGlobals<{ json?: boolean; quiet?: boolean }>();
  return new Terminal(json === true, quiet === true);
}
