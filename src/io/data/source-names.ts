import { resolve, sep } from 'node:path';
import { PxError } from '../../errors.js';

/**
 * Short names for the given paths, the first part of their samples' identifiers: the last part of the path, or as many of the last
 * parts as it takes to tell them apart. ERR_OPTION where a path is given twice.
 */
export function sourceNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => resolve(path).split(sep));
  return parts.map((own, index) => {
    for (let count = 1; count <= own.length; count++) {
      const name = own.slice(-count).join('/');
      if (parts.every((other, i) => i === index || other.slice(-count).join('/') !== name)) return name;
    }
    throw new PxError('ERR_OPTION', `${paths[index]} is given twice; name each source of data once`);
  });
}
