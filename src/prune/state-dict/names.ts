/** Names as a second opinion, where contents leave a choice. */

/** Parts of a name that most tensors share, and wrappers' prefixes. */
const GENERIC = new Set(['', 'weight', 'module', 'model', '_orig_mod']);

/**
 * How many parts agree when one name is the end of the other, parts that say nothing left out: "conv1.weight" and
 * "module.layer1.conv1.weight" agree in one; 0 where neither ends with the other, or numbers alone agree.
 */
export function nameAgreement(a: string, b: string): number {
  if (a === b) return Number.MAX_VALUE;
  const [x, y] = [parts(a), parts(b)];
  const shared = Math.min(x.length, y.length);
  for (let i = 1; i <= shared; i++) if (x.at(-i) !== y.at(-i)) return 0;
  return x.slice(-shared).some((part) => !/^\d+$/.test(part)) ? shared : 0;
}

/** Sorted so that "layer2" comes before "layer10". */
export function naturalOrder(names: readonly string[]): string[] {
  return [...names].sort(new Intl.Collator('en', { numeric: true }).compare);
}

function parts(name: string): string[] {
  return name.split(/[./:]+/).filter((part) => !GENERIC.has(part));
}
