import type { Backend } from '../../src/backend/backend.js';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { webgpuBackend } from '../../src/backend/webgpu/node.js';

/** Every backend there is, with the reason where one cannot run here. PX_REQUIRE=cpu,webgpu turns such a reason into a failure. */
export interface Candidate {
  readonly name: Backend['name'];
  readonly backend?: Backend;
  readonly missing?: string;
}

export async function backends(): Promise<Candidate[]> {
  const required = (process.env.PX_REQUIRE ?? '')
    .split(',')
    .filter((name) => name !== '' && name !== 'browser');
  const found = [
    await attempt('cpu', async () => cpuBackend()),
    await attempt('webgpu', () => webgpuBackend()),
  ];
  for (const name of required) {
    const candidate = found.find((c) => c.name === name);
    if (!candidate?.backend)
      throw new Error(`PX_REQUIRE names "${name}": ${candidate?.missing ?? 'there is no such backend'}`);
  }
  return found;
}

async function attempt(name: Backend['name'], open: () => Promise<Backend>): Promise<Candidate> {
  try {
    return { name, backend: await open() };
  } catch (e) {
    return { name, missing: e instanceof Error ? e.message : String(e) };
  }
}
