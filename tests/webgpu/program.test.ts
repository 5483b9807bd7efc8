import { afterAll, describe, expect, it } from 'vitest';
import type { CompileOptions, Program } from '../../src/backend/backend.js';
import { webgpuBackend } from '../../src/backend/webgpu/index.js';
import { PxError } from '../../src/errors.js';
import type { Plan } from '../../src/plan/plan.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';
import { webgpuGpu } from '../support/webgpu.js';

const gpu = await webgpuGpu();

interface Net {
  readonly plan: Plan;
  readonly weights: Float32Array[];
}

/** Few channels: small kernels, which a software adapter compiles quickly. */
function convNet(size: number, channels: number, layers: number): Net {
  const m = new PlanMaker([3, size, size], randomStream(3));
  let v = 0;
  for (let i = 0; i < layers; ++i) v = m.leaky(m.batchNorm(m.conv(v, channels, { pad: 1 })), 0);
  m.output(m.dense(m.flatten(m.averagePool(v, size)), 5));
  return { plan: m.plan(), weights: m.weights };
}

const code = (e: unknown) => (e instanceof PxError ? e.code : e);

describe.skipIf(!gpu)('the WebGPU program', async () => {
  const backend = gpu ? await webgpuBackend(gpu) : undefined;
  afterAll(() => backend?.destroy());
  const compile = (net: Net, o: Partial<CompileOptions> = {}): Promise<Program> =>
    backend!.compile(net.plan, net.weights, { method: 'px', norm: 'batch', ...o });

  it('says what it runs on', () => {
    expect(backend!.name).toBe('webgpu');
    expect(backend!.description).toMatch(/^webgpu \S/);
  });

  it('refuses overlapping calls', async () => {
    const program = await compile(convNet(8, 4, 2));
    program.begin();
    const x = new Float32Array(4 * 192).fill(0.5);
    const first = program.push(x, 4);
    await expect(program.push(x, 4).catch(code)).resolves.toBe('ERR_STATE');
    await first;
    await program.finish();
    program.dispose();
  });

  it('stops a running push within 200 ms, and starts afresh', async () => {
    const program = await compile(convNet(64, 4, 12));
    program.begin();
    const x = new Float32Array(32 * 3 * 64 * 64).fill(0.25);
    const running = program.push(x, 32).catch(code);
    await new Promise((r) => setTimeout(r, 50));
    const start = performance.now();
    program.abort();
    expect(await running).toBe('ERR_ABORTED');
    expect(performance.now() - start).toBeLessThan(200);
    await expect(program.finish().catch(code)).resolves.toBe('ERR_STATE');
    program.begin();
    await program.push(x.subarray(0, 3 * 64 * 64), 1);
    expect(Number.isFinite((await program.finish()).log2.R)).toBe(true);
    program.dispose();
  });

  it('rejects what is running when disposed, and answers ERR_STATE after', async () => {
    const program = await compile(convNet(32, 4, 4));
    program.begin();
    const running = program.push(new Float32Array(16 * 3 * 32 * 32).fill(0.25), 16).catch(code);
    program.dispose();
    expect(await running).toBe('ERR_ABORTED');
    program.dispose();
    program.abort();
    expect(() => program.begin()).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
    await expect(program.push(new Float32Array(0), 0).catch(code)).resolves.toBe('ERR_STATE');
    await expect(program.finish().catch(code)).resolves.toBe('ERR_STATE');
    expect(program.memory().current).toBe(0);
  });

  it('names the node where f stops being finite, when asked for outputs or at the end of the round', async () => {
    const program = await compile(convNet(6, 4, 2));
    const x = new Float32Array(2 * 108).fill(1e38);
    for (const options of [{ outputs: true }, { forwardOnly: true }]) {
      program.begin(options);
      await expect(program.push(x, 2)).rejects.toThrow(/node '(conv0|step1)'/);
      program.begin(options);
      await expect(program.push(x, 2).catch(code)).resolves.toBe('ERR_NUMERIC');
    }
    for (const options of [{}, { forwardOnly: true, outputs: false }]) {
      program.begin(options);
      await program.push(x, 2);
      await program.push(new Float32Array(108).fill(0.5), 1);
      await expect(program.finish()).rejects.toThrow(/node '(conv0|step1)'/);
      await expect(program.finish().catch(code)).resolves.toBe('ERR_STATE');
    }
    program.begin();
    await program.push(new Float32Array(108).fill(Number.NaN), 1);
    await expect(program.finish()).rejects.toThrow(/the input holds/);
    program.begin();
    await program.push(x, 2);
    await expect(program.finish().catch(code)).resolves.toBe('ERR_NUMERIC');
    program.begin();
    await program.push(new Float32Array(108).fill(0.5), 1);
    expect(Number.isFinite((await program.finish()).log2.R)).toBe(true);
    program.dispose();
  });

  it('checks sizes at the border', async () => {
    const net = convNet(6, 4, 1);
    const program = await compile(net);
    program.begin();
    await expect(program.push(new Float32Array(5), 1)).rejects.toThrow(/108 numbers/);
    await expect(program.push(new Float32Array(0), 0).catch(code)).resolves.toBe('ERR_OPTION');
    await expect(program.finish().catch(code)).resolves.toBe('ERR_STATE');
    expect(() => program.setMasks([])).toThrow(/masks expected/);
    expect(() => program.setMasks(net.plan.params.map(() => new Uint8Array(1)))).toThrow(PxError);
    program.dispose();
  });

  it('gives the same bytes again, holding no more memory', async () => {
    const program = await compile(convNet(8, 4, 3), { method: 'px-joint' });
    const x = new Float32Array(6 * 192).map((_, i) => Math.sin(i));
    const round = async () => {
      program.begin();
      await program.push(x, 6);
      return program.finish();
    };
    const first = await round();
    const { peak } = program.memory();
    for (let r = 0; r < 5; ++r) expect(await round()).toEqual(first);
    expect(program.memory().peak).toBe(peak);
    program.dispose();
  });

  it('refuses a tensor beyond the limit of a buffer, with the number that fits', async () => {
    const program = await compile(convNet(64, 4, 1));
    program.begin();
    const samples = Math.ceil(2 ** 30 / (4 * 64 * 64 * 4)) + 1;
    const x = new Float32Array(samples * 3 * 64 * 64);
    const limit = await gpu!.requestAdapter().then((a) => a!.limits.maxStorageBufferBindingSize);
    if (limit > 2 ** 30) return; // this device holds more than a test can fill
    const error = await program.push(x, samples).catch((e: unknown) => e);
    expect(code(error)).toBe('ERR_MEMORY');
    expect((error as Error).message).toContain(String(limit));
    expect((error as Error).message).toContain(
      `a micro-batch of at most ${Math.floor(limit / (4 * 64 * 64 * 4))} `,
    );
    program.dispose();
  });
});

describe.skipIf(!gpu)('a device that fails', () => {
  it('is a PxError with its own words, and is replaced at the next compile', async () => {
    const adapter = (await gpu!.requestAdapter())!;
    let device: GPUDevice | undefined;
    const watched = new Proxy(adapter, {
      get: (target, key) => {
        if (key === 'requestDevice')
          return async (...args: Parameters<GPUAdapter['requestDevice']>) =>
            (device = await target.requestDevice(...args));
        const value = Reflect.get(target, key) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const backend = await webgpuBackend(gpu!, { adapter: watched });
    const net = convNet(8, 4, 1);
    const program = await backend.compile(net.plan, net.weights, { method: 'px', norm: 'batch' });
    program.begin();
    device!.destroy();
    await device!.lost;
    const error = await program.push(new Float32Array(192), 1).catch((e: unknown) => e);
    expect(code(error)).toBe('ERR_BACKEND');
    expect((error as Error).message).toMatch(/the device is lost/);
    program.dispose();
    const again = await backend.compile(net.plan, net.weights, { method: 'px', norm: 'batch' });
    again.begin();
    await again.push(new Float32Array(192).fill(1), 1);
    expect(Number.isFinite((await again.finish()).log2.Jfv2)).toBe(true);
    again.dispose();
    backend.destroy();
  });

  it('without an adapter there is a message that says what is needed', async () => {
    const none = { requestAdapter: async () => null } as unknown as GPU;
    const error = await webgpuBackend(none).catch((e: unknown) => e);
    expect(code(error)).toBe('ERR_BACKEND');
    expect((error as Error).message).toMatch(/no adapter; a GPU with a Vulkan/);
  });
});
