/** The addon loaded twice into one thread (its cache entry deleted) and once more from a copy of the file; all of them work, at once. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodePlan } from '../../../dist/backend/native/wire.js';
import { makeNetwork, print, SAMPLES } from './network.mjs';

const require = createRequire(import.meta.url);
const path =
  process.env.PX_ADDON ??
  fileURLToPath(new URL('../../../build/Release/path_exclusion.node', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'px-twice-'));
const copy = join(folder, 'copy.node');
copyFileSync(path, copy);

const first = require(path);
delete require.cache[require.resolve(path)];
const addons = [first, require(path), require(copy)];

const { plan, weights, x } = await makeNetwork();
const sizes = plan.params.map(({ size }) => size);
async function score(addon) {
  const program = new addon.Program(encodePlan(plan), weights, {
    joint: false,
    batchStatistics: true,
    threads: 2,
  });
  program.begin(
    sizes.map((size) => new Float32Array(size)),
    plan.outputs.map(() => new Float32Array(10)),
  );
  await program.push(x, SAMPLES, null);
  const log2 = await program.finish();
  program.dispose();
  return JSON.stringify(log2);
}

const results = await Promise.all(addons.map(score));
print({
  loaded: new Set(addons.map((addon) => addon.Program)).size,
  different: new Set(results).size,
});
rmSync(folder, { recursive: true, force: true });
