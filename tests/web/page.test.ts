import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, newModel, openDataset, prune } from '../../src/index.js';
import { decodeSafetensors } from '../../src/io/safetensors.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { backends } from '../support/backends.js';
import { findChromium, launchChromium } from '../support/chromium.js';
import { onnxFile } from '../support/onnx-file.js';
import { hostPage, type PageHost } from '../support/page-host.js';
import { uniform } from '../support/random.js';

const chromium = findChromium();
const missing = 'missing' in chromium ? chromium.missing : '';

/** Milliseconds a software driver may take for what a graphics processor does in a moment. */
const PATIENCE = 240_000;

/** Files that make up the page. */
const OWN = ['index.html', 'style.css', 'app.js'];

/** The network and the images of `npm run demo`. */
const RESNET20 = {
  name: 'resnet20.onnx',
  mimeType: '',
  buffer: Buffer.from(newModel('resnet20', { seed: 1 })),
};
const IMAGES = { name: 'images.bin', mimeType: '', buffer: Buffer.from(syntheticImages(10, 1)) };

/** A network that takes few kernels, which a software driver needs seconds to compile. */
const TINY = { name: 'tiny.onnx', mimeType: '', buffer: Buffer.from(tinyModel()) };

function tinyModel(): Uint8Array {
  const next = uniform(3);
  const weight = (...dims: number[]) => ({
    dims,
    data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() - 0.5),
  });
  return onnxFile({
    inputs: { x: ['n', 3, 8, 8] },
    outputs: ['y'],
    tensors: {
      'stem.weight': weight(6, 3, 3, 3),
      'layer2.0.downsample.0.weight': weight(8, 6, 3, 3),
      'head.weight': weight(5, 8),
    },
    nodes: [
      ['Conv', ['x', 'stem.weight'], ['a'], { pads: { ints: [1, 1, 1, 1] } }],
      ['Relu', ['a'], ['b']],
      ['Conv', ['b', 'layer2.0.downsample.0.weight'], ['c']],
      ['Relu', ['c'], ['d']],
      ['GlobalAveragePool', ['d'], ['e']],
      ['Flatten', ['e'], ['f']],
      ['Gemm', ['f', 'head.weight'], ['y'], { transB: { i: 1 } }],
    ],
  });
}

describe.skipIf(missing !== '')(
  `the page in Chromium${missing && ` (skipped: ${missing})`}`,
  {
    timeout: 4 * PATIENCE,
  },
  () => {
    let host: PageHost;
    let browser: Browser;
    let folder: string;
    const contexts: BrowserContext[] = [];
    const complaints: string[] = [];

    beforeAll(async () => {
      host = await hostPage();
      browser = await launchChromium((chromium as { path: string }).path, true);
      folder = mkdtempSync(join(tmpdir(), 'px-page-test-'));
    });
    afterEach(async () => {
      for (const context of contexts.splice(0)) await context.close();
      expect(complaints.splice(0)).toEqual([]);
      // Whatever was done, nothing else was asked for, here or anywhere.
      expect(host.asked.splice(0).filter((name) => !OWN.includes(name))).toEqual([]);
    });
    afterAll(async () => {
      await browser?.close();
      await host?.close();
      rmSync(folder, { recursive: true });
    });

    async function open(
      options: { width?: number; dark?: boolean; url?: string; browser?: Browser; ready?: boolean } = {},
    ): Promise<Page> {
      const context = await (options.browser ?? browser).newContext({
        viewport: { width: options.width ?? 1280, height: 800 },
        colorScheme: options.dark ? 'dark' : 'light',
        acceptDownloads: true,
      });
      contexts.push(context);
      context.setDefaultTimeout(PATIENCE);
      const page = await context.newPage();
      const url = options.url ?? host.url();
      page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
      });
      context.on('request', (request) => {
        const asked = request.url();
        if (!asked.startsWith(url) && !/^(?:blob|data):/.test(asked)) complaints.push(`request: ${asked}`);
      });
      await page.goto(url);
      if (options.ready !== false)
        await page.waitForFunction(() => /^on /.test(document.getElementById('device')!.textContent!));
      return page;
    }

    async function giveModel(
      page: Page,
      file: { name: string; mimeType: string; buffer: Buffer },
    ): Promise<void> {
      await page.setInputFiles('#model-file', file);
      await page.waitForFunction(
        (name) => document.querySelector('#model-summary .name')?.textContent === name,
        file.name,
      );
    }

    const finished = (page: Page) => page.waitForSelector('#result:not([hidden])', { timeout: PATIENCE });

    async function downloaded(
      page: Page,
      file: 'model' | 'masks' | 'scores',
    ): Promise<{ name: string; bytes: Buffer }> {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.click(`#downloads [data-file="${file}"]`),
      ]);
      return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
    }

    it('prunes the demo ResNet-20, and one round keeps what one round of px keeps', async () => {
      const page = await open();
      await giveModel(page, RESNET20);
      expect(await page.textContent('#model-summary')).toContain(
        '270 896 weights in 22 tensors can be pruned',
      );
      expect(await page.locator('#tensors tbody tr').count()).toBe(22);
      await page.setInputFiles('#data-files', IMAGES);
      await page.click('.more summary');
      await page.fill('#limit', '20');
      await page.fill('#rounds', '1');
      await page.fill('#density', '50');
      await page.click('#prune');
      await finished(page);
      expect(await page.textContent('#result-figures')).toContain('135 448');

      const path = join(folder, 'images.bin');
      writeFileSync(path, IMAGES.buffer);
      const model = await loadModel(new Uint8Array(RESNET20.buffer));
      const data = await openDataset([path], { shape: model.inputShape }, { limit: 20 });
      const { name, bytes } = await downloaded(page, 'masks');
      expect(name).toBe('resnet20-masks.safetensors');
      const { tensors, metadata } = decodeSafetensors(bytes);
      expect(metadata).toMatchObject({
        model_sha256: model.sha256,
        data_digest: await data.digest(),
        method: 'px',
        norm: 'batch',
        micro_batch: '20',
        rounds: '1',
      });
      for (const { name: of, backend } of await backends()) {
        if (backend === undefined) continue; // its own tests say so
        const expected = await prune(model, data, { density: 0.5, rounds: 1, backend });
        let [kept, both] = [0, 0];
        for (const [tensor, mask] of expected.masks) {
          const { data: theirs, shape } = tensors.get(tensor)!;
          expect(shape).toEqual(model.plan.params.find((param) => param.name === tensor)!.shape);
          mask.forEach((value, j) => {
            kept += Number(theirs[j]);
            both += value & Number(theirs[j]);
          });
        }
        expect(kept).toBe(135_448);
        expect(both / kept, `kept here and by ${of}`).toBeGreaterThanOrEqual(0.9995);
      }
      await data.close();

      // The model that was saved has zeros where the masks have them, and every other weight as it was.
      const saved = await downloaded(page, 'model');
      expect(saved.name).toBe('resnet20-pruned.onnx');
      const pruned = await loadModel(new Uint8Array(saved.bytes));
      model.plan.params.forEach((param, id) => {
        const mask = tensors.get(param.name)!.data;
        const wanted = model.weights[id]!.map((weight, j) => (Number(mask[j]) === 0 ? 0 : weight));
        expect(pruned.weights[id]).toEqual(wanted);
      });
      const scores = decodeSafetensors((await downloaded(page, 'scores')).bytes).tensors;
      const stem = scores.get('conv1.weight')!.data as Float32Array;
      expect(stem.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 3);
    });

    it('scores alone, with noise where nothing was given, and says that it is noise', async () => {
      const page = await open();
      await giveModel(page, TINY);
      expect(await page.textContent('#data-summary')).toContain('random noise');
      await page.click('#score');
      await finished(page);
      expect(await page.textContent('#result-summary')).toContain('32 samples of random noise');
      expect(await page.locator('#downloads button:visible').allTextContents()).toEqual([
        'Scores (.safetensors)',
      ]);
      expect(await page.locator('#histogram rect').count()).toBeGreaterThan(10);
      await page.selectOption('#histogram-of', { label: 'layer2.0.downsample.0.weight' });
      expect(await page.getAttribute('#histogram svg', 'aria-label')).toMatch(
        /^Histogram of scores: from 10\^/,
      );
      const { tensors } = decodeSafetensors((await downloaded(page, 'scores')).bytes);
      expect([...tensors.keys()].sort()).toEqual([
        'head.weight',
        'layer2.0.downsample.0.weight',
        'stem.weight',
      ]);
    });

    it('reads a folder of images as px does: same classes, same pixels', async () => {
      const photos = join(folder, 'photos');
      const next = uniform(9);
      for (const [of, index] of [
        ['cat', 0],
        ['dog', 0],
        ['dog', 1],
      ] as const) {
        mkdirSync(join(photos, of), { recursive: true });
        const raw = { width: 8, height: 8, channels: 3 } as const;
        const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, () => 256 * next());
        await sharp(pixels, { raw })
          .png()
          .toFile(join(photos, of, `${index}.png`));
      }
      writeFileSync(join(photos, 'notes.txt'), 'not an image');
      const page = await open();
      await giveModel(page, TINY);
      await page.setInputFiles('#data-folder', photos);
      await page.fill('#rounds', '1');
      await page.click('#prune');
      await finished(page);
      const model = await loadModel(new Uint8Array(TINY.buffer));
      const data = await openDataset([photos], { shape: model.inputShape });
      const { metadata } = decodeSafetensors((await downloaded(page, 'masks')).bytes);
      expect(metadata.data_digest).toBe(await data.digest());
      for (const note of data.notes) expect(await page.textContent('#data-summary')).toContain(note);
    });

    it('takes files that are dropped', async () => {
      const page = await open();
      const bytes = [...TINY.buffer];
      const transfer = await page.evaluateHandle((data) => {
        const dropped = new DataTransfer();
        dropped.items.add(new File([Uint8Array.from(data)], 'dropped.onnx'));
        return dropped;
      }, bytes);
      await page.dispatchEvent('#model-drop', 'drop', { dataTransfer: transfer });
      await page.waitForFunction(
        () => document.querySelector('#model-summary .name')?.textContent === 'dropped.onnx',
      );
    });

    it('cancels, and can run again', async () => {
      const page = await open();
      await giveModel(page, TINY);
      await page.click('#data-sample');
      await page.fill('#rounds', '10000');
      await page.click('#prune');
      await page.waitForFunction(() => /^Round /.test(document.querySelector('.figures')!.textContent!));
      expect(await page.textContent('.figures')).toMatch(/^Round \d+ of 10000 · \d+ weights left/);
      const began = Date.now();
      await page.click('#cancel');
      await page.waitForFunction(() => document.getElementById('status')!.textContent === 'Cancelled.');
      expect(Date.now() - began).toBeLessThan(3000);
      expect(await page.isVisible('#result')).toBe(false);
      expect(await page.locator('.error').count()).toBe(0);
      await page.fill('#rounds', '1');
      await page.click('#prune');
      await finished(page);
    });

    it('shows in full why a file cannot be used', async () => {
      const page = await open();
      await page.setInputFiles('#model-file', {
        name: 'notes.onnx',
        mimeType: '',
        buffer: Buffer.from('This is not a model.'),
      });
      const error = page.locator('#model-error [role="alert"]');
      await error.waitFor();
      expect(await error.textContent()).toContain('notes.onnx cannot be used. ERR_FILE');
      expect(await error.textContent()).toMatch(
        /notes\.onnx is not a readable ONNX file \(.+\); is it complete\?$/,
      );
      expect(await page.isDisabled('#prune')).toBe(true);

      await giveModel(page, TINY);
      expect(await page.locator('.error').count()).toBe(0);
      await page.setInputFiles('#data-files', {
        name: 'broken.png',
        mimeType: '',
        buffer: Buffer.from('no png'),
      });
      await page.click('#prune');
      const failed = page.locator('#run-error [role="alert"]');
      await failed.waitFor();
      expect(await failed.textContent()).toMatch(
        /Pruning stopped. ERR_DATA.*broken\.png: cannot be decoded as an image/,
      );

      await page.click('#example');
      await page.waitForFunction(() =>
        /^resnet20\.onnx .* 270 896 weights in 22/.test(
          document.getElementById('model-summary')!.textContent!,
        ),
      );
      await page.fill('#density', '0');
      await page.click('#prune');
      expect(await failed.textContent()).toContain('“Keep” must be a number');
      expect(await page.evaluate(() => document.activeElement!.id)).toBe('density');
    });

    it('can be used with the keyboard alone, and shows where it is', async () => {
      const page = await open();
      // Asked for long before: the browser needs a moment to be told that it is not to open a window.
      const choosing = page.waitForEvent('filechooser');
      const focused = () =>
        page.evaluate(() => {
          const at = document.activeElement as HTMLElement;
          return {
            id: at.id || at.dataset.file || at.dataset.opens || '',
            outline: getComputedStyle(at).outlineStyle,
          };
        });
      const tabTo = async (id: string) => {
        const passed: string[] = [];
        for (let i = 0; i < 40; i++) {
          await page.keyboard.press('Tab');
          const at = await focused();
          expect(at.outline, `no outline on ${at.id}`).not.toBe('none');
          if (at.id === id) return passed;
          passed.push(at.id);
        }
        throw new Error(`Tab never came to ${id}, but to ${passed.join(', ')}`);
      };
      await tabTo('model-file');
      await page.keyboard.press('Enter');
      await (await choosing).setFiles(TINY);
      await page.waitForSelector('#model-summary .name');
      expect(await tabTo('density')).toEqual(
        expect.arrayContaining(['example', 'data-files', 'data-folder', 'data-sample']),
      );
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.type('20');
      await tabTo('rounds');
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.type('1');
      await tabTo('score');
      await page.keyboard.press('Shift+Tab');
      expect((await focused()).id).toBe('prune');
      await page.keyboard.press('Enter');
      await finished(page);
      expect((await focused()).id).toBe('result-title');
      await page.keyboard.press('Tab');
      expect((await focused()).id).toBe('model');
      const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
      expect(download.suggestedFilename()).toBe('tiny-pruned.onnx');
    });

    it('on desktop and phone, in light and dark, nothing sticks out, and no rule of accessibility is broken', async () => {
      const page = await open();
      await page.evaluate(
        readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8'),
      );
      const check = async (when: string) => {
        for (const width of [1280, 360]) {
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.setViewportSize({ width, height: 800 });
            await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
            const where = `${when}, ${width} pixels, ${colorScheme}`;
            const needed = await page.evaluate(() => document.documentElement.scrollWidth);
            expect(needed, where).toBeLessThanOrEqual(width);
            expect(await page.evaluate(scrollingSideways), where).toEqual([]);
            expect(await page.evaluate(violations), where).toEqual([]);
          }
        }
      };
      await check('at the start');
      await page.setInputFiles('#model-file', {
        name: 'a.onnx',
        mimeType: '',
        buffer: Buffer.from('no model'),
      });
      await page.waitForSelector('.error');
      await check('after an error');
      await giveModel(page, TINY);
      await page.click('#tensors summary');
      await page.click('.more summary');
      await page.fill('#rounds', '2');
      await check('ready');
      await page.click('#prune');
      await finished(page);
      await check('with a result');
    });

    it('can connect to nothing, and neither can its worker', async () => {
      const page = await open();
      const refused = await page.evaluate(async () => {
        const attempt =
          'fetch(location.origin === "null" ? "https://example.org/" : location.href).then(() => "connected", () => "refused")';
        const inWorker = new Worker(
          URL.createObjectURL(
            new Blob([`${attempt.replace(/location\.href/, '"http://localhost/"')}.then(postMessage)`]),
          ),
        );
        const fromWorker = await new Promise((resolve) => {
          inWorker.onmessage = ({ data }) => resolve(data);
        });
        const fromPage = await fetch(location.href).then(
          () => 'connected',
          () => 'refused',
        );
        return [fromPage, fromWorker];
      });
      expect(refused).toEqual(['refused', 'refused']);
      // The browser says so in its console; nothing else was wrong.
      expect(complaints.splice(0).every((text) => /Content Security Policy/.test(text))).toBe(true);
    });

    it('says what WebGPU is, and why it is missing, and still shows a model', async () => {
      const without = await launchChromium((chromium as { path: string }).path, false, ['far.test']);
      try {
        const page = await open({ browser: without, ready: false });
        await page.waitForSelector('#no-gpu:not([hidden])');
        expect(await page.textContent('#no-gpu')).toMatch(
          /finds no graphics processor.*Chrome and Edge.*enable-unsafe-webgpu/s,
        );
        await giveModel(page, TINY);
        expect(await page.isDisabled('#prune')).toBe(true);
        expect(await page.textContent('#device')).toBe('no graphics device');

        const insecure = await open({ browser: without, url: host.url('far.test'), ready: false });
        await insecure.waitForSelector('#no-gpu:not([hidden])');
        expect(await insecure.textContent('#no-gpu-why')).toContain('https');
      } finally {
        await without.close();
      }
    });
  },
);

/** In the page: tables wider than their place. */
function scrollingSideways(): string[] {
  const wide = [...document.querySelectorAll('.scroll')].filter(
    (place) => place.scrollWidth > place.clientWidth,
  );
  return wide.map((place) => place.getAttribute('aria-label') ?? place.getAttribute('aria-labelledby') ?? '');
}

/** In the page: what axe-core has to say of it. */
async function violations(): Promise<string[]> {
  interface Violation {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }
  const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
  const found = (await axe.run()).violations;
  return found.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`,
  );
}
