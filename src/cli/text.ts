/** How numbers and names are written for people. Every number has a unit. */

/**
 * A model can be named by anyone: characters that a terminal would act on (controls, escapes, direction overrides) are
 * shown as their code instead.
 */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** As `escapeControls`, line breaks kept: for messages of several lines. */
export function escapeLines(text: string): string {
  return text.split('\n').map(escapeControls).join('\n');
}

/** JSON in which no character is left that a terminal would act on. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) => line.replace(CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`))
    .join('\n');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** 270 896: groups of three, so that long counts can be read. */
export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** "1 weight", "2 weights". */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function percent(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`;
  return `${(share * 100).toPrecision(3)} %`;
}

/** Decimal units: 1 MB is 10⁶ bytes. */
export function bytes(value: number): string {
  return scaled(value, ['B', 'kB', 'MB', 'GB', 'TB']);
}

/** Multiply-accumulates. */
export function macs(value: number): string {
  return scaled(value, ['MAC', 'kMAC', 'MMAC', 'GMAC', 'TMAC', 'PMAC']);
}

export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 2^12.34, or 0. */
export function powerOfTwo(log2: number): string {
  return log2 === Number.NEGATIVE_INFINITY ? '0' : `2^${log2.toFixed(2)}`;
}

/** [64, 3, 7, 7] as 64×3×7×7. */
export function shapeOf(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join('×');
}

function scaled(value: number, units: readonly string[]): string {
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}
