import type { ActivationStep, UnaryStep } from '../../src/plan/plan.js';

/** erf to double precision: its series near 0, the continued fraction of erfc away from it. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 200; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = z;
  for (let k = 120; k >= 1; k--) fraction = z + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (fraction * Math.sqrt(Math.PI)));
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/** φ(z); `slope` is PRelu's at this element. */
export function activate({ fn, alpha, beta }: ActivationStep, z: number, slope: number): number {
  switch (fn) {
    case 'relu':
      return Math.max(z, 0);
    case 'leaky-relu':
      return z < 0 ? alpha * z : z;
    case 'prelu':
      return z < 0 ? slope * z : z;
    case 'clip':
      return Math.min(Math.max(z, alpha), beta);
    case 'elu':
      return z < 0 ? alpha * Math.expm1(z) : z;
    case 'selu':
      return beta * (z < 0 ? alpha * Math.expm1(z) : z);
    case 'celu':
      return z < 0 ? alpha * Math.expm1(z / alpha) : z;
    case 'gelu':
      return (z * (1 + erf(z / Math.SQRT2))) / 2;
    case 'gelu-tanh':
      return (z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)))) / 2;
    case 'hard-swish':
      return z * Math.min(Math.max(z / 6 + 0.5, 0), 1);
    case 'silu':
      return z * sigmoid(alpha * z);
    case 'mish':
      return z * Math.tanh(softplus(z));
    case 'tanh':
      return Math.tanh(z);
  }
}

export function unary({ fn, alpha, beta }: UnaryStep, z: number): number {
  switch (fn) {
    case 'sigmoid':
      return sigmoid(z);
    case 'hard-sigmoid':
      return Math.min(Math.max(alpha * z + beta, 0), 1);
    case 'erf':
      return erf(z);
    case 'softplus':
      return softplus(z);
    case 'exp':
      return Math.exp(z);
    case 'log':
      return Math.log(z);
    case 'sqrt':
      return Math.sqrt(z);
    case 'reciprocal':
      return 1 / z;
    case 'neg':
      return -z;
    case 'abs':
      return Math.abs(z);
    case 'pow':
      return z ** alpha;
  }
}
