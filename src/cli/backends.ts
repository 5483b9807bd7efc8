import type { Command } from 'commander';
import { cpuBackend } from '../backend/native/cpu.js';
import { webgpuAdapters } from '../backend/webgpu/node.js';
import { isSoftware } from '../backend/webgpu/types.js';
import { PxError } from '../errors.js';
import { openTerminal } from './open-terminal.js';
import { table } from './tables.js';

interface Listed {
  readonly backend: 'cpu' | 'webgpu';
  /** What --adapter takes. */
  readonly adapter?: number;
  readonly name: string;
  readonly note?: string;
}

export function addBackends(program: Command): void {
  program
    .command('backends')
    .description('what can compute here: the cpu backend, and the adapters that WebGPU finds')
    .action(async (_: unknown, command: Command) => {
      const terminal = openTerminal(command);
      const found = [...(await attempt('cpu', cpu)), ...(await attempt('webgpu', webgpu))];
      const rows = found.map(({ backend, adapter, name, note }) => [
        backend,
        adapter === undefined ? '' : String(adapter),
        name,
        note ?? '',
      ]);
      terminal.result(table(['--backend', '--adapter', 'name', ''], rows, 4), { backends: found });
    });
}

async function cpu(): Promise<Listed[]> {
  return [{ backend: 'cpu', name: cpuBackend().description, note: 'the default' }];
}

async function webgpu(): Promise<Listed[]> {
  const adapters = await webgpuAdapters();
  if (adapters.length === 0) return [{ backend: 'webgpu', name: '–', note: 'no adapter' }];
  return adapters.map(({ name, api }, adapter) => ({
    backend: 'webgpu',
    adapter,
    name: `${name} (${api})`,
    ...(isSoftware(name) && { note: 'software: never chosen by auto' }),
  }));
}

/** A backend that cannot be used is listed with its reason. */
async function attempt(backend: Listed['backend'], list: () => Promise<Listed[]>): Promise<Listed[]> {
  try {
    return await list();
  } catch (error) {
    if (!(error instanceof PxError)) throw error;
    return [{ backend, name: '–', note: error.message }];
  }
}
