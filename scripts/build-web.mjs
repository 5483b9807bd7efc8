/**
 * npm run build:web: the page of web/ as static files in dist-web/, for any host and any folder of it.
 *
 *   node scripts/build-web.mjs [folder]
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { root } from './stamp.mjs';

const web = join(root, 'web');

/**
 * Bundles the page.
 *
 * @param folder emptied first
 * @param replace modules to take others for, by path: tests put a backend of their own in the place of web/src/open-backend.ts
 * @returns names of the files written
 */
export async function buildWeb(folder, replace = {}) {
  const inputs = new Set();
  const bundle = async (entry, plugins) => {
    const { outputFiles, metafile } = await build({
      absWorkingDir: root,
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      minify: true,
      platform: 'browser',
      // Scripts of the old kind: those run from a blob, and from a page that was opened as a file.
      format: 'iife',
      target: 'es2022',
      legalComments: 'none',
      plugins,
    });
    for (const path of Object.keys(metafile.inputs)) inputs.add(path);
    return outputFiles[0].text;
  };
  const replaced = replacing(replace);
  const source = {
    name: 'source',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\?source$/ }, ({ path, resolveDir }) => ({
        path: resolve(resolveDir, path.replace(/\.js\?source$/, '.ts')),
        namespace: 'source',
      }));
      onLoad({ filter: /.*/, namespace: 'source' }, async ({ path }) => ({
        contents: await bundle(path, [replaced]),
        loader: 'text',
      }));
    },
  };
  const app = await bundle(join(web, 'src/main.ts'), [source, replaced]);

  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of ['index.html', 'style.css']) cpSync(join(web, file), join(folder, file));
  writeFileSync(join(folder, 'app.js'), app);
  writeFileSync(join(folder, 'licenses.txt'), licenses(inputs));
  return readdirSync(folder).sort();
}

function replacing(replace) {
  const paths = new Map(
    Object.entries(replace).map(([from, to]) => [resolve(root, from), resolve(root, to)]),
  );
  return {
    name: 'replace',
    setup({ onLoad }) {
      if (paths.size === 0) return;
      onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => {
        const to = paths.get(path);
        if (to === undefined) return undefined;
        return { contents: `export * from ${JSON.stringify(to)}`, resolveDir: root, loader: 'ts' };
      });
    },
  };
}

/** The licence of this package, then of every package that went into the page. */
function licenses(inputs) {
  const packages = new Set();
  for (const path of inputs) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (name !== undefined) packages.add(name);
  }
  const texts = [...packages].sort().map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : `\n\n${readFileSync(join(folder, file), 'utf8').trim()}`;
    return `${name} ${version} (${license})${text}`;
  });
  const own = `path-exclusion\n\n${readFileSync(join(root, 'LICENSE'), 'utf8').trim()}`;
  return `${[own, ...texts].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  const folder = resolve(process.argv[2] ?? join(root, 'dist-web'));
  if (existsSync(join(folder, 'package.json')))
    throw new Error(`${folder} is a package, not a folder to empty`);
  const files = await buildWeb(folder);
  console.log(`${folder}: ${files.join(', ')}`);
}
