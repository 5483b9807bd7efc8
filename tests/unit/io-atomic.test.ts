import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openAtomic, writeAtomic, writeFileAtomic } from '../../src/io/atomic.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-atomic-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('replaces a file as a whole and leaves nothing else behind', async () => {
  const path = join(folder, 'out.txt');
  await writeFileAtomic(path, 'first');
  await writeFileAtomic(path, new TextEncoder().encode('second'));
  expect(await readFile(path, 'utf8')).toBe('second');
  expect(await readdir(folder)).toEqual(['out.txt']);
});

it('shows the old content until commit', async () => {
  const path = join(folder, 'out.txt');
  await writeFile(path, 'old');
  const writer = await openAtomic(path);
  await writer.write(Buffer.from('ne'));
  await writer.write(Buffer.from('w'));
  expect(writer.position).toBe(3);
  expect(await readFile(path, 'utf8')).toBe('old');
  await writer.commit();
  expect(await readFile(path, 'utf8')).toBe('new');
  await writer.discard();
  expect(await readFile(path, 'utf8')).toBe('new');
  await expect(writer.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'ERR_STATE' });
});

it('removes the temporary file where writing fails, and passes the error on', async () => {
  const path = join(folder, 'out.txt');
  await writeFile(path, 'old');
  const failure = new Error('from the caller');
  await expect(
    writeAtomic(path, async (writer) => {
      await writer.write(Buffer.from('half'));
      throw failure;
    }),
  ).rejects.toBe(failure);
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['out.txt']);
});

it('writes through a symbolic link and leaves the link', async () => {
  await mkdir(join(folder, 'real'));
  await writeFile(join(folder, 'real', 'out.txt'), 'old');
  await symlink(join('real', 'out.txt'), join(folder, 'link'));
  await writeFileAtomic(join(folder, 'link'), 'new');
  expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true);
  expect(await readFile(join(folder, 'real', 'out.txt'), 'utf8')).toBe('new');
});

it.each([
  ['a missing folder', (at: string) => join(at, 'none', 'out.txt'), /no such file or folder/],
  ['a folder', (at: string) => at, /is a folder/],
  ['a device', () => '/dev/null', /not a regular file/],
  ['a path through a file', () => join(process.execPath, 'out.txt'), /not a folder/],
])('%s is an ERR_IO naming the path', async (_, place, message) => {
  const path = place(folder);
  await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject({
    code: 'ERR_IO',
    message: expect.stringMatching(message),
  });
  await expect(writeFileAtomic(path, 'x')).rejects.toThrow(path);
});

it.skipIf(process.getuid?.() === 0)('a read-only folder is an ERR_IO', async () => {
  await chmod(folder, 0o500);
  await expect(writeFileAtomic(join(folder, 'out.txt'), 'x')).rejects.toMatchObject({ code: 'ERR_IO' });
  await chmod(folder, 0o700);
});
