import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PxError } from '../../errors.js';
import { VERSION } from '../../version.js';

/** Where to look, and for which machine; all of it has defaults, tests set their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  readonly arch: string;
  /** Folder of this package's package.json. */
  readonly root: string;
}

const here: Surroundings = {
  env: process.env,
  platform: process.platform,
  arch: process.arch,
  root: fileURLToPath(new URL('../../..', import.meta.url)),
};

/** How to get an addon where none loads; `root` is this package's folder. */
export function howToBuild(root: string = here.root): string {
  return (
    `Build it with \`npm rebuild path-exclusion\` or \`node ${join(root, 'scripts', 'build-addon.mjs')}\`; that needs a ` +
    'C++17 compiler and CMake 3.20 or newer (or make and Python 3, for node-gyp).'
  );
}

/**
 * Path of the native addon. The first of these that exists decides, so what a user built wins over what was shipped:
 *
 * 1. the file that the environment variable `PX_ADDON` names (a sanitized build, or an addon that a bundler moved);
 * 2. `build/Release/path_exclusion.node` of this package, built here;
 * 3. the optional package `@path-exclusion/<platform>-<arch>`, in exactly this version.
 *
 * @throws PxError ERR_BACKEND when there is none, or the platform package is of another version.
 */
export function locateAddon(surroundings: Partial<Surroundings> = {}): string {
  const { env, platform, arch, root } = { ...here, ...surroundings };
  if (env.PX_ADDON) return env.PX_ADDON;
  const built = join(root, 'build', 'Release', 'path_exclusion.node');
  if (existsSync(built)) return built;

  const name = `@path-exclusion/${platform}-${arch}`;
  const manifest = findManifest(name, root);
  if (!manifest) {
    throw new PxError(
      'ERR_BACKEND',
      `there is no native addon for this machine: neither ${built} nor the package ${name} is installed. Where ` +
        `${name} exists, installing again with optional dependencies (without --omit=optional, and not from a lock file ` +
        `that another system wrote) brings it. ${howToBuild(root)}`,
    );
  }
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  if (version !== VERSION) {
    throw new PxError(
      'ERR_BACKEND',
      `${name} is version ${version}, but path-exclusion is ${VERSION}: install both in one version ` +
        `(\`npm install path-exclusion@${VERSION}\`). ${howToBuild(root)}`,
    );
  }
  return join(dirname(manifest), 'path_exclusion.node');
}

function findManifest(name: string, root: string): string | undefined {
  try {
    return createRequire(join(root, 'package.json')).resolve(`${name}/package.json`);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw cause;
  }
}
