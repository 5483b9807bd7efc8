/**
 * The platforms that prebuilt addons are made for, and the package.json files of a release. A checkout's own package.json
 * does not name the platform packages: `npm ci` must work before they are published.
 */

/** Linux binaries are linked against glibc; musl systems (Alpine) build from source. */
export const platforms = [
  { name: 'linux-x64', os: 'linux', cpu: 'x64', libc: 'glibc' },
  { name: 'linux-arm64', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  { name: 'darwin-x64', os: 'darwin', cpu: 'x64' },
  { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
  { name: 'win32-x64', os: 'win32', cpu: 'x64' },
];

export const packageName = (platform) => `@path-exclusion/${platform.name}`;

/** package.json of a platform package, from the checkout's (`main`). */
export function platformManifest(main, platform) {
  return {
    name: packageName(platform),
    version: main.version,
    description: `Native addon of path-exclusion for ${platform.name}`,
    license: main.license,
    files: ['path_exclusion.node'],
    type: 'commonjs',
    main: 'path_exclusion.node',
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc ? { libc: [platform.libc] } : {}),
    engines: main.engines,
    preferUnplugged: true,
  };
}

/** package.json of the main package as it is released: with the platform packages, in exactly its own version. */
export function releaseManifest(main) {
  const { devDependencies: _, ...rest } = main;
  return {
    ...rest,
    scripts: { install: main.scripts.install },
    files: main.files.filter((path) => !path.startsWith('build/')),
    optionalDependencies: {
      ...main.optionalDependencies,
      ...Object.fromEntries(platforms.map((platform) => [packageName(platform), main.version])),
    },
  };
}

/**
 * The newest glibc that the symbols of a Linux addon ask for, such as "2.34"; undefined where it names none. ELF keeps
 * the versions as plain strings.
 */
export function requiredGlibc(bytes) {
  const versions = [...bytes.toString('latin1').matchAll(/GLIBC_(\d+)\.(\d+)/g)];
  const newest = versions
    .map(([, major, minor]) => [Number(major), Number(minor)])
    .sort(compare)
    .at(-1);
  return newest?.join('.');
}

/** Order of two versions such as [2, 34]. */
export function compare([major, minor], [otherMajor, otherMinor]) {
  return major - otherMajor || minor - otherMinor;
}
