/** The built page on a static host, in a folder of it, as it may lie anywhere. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';

const FOLDER = '/some/where/';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.txt': 'text/plain; charset=utf-8',
};

export interface PageHost {
  /** The page's address under a host name that leads to this machine. */
  url(host?: string): string;
  /** Paths below the folder that were asked for, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

/** Builds the page and serves it, and nothing else. */
export async function hostPage(): Promise<PageHost> {
  const { buildWeb } = await import(new URL('../../scripts/build-web.mjs', import.meta.url).href);
  const site = mkdtempSync(join(tmpdir(), 'px-page-'));
  const files: string[] = await buildWeb(site);
  const asked: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    const name = url.startsWith(FOLDER) ? url.slice(FOLDER.length) || 'index.html' : '';
    asked.push(name === '' ? url : name);
    if (!files.includes(name)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(name)] });
    response.end(readFileSync(join(site, name)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (host = 'localhost') => `http://${host}:${port}${FOLDER}`,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(site, { recursive: true });
    },
  };
}
