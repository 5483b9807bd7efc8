/**
 * npm run lint:package: checks the packed packages of build/packages as their users' tools see them: publint (is every file
 * that package.json names there, in the form it says) and arethetypeswrong (does TypeScript find the types that Node runs).
 * Packs first where nothing is packed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './stamp.mjs';

const folder = join(root, 'build', 'packages');

function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

if (!existsSync(folder)) run('scripts/pack.mjs');
const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
if (tarballs.length === 0) {
  console.error('lint:package: build/packages holds no tarball; run npm run pack.');
  process.exit(1);
}
for (const name of tarballs) {
  const tarball = join(folder, name);
  run('node_modules/publint/src/cli.js', tarball, '--strict');
  // Platform packages hold no JavaScript and so no types.
  if (!/^path-exclusion-\d/.test(name)) continue;
  // The package is ESM only, which every Node of "engines" can also require(). TypeScript's "node16" does not know that
  // ("nodenext" and "node20" do), and "node10" knows no subpaths: neither is a mistake of the package.
  run('node_modules/@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'esm-only');
}
