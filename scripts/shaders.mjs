/**
 * Writes src/backend/webgpu/shaders.generated.ts: the texts of shaders/*.wgsl as one module, so that Node, bundlers and the published package
 * find them alike, without reading files. `--check` only compares (npm run lint).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './stamp.mjs';

const folder = join(root, 'shaders');
const target = join(root, 'src/backend/webgpu/shaders.generated.ts');

const entries = readdirSync(folder)
  .filter((file) => file.endsWith('.wgsl'))
  .sort()
  .map((file) => {
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n');
    if (/[`\\]|\$\{/.test(text)) throw new Error(`shaders/${file} holds a backtick, a backslash or a \${`);
    return `  ${file.replace(/\.wgsl$/, '')}: \`${text}\`,\n`;
  });
const wanted = `// Written by scripts/shaders.mjs from shaders/*.wgsl; do not edit.\nexport const SHADERS = {\n${entries.join('')}} as const;\n`;

if (process.argv.includes('--check')) {
  const found = readFileSync(target, 'utf8').replaceAll('\r\n', '\n');
  if (found !== wanted) {
    console.error(
      'src/backend/webgpu/shaders.generated.ts is not what shaders/ holds; run npm run build:shaders',
    );
    process.exit(1);
  }
} else writeFileSync(target, wanted);
