import { InvalidArgumentError } from 'commander';

/** Parsers for option values: what is not a number is refused here, what range it may have is the library's to say. */

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError(`'${text}' is not a number.`);
  return value;
}

export function wholeNumber(text: string): number {
  const value = number(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError(`'${text}' is not a whole number.`);
  return value;
}

/** "0.5" or "0.5,0.4,0.6". */
export function numbers(text: string): number[] {
  return text.split(',').map(number);
}

/** "1" or "1,2". */
export function wholeNumbers(text: string): number[] {
  return text.split(',').map(wholeNumber);
}

/** "base,avx2". */
export function words(text: string): string[] {
  if (text.split(',').includes('')) throw new InvalidArgumentError(`'${text}' is no list of names.`);
  return text.split(',');
}

/** One value a time; repeating the option adds to the list. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('the value is empty.');
  return [...before, text];
}

/** Bytes: 500000000, 500MB, 2GB, 1.5GiB. */
export function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/i.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() ?? 'b';
  if (match === null) throw new InvalidArgumentError(`'${text}' is not a size such as 4GB or 512MiB.`);
  const base = unit.includes('i') ? 1024 : 1000;
  return Math.floor(Number(match[1]) * base ** ['b', 'k', 'm', 'g', 't'].indexOf(unit[0]!));
}
