/**
 * Chromium for tests of the page: a browser that is installed (nothing is downloaded), driven by playwright-core. WebGPU without a
 * graphics processor takes two switches:
 *
 *   --enable-unsafe-webgpu           Linux has WebGPU switched off by default, and software adapters are refused everywhere
 *   --use-webgpu-adapter=swiftshader the software Vulkan driver that comes with Chromium (Debian: in the package `chromium`)
 *
 * Without them `navigator.gpu` is there, but finds no adapter. No Vulkan loader, ICD file or GPU process switch is needed.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Where it is: CHROME_PATH, else the usual places. PX_REQUIRE naming "browser" turns its absence into a failure. */
export function findChromium(): { readonly path: string } | { readonly missing: string } {
  const given = process.env.CHROME_PATH;
  const path = given === undefined ? PLACES.find((place) => existsSync(place)) : given;
  if (path !== undefined && existsSync(path)) return { path };
  const missing =
    given === undefined
      ? 'no Chromium or Chrome in the usual places; install chromium, or name one in CHROME_PATH'
      : `CHROME_PATH names ${given}, which is not there`;
  if ((process.env.PX_REQUIRE ?? '').split(',').includes('browser'))
    throw new Error(`PX_REQUIRE names "browser": ${missing}`);
  return { missing };
}

/** A headless one. `gpu`: with a software adapter; else without any. `hosts`: names that lead to this machine. */
export function launchChromium(path: string, gpu: boolean, hosts: readonly string[] = []): Promise<Browser> {
  // Chromium's sandbox does not run as root, as which containers do.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const rules = hosts.map((host) => `MAP ${host} 127.0.0.1`).join(', ');
  const resolver = hosts.length > 0 ? [`--host-resolver-rules=${rules}`] : [];
  return chromium.launch({
    executablePath: path,
    args: [...sandbox, ...(gpu ? SOFTWARE_GPU : []), ...resolver],
  });
}
