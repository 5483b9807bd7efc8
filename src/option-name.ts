const API_ONLY: ReadonlySet<string> = new Set([
  'backend',
  'onProgress',
  'signal',
  'provenance',
  'cacheBytes',
]);
const OTHER_FLAGS: ReadonlyMap<string, string> = new Map([
  ['memoryLimit', '--memory'],
  ['out', '--output'],
]);

/** How a message names an option: as the library spells it and, where there is one, as the command line does. */
export function optionName(name: string): string {
  if (API_ONLY.has(name)) return name;
  const dashed = name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
  return `${name} (${OTHER_FLAGS.get(name) ?? `--${dashed}`})`;
}
