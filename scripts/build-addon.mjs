/**
 * Builds build/Release/path_exclusion.node: with cmake-js where CMake exists, with node-gyp where it does not.
 * Does nothing when the native sources are those of the last build.
 *
 *   PX_BUILD=cmake|gyp   use this build system and no other
 *
 *   --sanitize           AddressSanitizer and UBSan, into build-asan/ (CMake only)
 *   --prebuilt           also links build/prebuilt/path_exclusion.node, for other machines (CMake only)
 *   --force              build even if nothing changed
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { hashOf, readStamp, root, writeStamp } from './stamp.mjs';

const require = createRequire(join(root, 'package.json'));
const sanitize = process.argv.includes('--sanitize');
const prebuilt = process.argv.includes('--prebuilt');
const outFolder = sanitize ? 'build-asan' : 'build';
const addon = join(root, outFolder, 'Release', 'path_exclusion.node');
const prebuiltAddon = join(root, outFolder, 'prebuilt', 'path_exclusion.node');
const stampFile = `${outFolder}/px-build.json`;
const jobs = String(availableParallelism());

function fail(message) {
  console.error(`path-exclusion: ${message}`);
  process.exit(1);
}

function works(command, args = ['--version']) {
  const result = spawnSync(command, args, { stdio: 'ignore', shell: process.platform === 'win32' });
  return result.status === 0;
}

function runNode(script, args, env = {}) {
  const result = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (result.error) fail(`${script} could not be started: ${result.error.message}`);
  if (result.status !== 0)
    fail(`the native build failed (exit ${result.status}); the compiler's messages are above.`);
}

/** node-gyp's entry script: npm carries one; a project or global installation is found too. */
function findNodeGyp() {
  const npmRoots = [];
  if (process.env.npm_execpath) npmRoots.push(join(dirname(process.env.npm_execpath), '..'));
  const prefix = dirname(dirname(process.execPath));
  npmRoots.push(
    join(prefix, 'lib', 'node_modules', 'npm'),
    join(dirname(process.execPath), 'node_modules', 'npm'),
  );
  const candidates = [
    process.env.npm_config_node_gyp,
    ...npmRoots.map((npm) => join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')),
    join(prefix, 'lib', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
    join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
  ];
  return candidates.find((path) => path && existsSync(path));
}

/** Node's own headers where they lie beside it (its archives and packages bring them): then nothing is downloaded. */
function headersBesideNode() {
  const prefix = dirname(dirname(process.execPath));
  if (process.env.npm_config_nodedir || !existsSync(join(prefix, 'include', 'node', 'node_api.h'))) return [];
  return [`--nodedir=${prefix}`];
}

const hasPython = () =>
  [process.env.PYTHON, process.env.npm_config_python, 'python3', 'python'].some(
    (name) => name && works(name),
  );
const hasCompiler = () => [process.env.CXX, 'c++', 'g++', 'clang++'].some((name) => name && works(name));

/** Which build system to use, or an end with the list of what is missing and how to get it. */
function chooseBuilder() {
  const forced = prebuilt ? 'cmake' : process.env.PX_BUILD;
  if (forced && !['cmake', 'gyp'].includes(forced)) fail(`PX_BUILD is "${forced}"; it must be cmake or gyp.`);
  if ((sanitize || prebuilt) && process.env.PX_BUILD === 'gyp')
    fail('--sanitize and --prebuilt need CMake; unset PX_BUILD.');
  const missing = [];
  if (process.platform !== 'win32' && !hasCompiler()) {
    missing.push('a C++17 compiler (Debian and Ubuntu: apt install g++; macOS: xcode-select --install)');
  }
  const generators = forced === 'gyp' ? ['make', 'gmake'] : ['ninja', 'make', 'gmake'];
  if (process.platform !== 'win32' && !generators.some((name) => works(name))) {
    missing.push('make (Debian and Ubuntu: apt install make; macOS: xcode-select --install)');
  }
  const cmake = forced !== 'gyp' && works('cmake');
  const gyp = forced !== 'cmake' && !sanitize && findNodeGyp() !== undefined && hasPython();
  if (!cmake && !gyp) {
    if (forced === 'cmake' || sanitize)
      missing.push('CMake 3.20 or newer (apt install cmake; brew install cmake)');
    else if (forced === 'gyp')
      missing.push('Python 3 and the node-gyp that npm carries (apt install python3)');
    else
      missing.push('CMake 3.20 or newer (apt install cmake; brew install cmake), or Python 3 for node-gyp');
  }
  if (missing.length > 0) {
    fail(
      `the native addon cannot be built, this is missing:\n${missing.map((line) => `  - ${line}`).join('\n')}`,
    );
  }
  return cmake ? 'cmake' : 'gyp';
}

/** A build folder of the other build system, or one that was moved here with its folder, would mislead this build. */
function dropForeignFolder(builder, last) {
  const cache = join(root, outFolder, 'CMakeCache.txt');
  const moved =
    existsSync(cache) && !readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`);
  const other = last ? last.builder !== builder : existsSync(cache) !== (builder === 'cmake');
  if (moved || other) rmSync(join(root, outFolder), { recursive: true, force: true });
}

function buildWithCMake() {
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const options = ['-O', join(root, outFolder), '--CDCMAKE_EXPORT_COMPILE_COMMANDS=ON', '-l', 'error'];
  if (sanitize) options.push('--CDPX_SANITIZE=ON');
  // The kernels are written in vector extensions that GCC and Clang have, and MSVC's own compiler has not.
  if (process.platform === 'win32') options.push('-t', 'ClangCL');
  runNode(cmakeJs, ['configure', ...options]);
  runNode(cmakeJs, ['build', ...options, '-p', jobs]);
  // The same objects, linked another way.
  if (prebuilt) runNode(cmakeJs, ['build', ...options, '-p', jobs, '-T', 'path_exclusion_prebuilt']);
}

function buildWithGyp() {
  runNode(findNodeGyp(), ['rebuild', '--release', '-j', jobs, '--loglevel', 'warn', ...headersBesideNode()]);
}

const inputs = ['native', 'CMakeLists.txt', 'binding.gyp'];
const hash = hashOf(inputs, [
  process.platform,
  process.arch,
  require('node-addon-api/package.json').version,
  process.env.CXX ?? '',
]);
const last = readStamp(stampFile);
const wanted = prebuilt ? 'cmake' : (process.env.PX_BUILD ?? last?.builder);
const made = prebuilt ? [addon, prebuiltAddon] : [addon];
const fresh =
  made.every((path) => existsSync(path)) &&
  last?.hash === hash &&
  last.builder === wanted &&
  (!prebuilt || last.prebuilt);
if (fresh && !process.argv.includes('--force')) {
  console.log(`native addon: up to date (${last.builder})`);
} else {
  const builder = chooseBuilder();
  const started = Date.now();
  console.log(
    `native addon: building with ${builder === 'cmake' ? 'cmake-js' : 'node-gyp'}${sanitize ? ', sanitized' : ''}`,
  );
  dropForeignFolder(builder, last);
  if (builder === 'cmake') buildWithCMake();
  else buildWithGyp();
  for (const path of made) {
    if (!existsSync(path))
      fail(`the build ended without an error, but ${path} is not there; remove ${outFolder}/ and try again.`);
  }
  writeStamp(stampFile, { hash, builder, prebuilt });
  console.log(`native addon: built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}
