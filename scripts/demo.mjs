/**
 * npm run demo: the main job on an example that needs nothing from outside. Makes an initialised ResNet-20 and a small set of drawn
 * images, prunes the network to density 0.018 in 100 rounds, and checks what came out. scripts/setup.mjs has run before.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const IMAGES_PER_CLASS = 10;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'build', 'demo');
const shown = (name) => relative(process.cwd(), join(folder, name));
const main = join(root, 'dist', 'cli', 'main.js');

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

step('Making 100 labelled images of 32×32 pixels (gratings, blobs, rings and the like)');
const { syntheticImages } = await import('../dist/models/synthetic-images.js');
writeFileSync(join(folder, 'images.bin'), syntheticImages(IMAGES_PER_CLASS, 1));

step('Making a freshly initialised ResNet-20');
px('new', 'resnet20', '-o', shown('resnet20.onnx'), '--seed', '1');

step('Pruning it to 1.8 % of its weights in 100 rounds');
px(
  ...['prune', shown('resnet20.onnx'), '--data', shown('images.bin')],
  ...['--density', '0.018', '--rounds', '100', '-o', shown('out')],
);

step('Checking the result');
px('verify', shown('out'));

console.log(`
Everything lies in ${relative(process.cwd(), folder)}:
  resnet20.onnx             the network before
  images.bin                the images, as a CIFAR-10 binary file
  out/pruned.onnx           the network with 98.2 % of its weights 0
  out/masks.safetensors     which weights are kept, one 0/1 tensor per parameter
  out/run.json              the whole configuration, and what every round kept`);

function step(text) {
  console.log(`\n${text}`);
}

/** Runs px and shows the command; ends the demo where it fails. */
function px(...args) {
  console.log(`$ px ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, [main, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
