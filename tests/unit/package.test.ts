import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locateAddon } from '../../src/backend/native/locate.js';
import { PxError } from '../../src/errors.js';
import { VERSION } from '../../src/version.js';

const script = (name: string) => import(new URL(`../../scripts/${name}`, import.meta.url).href);
const main = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

/** The machine of these tests: one whose addon is certainly not installed here. */
const machine = { env: {}, platform: 'plan9', arch: 'mips' };

describe('where the addon is looked for', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'px-package-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  function addLocalBuild(): string {
    const path = join(root, 'build', 'Release', 'path_exclusion.node');
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, '');
    return path;
  }

  function addPlatformPackage(version = VERSION): string {
    const folder = join(root, 'node_modules', '@path-exclusion', 'plan9-mips');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ version, main: 'path_exclusion.node' }));
    writeFileSync(join(folder, 'path_exclusion.node'), '');
    return join(folder, 'path_exclusion.node');
  }

  function refusal(): PxError {
    try {
      locateAddon({ ...machine, root });
    } catch (error) {
      if (error instanceof PxError) return error;
      throw error;
    }
    throw new Error('an addon was found');
  }

  it('PX_ADDON comes before a local build, that before the platform package', () => {
    const packaged = addPlatformPackage();
    expect(locateAddon({ ...machine, root })).toBe(packaged);
    const built = addLocalBuild();
    expect(locateAddon({ ...machine, root })).toBe(built);
    expect(locateAddon({ ...machine, root, env: { PX_ADDON: '/elsewhere.node' } })).toBe('/elsewhere.node');
  });

  it('without any, the error names both places and how to build', () => {
    const { code, message } = refusal();
    expect(code).toBe('ERR_BACKEND');
    for (const part of [
      join(root, 'build', 'Release', 'path_exclusion.node'),
      '@path-exclusion/plan9-mips',
      'npm rebuild path-exclusion',
      join(root, 'scripts', 'build-addon.mjs'),
      'C++17 compiler',
      'CMake',
    ]) {
      expect(message).toContain(part);
    }
  });

  it('a platform package of another version is refused, with both versions', () => {
    addPlatformPackage('0.0.1');
    const { code, message } = refusal();
    expect(code).toBe('ERR_BACKEND');
    expect(message).toContain('@path-exclusion/plan9-mips is version 0.0.1');
    expect(message).toContain(VERSION);
  });
});

describe('what is packed', () => {
  it('the version that the code states is the one of package.json', () => {
    expect(VERSION).toBe(main.version);
  });

  it('the checkout names no platform package, a release names each in exactly its version', async () => {
    const { platforms, releaseManifest } = await script('platforms.mjs');
    expect(JSON.stringify(main)).not.toContain('@path-exclusion/');
    const released = releaseManifest(main);
    const { webgpu, ...addons } = released.optionalDependencies;
    expect(webgpu).toBe(main.optionalDependencies.webgpu);
    expect(Object.keys(addons)).toHaveLength(platforms.length);
    expect(new Set(Object.values(addons))).toEqual(new Set([main.version]));
    expect(released.dependencies).toEqual(main.dependencies);
    expect(released.exports).toEqual(main.exports);
    expect(released.devDependencies).toBeUndefined();
    expect(Object.keys(released.scripts)).toEqual(['install']);
    expect(released.files.filter((path: string) => path.startsWith('build'))).toEqual([]);
  });

  it("a platform package is installed only on its own platform, under the loader's name for it", async () => {
    const { packageName, platforms, platformManifest } = await script('platforms.mjs');
    for (const platform of platforms) {
      const { name, version, os, cpu, libc } = platformManifest(main, platform);
      expect({ name, version, os, cpu }).toEqual({
        name: packageName(platform),
        version: main.version,
        os: [platform.os],
        cpu: [platform.cpu],
      });
      expect(libc).toEqual(platform.os === 'linux' ? ['glibc'] : undefined);
      expect(() =>
        locateAddon({ env: {}, platform: platform.os, arch: platform.cpu, root: tmpdir() }),
      ).toThrow(`the package ${name} is`);
    }
  });

  it('the glibc an addon asks for is the newest of its symbols, by number', async () => {
    const { compare, requiredGlibc } = await script('platforms.mjs');
    const bytes = (text: string) => Buffer.from(`\x7fELF\0${text}\0`, 'latin1');
    expect(requiredGlibc(bytes('GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.4\0GLIBCXX_3.4.30'))).toBe('2.34');
    expect(requiredGlibc(bytes('no versions'))).toBeUndefined();
    expect(compare([2, 9], [2, 28])).toBeLessThan(0);
  });

  it('every script that the install script needs is packed', async () => {
    const needed = (name: string): string[] => {
      const source = readFileSync(new URL(`../../scripts/${name}`, import.meta.url), 'utf8');
      const imported = [...source.matchAll(/(?:from|import\() ?'\.\/([\w-]+\.mjs)'/g)].map(
        ([, file]) => file!,
      );
      return [name, ...imported.flatMap(needed)];
    };
    const entry = main.scripts.install.replace('node scripts/', '');
    const files = new Set(needed(entry));
    expect(files).toContain('build-addon.mjs');
    for (const file of files) expect(main.files).toContain(`scripts/${file}`);
  });
});
