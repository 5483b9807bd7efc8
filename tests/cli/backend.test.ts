/** --backend and --adapter, as a user meets them: what is said, what run.json records, and that px ends by itself. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenPath } from '../support/golden.js';
import { webgpuGpu } from '../support/webgpu.js';
import { px } from './px.js';

const gpu = await webgpuGpu();
const model = goldenPath('conv', 'model.onnx');
const data = ['--data', goldenPath('conv', 'input.safetensors')];
let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-backend-'));
});
afterAll(() => rm(work, { recursive: true, force: true }));

describe('--backend', () => {
  it('is the CPU where nothing is said', async () => {
    const { code, stdout } = await px(work, 'score', model, ...data, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).backend).toMatch(/^cpu /);
  });

  it('auto says what it took and why', async () => {
    const { code, stderr } = await px(work, 'score', model, ...data, '--backend', 'auto');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^backend: (cpu|webgpu) .*\(.+\)$/m);
  });

  it('refuses an adapter for the CPU', async () => {
    const { code, stderr } = await px(work, 'score', model, ...data, '--adapter', '0');
    expect(code).toBe(2);
    expect(stderr).toMatch(/--adapter\) goes with the webgpu backend/);
  });

  it('px backends lists the CPU first', async () => {
    const { code, stdout } = await px(work, 'backends', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).backends[0]).toMatchObject({ backend: 'cpu', note: 'the default' });
  });
});

describe.skipIf(!gpu)('--backend webgpu', () => {
  it('scores as the CPU does', async () => {
    const [cpu, gpu] = await Promise.all(
      ['cpu', 'webgpu'].map((name) => px(work, 'score', model, ...data, '--backend', name, '--json')),
    );
    expect(gpu!.code).toBe(0);
    const [wanted, found] = [JSON.parse(cpu!.stdout), JSON.parse(gpu!.stdout)];
    expect(found.backend).toMatch(/^webgpu /);
    expect(found.log2.R).toBeCloseTo(wanted.log2.R, 4);
  });

  it('prunes to the same masks, and records what it ran on', async () => {
    for (const name of ['cpu', 'webgpu']) {
      const args = ['--density', '0.3', '--rounds', '3', '--backend', name, '-o', name];
      expect((await px(work, 'prune', model, ...data, ...args)).code).toBe(0);
    }
    const tensors = async (name: string) => {
      const bytes = await readFile(join(work, name, 'masks.safetensors'));
      return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)));
    };
    expect(await tensors('webgpu')).toEqual(await tensors('cpu'));
    const record = JSON.parse(await readFile(join(work, 'webgpu', 'run.json'), 'utf8'));
    expect(record.backend).toMatch(/^webgpu \S.*\(\w+\)$/);
    expect((await px(work, 'verify', 'webgpu')).code).toBe(0);
  });

  it('takes an adapter by number and by a part of its name, and lists them where there is none such', async () => {
    const listed = JSON.parse((await px(work, 'backends', '--json')).stdout).backends as {
      backend: string;
      name: string;
    }[];
    const { name } = listed.find(({ backend }) => backend === 'webgpu')!;
    for (const adapter of ['0', name.split(' ')[0]!.toUpperCase()]) {
      const args = ['--backend', 'webgpu', '--adapter', adapter, '--json'];
      const { code, stdout } = await px(work, 'score', model, ...data, ...args);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).backend).toBe(`webgpu ${name}`);
    }
    const wrong = await px(work, 'score', model, ...data, '--backend', 'webgpu', '--adapter', 'no such');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain(`0: ${name}`);
  });

  it('bench measures rounds on it', async () => {
    const args = ['--batch', '2', '--rounds', '1', '--density', '1', '--method', 'px', '--json'];
    const { code, stdout } = await px(work, 'bench', model, ...args, '--backend', 'webgpu');
    expect(code).toBe(0);
    const { rounds, peaks } = JSON.parse(stdout);
    expect(rounds).toHaveLength(1);
    expect(rounds[0].backend).toMatch(/^webgpu /);
    expect(peaks).toEqual([]);
    const refused = await px(work, 'bench', model, '--backend', 'webgpu', '--isa', 'base');
    expect(refused.code).toBe(2);
  });
});
