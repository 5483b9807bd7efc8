/** Powers of two, as the shaders have them. */

/** c = mantissa · 2^exponent, the mantissa in [1/2, 1): how constants enter a scaled tensor. 0 stays 0. */
export function split(c: number): { mantissa: number; exponent: number } {
  if (c === 0 || !Number.isFinite(c)) return { mantissa: c, exponent: 0 };
  let exponent = Math.floor(Math.log2(Math.abs(c))) + 1;
  let mantissa = c * 2 ** -exponent;
  // log2 rounds, and 2^-exponent leaves float64's range for the smallest numbers.
  if (!Number.isFinite(mantissa)) mantissa = c * 2 ** 500 * 2 ** -(exponent + 500);
  while (Math.abs(mantissa) >= 1) [mantissa, exponent] = [mantissa / 2, exponent + 1];
  while (Math.abs(mantissa) < 0.5) [mantissa, exponent] = [mantissa * 2, exponent - 1];
  return { mantissa, exponent };
}

/** k such that max · 2^k lies in [1/2, 1), within float32's normal powers; 0 for nothing. */
export function lift(max: number): number {
  if (!(max > 0) || !Number.isFinite(max)) return 0;
  return Math.min(126, Math.max(-126, -split(max).exponent));
}

/** Non-negative factors as float32 times a power of two: γ² of a tiny γ must not vanish. */
export function scaledSquares(values: ArrayLike<number>): { values: Float32Array; exponent: number } {
  let top = 0;
  for (let i = 0; i < values.length; i++) top = Math.max(top, values[i]! ** 2);
  const { exponent } = split(top);
  return { values: Float32Array.from(values, (v) => v ** 2 * 2 ** -exponent), exponent };
}

/** A sum of non-negative numbers far apart in size: a double times 2^exponent. */
export class ScaledSum {
  private sum = 0;
  private exponent = 0;

  add(value: number, exponent: number): void {
    if (value === 0) return;
    const { mantissa, exponent: own } = split(value);
    const e = own + exponent;
    if (this.sum === 0) [this.sum, this.exponent] = [mantissa, e];
    else if (e > this.exponent) {
      this.sum = this.sum * 2 ** Math.max(this.exponent - e, -1000) + mantissa;
      this.exponent = e;
    } else this.sum += mantissa * 2 ** Math.max(e - this.exponent, -1000);
  }

  get log2(): number {
    return this.sum === 0 ? Number.NEGATIVE_INFINITY : Math.log2(this.sum) + this.exponent;
  }

  /** The sum is `value` · 2^`power`. */
  get parts(): { value: number; power: number } {
    return { value: this.sum, power: this.exponent };
  }
}
