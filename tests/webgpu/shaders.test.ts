import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bindingsOf } from '../../src/backend/webgpu/pipelines.js';
import { SHADERS } from '../../src/backend/webgpu/shaders.generated.js';
import { webgpuDevice } from '../support/webgpu.js';

const folder = fileURLToPath(new URL('../../shaders', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.wgsl'));
const read = (name: string) => readFileSync(`${folder}/${name}`, 'utf8').replaceAll('\r\n', '\n');
const stem = (name: string) => name.replace('.wgsl', '') as keyof typeof SHADERS;
const device = await webgpuDevice();

describe.each(files)('%s', (name) => {
  it('is in the module that is bundled, as it stands', () => {
    expect(SHADERS[stem(name)]).toBe(read(name));
  });

  it('opens with its formula, and names the file of its plain loop', () => {
    const head = read(name).split('\n\n')[0]!.split('\n');
    expect(head.every((line) => line.startsWith('//'))).toBe(true);
    const comment = read(name).slice(0, read(name).search(/^[^/\n]/m));
    const loop = /Plain loop: (\S+\.ts)/.exec(comment)?.[1];
    expect(loop, 'Plain loop: ...').toBeDefined();
    expect(() => readFileSync(fileURLToPath(new URL(`../../${loop}`, import.meta.url)))).not.toThrow();
  });

  it('binds parameters, slots and at most 8 storage buffers', () => {
    const bindings = bindingsOf(stem(name));
    expect(bindings.map(({ index }) => index)).toEqual(bindings.map((_, i) => i));
    expect(bindings.slice(0, 2).map(({ type }) => type)).toEqual(['uniform', 'storage']);
    expect(bindings.length - 1).toBeLessThanOrEqual(8);
  });

  it.skipIf(!device)('compiles by itself', async () => {
    device!.pushErrorScope('validation');
    device!.createShaderModule({ code: read(name) });
    expect((await device!.popErrorScope())?.message).toBeUndefined();
  });
});

it('every shader says the same of powers of two', () => {
  for (const helper of ['fn pow2', 'fn lift', 'fn place(i: u32) -> vec4u']) {
    const bodies = files.flatMap((name) => {
      const text = read(name);
      const at = text.indexOf(helper);
      if (at < 0) return [];
      const body = text.slice(at, text.indexOf('\n}\n', at));
      // sum.wgsl's tensors begin at their beginning.
      return [body.replace('vec4u(params.a_offset, 0u, 0u, params.out_offset)', 'vec4u()')];
    });
    expect(bodies.length, helper).toBeGreaterThan(1);
    expect(new Set(bodies).size, helper).toBe(1);
  }
});
