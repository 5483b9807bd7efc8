/**
 * Scores a model once and prints where the least and the most important weights are.
 *
 *   node score.mjs model.onnx photos/
 */
import { loadModel, openDataset, score } from 'path-exclusion';

const [file, ...folders] = process.argv.slice(2);
if (file === undefined || folders.length === 0) {
  console.error('usage: node score.mjs <model.onnx> <data>...');
  process.exit(2);
}

const model = await loadModel(file);
for (const warning of model.warnings) console.error(`warning: ${warning}`);

const data = await openDataset(folders, { shape: model.inputShape });
const { scores, layers, log2 } = await score(model, data);
await data.close();

console.log(`R = 2^${log2.R.toFixed(2)} over ${data.length} samples`);
for (const { name, weights, scoreShare } of layers) {
  const values = scores.get(name);
  let best = 0;
  for (let j = 1; j < values.length; j++) if (values[j] > values[best]) best = j;
  console.log(
    `${name}: ${weights} weights carry ${(100 * scoreShare).toFixed(1)} % of R, ` +
      `number ${best} alone ${(100 * values[best]).toPrecision(2)} %`,
  );
}
