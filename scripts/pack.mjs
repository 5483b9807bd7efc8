/**
 * npm run pack: writes into build/packages what a release consists of. `npm publish` takes these tarballs.
 *
 *   path-exclusion-VERSION.tgz               JavaScript, types, native sources; the platform packages are its optional dependencies
 *   path-exclusion-PLATFORM-VERSION.tgz      the addon for one platform, its C++ runtime linked in
 *
 *   --binaries FOLDER    the addons of all platforms, as FOLDER/PLATFORM/path_exclusion.node (the release workflow
 *                        collects them); without it the one for this machine is built
 *   --max-glibc 2.28     fail if a Linux addon asks for a newer glibc than this
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  compare,
  packageName,
  platformManifest,
  platforms,
  releaseManifest,
  requiredGlibc,
} from './platforms.mjs';
import { root } from './stamp.mjs';

const { values: options } = parseArgs({
  options: { binaries: { type: 'string' }, 'max-glibc': { type: 'string' } },
});
const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const out = join(root, 'build', 'packages');
const addonName = 'path_exclusion.node';

function fail(message) {
  console.error(`pack: ${message}`);
  process.exit(1);
}

function run(command, args, settings = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: command === 'npm' && process.platform === 'win32',
    ...settings,
  });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0)
    fail(`${command} ${args.join(' ')} ended with ${result.status}.\n${result.stdout}`);
  return result.stdout;
}

/** Packs the folder and returns the tarball's path. No scripts: everything in the folder is finished. */
function pack(folder) {
  const [{ filename, size }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', out], { cwd: folder }),
  );
  console.log(`build/packages/${filename}  ${Math.ceil(size / 1024)} KiB`);
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}

function packMain() {
  const [{ files }] = JSON.parse(run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts']));
  const folder = join(out, main.name);
  for (const { path } of files.filter((file) => !file.path.startsWith('build/'))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(root, path), join(folder, path));
  }
  writeJson(join(folder, 'package.json'), releaseManifest(main));
  pack(folder);
}

/** A sentence on what the addon needs of its system; ends the run where that is more than --max-glibc allows. */
function needs(platform, addon) {
  if (platform.libc !== 'glibc') return '';
  const glibc =
    requiredGlibc(readFileSync(addon)) ?? fail(`${addon} names no glibc version; is it a Linux addon?`);
  const limit = options['max-glibc'];
  if (limit && compare(glibc.split('.').map(Number), limit.split('.').map(Number)) > 0)
    fail(`${addon} needs glibc ${glibc}, more than ${limit}; build it in an older image.`);
  return ` It needs glibc ${glibc} or newer.`;
}

function packPlatform(platform, addon) {
  const folder = join(out, platform.name);
  mkdirSync(folder, { recursive: true });
  const manifest = platformManifest(main, platform);
  writeJson(join(folder, 'package.json'), manifest);
  writeFileSync(
    join(folder, 'README.md'),
    `# ${manifest.name}\n\nThe native addon of [path-exclusion](https://www.npmjs.com/package/path-exclusion) for ` +
      `${platform.name}, installed with it; not for direct use.${needs(platform, addon)}\n`,
  );
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(addon, join(folder, addonName));
  pack(folder);
}

function buildForThisMachine() {
  const platform = platforms.find(({ os, cpu }) => os === process.platform && cpu === process.arch);
  if (!platform) fail(`there is no platform package for ${process.platform}-${process.arch}.`);
  run(process.execPath, [join(root, 'scripts/build-addon.mjs'), '--prebuilt'], { stdio: 'inherit' });
  return [[platform, join(root, 'build', 'prebuilt', addonName)]];
}

/** Every platform's addon out of the folder; one that is missing would be missed only by its users. */
function collect(folder) {
  return platforms.map((platform) => {
    const addon = join(resolve(folder), platform.name, addonName);
    if (!existsSync(addon)) fail(`${addon} is missing; ${packageName(platform)} cannot be packed.`);
    return [platform, addon];
  });
}

rmSync(out, { recursive: true, force: true });
run(process.execPath, [join(root, 'scripts/setup.mjs'), 'packages', 'dist'], { stdio: 'inherit' });
const addons = options.binaries ? collect(options.binaries) : buildForThisMachine();
mkdirSync(out, { recursive: true });
packMain();
for (const [platform, addon] of addons) packPlatform(platform, addon);
