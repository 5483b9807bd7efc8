import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** A seeded source of uniform numbers in [0, 1); the same on every machine. */
export type Uniform = () => number;

/** `seed` is a 32-bit integer. */
export function uniformSource(seed: number): Uniform {
  const generator = xoroshiro128plus(seed | 0);
  return () => uniformFloat64(generator);
}

/**
 * Independent draws from the normal distribution with mean 0: Box–Muller in its polar form, which needs no sine or cosine, whose
 * last bit may differ from one JavaScript engine to the next.
 */
export function normalArray(length: number, std: number, uniform: Uniform): Float32Array {
  const out = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    let [u, v, square] = [0, 0, 0];
    while (square === 0 || square >= 1) {
      u = 2 * uniform() - 1;
      v = 2 * uniform() - 1;
      square = u * u + v * v;
    }
    const radius = std * Math.sqrt((-2 * Math.log(square)) / square);
    out[i] = radius * u;
    if (i + 1 < length) out[i + 1] = radius * v;
  }
  return out;
}
