/**
 * Makes a checkout ready, doing only what is stale: packages (npm ci), the native addon, dist/ (tsc).
 * Runs before `npm test`, `npm run demo` and `npm pack` in a clone where nothing is installed: Node built-ins only.
 *
 *   node scripts/setup.mjs [packages] [addon] [dist]     default: all three
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hashOf, readStamp, root, writeStamp } from './stamp.mjs';

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

function run(command, args, env = {}) {
  const shell = process.platform === 'win32' && command === 'npm';
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell,
    env: { ...process.env, ...env },
  });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  return result.status === 0;
}

/** True when every package of package-lock.json lies in node_modules in that version (optional ones may be absent). */
function packagesAreFresh() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  const installedList = 'node_modules/.package-lock.json';
  if (!existsSync(join(root, installedList))) return false;
  const installed = read(installedList);
  return Object.entries(read('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const present = installed[path];
    return present
      ? present.version === wanted.version
      : Boolean(wanted.optional || wanted.devOptional || wanted.peer);
  });
}

/** Install scripts are left out: the addon is built below, and no other package needs its own to work. */
function installPackages() {
  if (packagesAreFresh()) return console.log('packages: up to date');
  console.log('packages: npm ci');
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-fund', '--no-audit'];
  const npm = process.env.npm_execpath;
  const done = npm?.endsWith('.js') ? run(process.execPath, [npm, ...args]) : run('npm', args);
  if (!done)
    fail('npm ci failed. It needs the npm registry; behind a proxy set HTTPS_PROXY, then run this again.');
}

function buildAddon() {
  if (!run(process.execPath, [join(root, 'scripts/build-addon.mjs')])) process.exit(1);
}

function buildDist() {
  const stampFile = 'node_modules/.cache/path-exclusion/dist.json';
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const projects = ['tsconfig.json', 'tsconfig.browser.json'];
  const hash = hashOf(['src', ...projects, 'node_modules/typescript/package.json']);
  const entry = join(root, 'dist/cli/main.js');
  if (existsSync(entry) && readStamp(stampFile)?.hash === hash) return console.log('dist: up to date');
  console.log('dist: compiling TypeScript');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  for (const project of projects) {
    if (!run(process.execPath, [tsc, '-p', join(root, project)])) fail('TypeScript reported errors (above).');
  }
  chmodSync(entry, 0o755);
  writeStamp(stampFile, { hash });
}

const parts = { packages: installPackages, addon: buildAddon, dist: buildDist };
const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts);
for (const name of chosen) {
  if (!(name in parts)) fail(`unknown part "${name}"; there are ${Object.keys(parts).join(', ')}.`);
}
for (const name of chosen) parts[name]();
