/** An ES module that uses the installed package: prunes model.onnx of this folder and compares with what px pruned to. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { loadModel, prune, readMasks, VERSION } from 'path-exclusion';
import * as browser from 'path-exclusion/browser';
import { cpuBackend } from 'path-exclusion/kernels';

const model = await loadModel('model.onnx');
const { masks, kept, countable } = await prune(model, 'input.safetensors', { density: 0.5, rounds: 3 });
equal(kept, Math.ceil(countable / 2));
deepEqual(masks, await readMasks('out/masks.safetensors', model.plan.params));
ok(cpuBackend().name.length > 0);
equal((await browser.loadModel(readFileSync('model.onnx'))).sha256, model.sha256);
console.log(`ES module: ${VERSION} on Node ${process.version}, ${kept} of ${countable} weights kept`);
