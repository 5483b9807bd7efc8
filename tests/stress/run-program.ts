import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds since 1970 at the process's end. */
  readonly at: number;
}

/** Runs a program of ./programs in a process of its own: what crashes there must not take the test with it. */
export function runProgram(name: string, args: readonly string[] = [], nodeArgs: readonly string[] = []) {
  const file = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [...nodeArgs, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  return new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    let at = 0;
    child.on('exit', () => (at = Date.now()));
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr, at }));
  });
}

/** Runs a program to a good end and returns what it printed. */
export async function resultOf(name: string, args: readonly string[] = [], nodeArgs: readonly string[] = []) {
  const { code, signal, stdout, stderr } = await runProgram(name, args, nodeArgs);
  if (code !== 0 || stderr !== '')
    throw new Error(`${name} ${args.join(' ')} ended with ${signal ?? code}:\n${stdout}${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
