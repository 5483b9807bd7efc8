/** A CommonJS module that requires the installed package. */
const { equal } = require('node:assert/strict');
const { existsSync } = require('node:fs');
const { loadModel, PxError, score } = require('path-exclusion');
const { keepCount, PxError: SamePxError } = require('path-exclusion/kernels');

async function main() {
  equal(PxError, SamePxError);
  equal(keepCount(100, 0.5, 1, 1), 50);
  const model = await loadModel('model.onnx');
  const { scores } = await score(model, 'input.safetensors');
  equal(scores.size, model.plan.params.length);
  equal(existsSync(require.resolve('path-exclusion/package.json')), true);
  console.log(`CommonJS: on Node ${process.version}, ${scores.size} tensors scored`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
