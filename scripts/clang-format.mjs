/**
 * Formats the C++ sources, or with --check only reports what is not formatted. clang-format 14 decides: other versions
 * lay out code differently. Where it is not installed this says so and succeeds, unless CI is set.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './stamp.mjs';

const wanted = 14;

function findClangFormat() {
  return [`clang-format-${wanted}`, 'clang-format'].find((name) => {
    const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
    return status === 0 && stdout.includes(`version ${wanted}.`);
  });
}

const clangFormat = findClangFormat();
if (!clangFormat) {
  console.error(
    `clang-format ${wanted} is not installed (Debian: apt install clang-format-${wanted}); C++ is not checked.`,
  );
  process.exit(process.env.CI ? 1 : 0);
}
const files = readdirSync(join(root, 'native'), { recursive: true })
  .filter((name) => /\.(cc|h)$/.test(name))
  .map((name) => join(root, 'native', name))
  .sort();
if (files.length > 0) {
  const mode = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
  const { status } = spawnSync(clangFormat, [...mode, '--style=file', ...files], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
console.log(`clang-format: ${files.length} files`);
