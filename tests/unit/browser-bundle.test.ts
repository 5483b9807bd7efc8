import { createContext, runInContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type * as Browser from '../../src/browser.js';
import { bundleForBrowser } from '../support/bundle.js';
import { FakeBackend } from '../support/fake-backend.js';

/** What browsers and Node have in common, and nothing else. */
const SHARED = {
  AbortController,
  AbortSignal,
  Blob,
  MessageChannel,
  TextDecoder,
  TextEncoder,
  URL,
  performance,
};

describe('the browser bundle', () => {
  it('needs nothing of Node: neither its modules nor its globals', async () => {
    const { code, inputs } = await bundleForBrowser('src/browser.ts');
    const foreign = inputs.filter((path) =>
      /^node:|node_modules\/(?!@bufbuild|@noble|picomatch|pure-rand|zod)/.test(path),
    );
    expect(foreign).toEqual([]);
    const context = createContext({ ...SHARED });
    runInContext(code, context);
    expect(
      runInContext('typeof process + typeof Buffer + typeof require + typeof setImmediate', context),
    ).toBe('undefined'.repeat(4));
    const px = context.px as typeof Browser;
    const model = await px.loadModel(px.newModel('resnet20', { size: 8, seed: 3 }));
    const target = { shape: model.inputShape };
    const data = await px.openDataset([px.randomSamples(target, 4, 1)], target);
    const result = await px.prune(model, data, { backend: new FakeBackend(), density: 0.2, rounds: 3 });
    expect(result.kept).toBe(Math.ceil(result.countable * 0.2 * (1 - 2 ** -40)));
    expect(px.masksFile(model, result).length).toBeGreaterThan(result.countable);
    expect(px.prunedModel(model, result.masks).model.length).toBeGreaterThan(model.onnx.bytes.length);
  });

  it('a module that does need Node is refused', async () => {
    await expect(bundleForBrowser('src/index.ts')).rejects.toThrow(/node:/);
  });
});
