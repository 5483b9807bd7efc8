/**
 * The package's install script. Nothing to do where a prebuilt addon loads; otherwise the addon is built from source.
 * With --ignore-scripts it does not run, and is not needed where a prebuilt addon loads.
 *
 *   PX_BUILD=cmake|gyp   build from source with this build system, whatever is there
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './stamp.mjs';

const require = createRequire(join(root, 'package.json'));

/** True if the addon loads here: one for another system, or for a newer glibc, does not. */
function loads(name) {
  try {
    require(name);
    console.log(`path-exclusion: ${name} loads, nothing to build`);
    return true;
  } catch (error) {
    // Nobody expects a build of their own in a fresh installation.
    if (name.startsWith('./') && error.code === 'MODULE_NOT_FOUND') return false;
    console.log(`path-exclusion: not using ${name}: ${error.message.split('\n')[0]}`);
    return false;
  }
}

/** A checkout's addon may be older than its sources; the build looks at that itself. */
const checkout = existsSync(join(root, 'src'));
const prebuilt = [
  './build/Release/path_exclusion.node',
  `@path-exclusion/${process.platform}-${process.arch}`,
];
if (checkout || process.env.PX_BUILD || !prebuilt.some(loads)) await import('./build-addon.mjs');
