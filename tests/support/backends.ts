import type { Backend } from '../../src/backend/backend.js';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { webgpuBackend } from '../../src/backend/webgpu/node.js';

/**
 * Every backend there is, with the reason where one cannot run here. PX_REQUIRE=cpu,webgpu turns such a reason into a failure;
 * PX_BACKENDS=cpu looks for no other.
 */
export interface Candidate {
  readonly name: Backend['name'];
  readonly backend?: Backend;
  readonly missing?: string;
}

const KNOWN: Readonly<Partial<Record<Backend['name'], () => Promise<Backend>>>> = {
  cpu: async () => cpuBackend(),
  webgpu: () => webgpuBackend(),
};

const listed = (variable: string) => (process.env[variable] ?? '').split(',').filter(Boolean);

export async function backends(): Promise<Candidate[]> {
  const wanted = listed('PX_BACKENDS');
  const found: Candidate[] = [];
  for (const [name, open] of Object.entries(KNOWN))
    if (wanted.length === 0 || wanted.includes(name))
      found.push(await attempt(name as Backend['name'], open));
  for (const name of listed('PX_REQUIRE')) {
    if (name === 'browser') continue; // no backend: tests/support/chromium.ts
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
