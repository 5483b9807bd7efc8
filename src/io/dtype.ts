/** Element types of the tensor files (safetensors, npy) and their values as float32. */

export type Dtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'U64'
  | 'I32'
  | 'U32'
  | 'I16'
  | 'U16'
  | 'I8'
  | 'U8'
  | 'BOOL';

export type TypedArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** Half-precision types have no typed array of their own: their bit patterns are kept as Uint16Array. */
const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(ARRAYS, name);
}

/** Bytes per element. */
export function elementSize(dtype: Dtype): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** Whether `data` is the kind of typed array that holds this element type. */
export function holds(dtype: Dtype, data: TypedArray): boolean {
  return data instanceof ARRAYS[dtype];
}

/** A typed view of little-endian bytes, without a copy where their start is aligned. */
export function viewBytes(dtype: Dtype, bytes: Uint8Array): TypedArray {
  const aligned = bytes.byteOffset % elementSize(dtype) === 0 ? bytes : bytes.slice();
  return new ARRAYS[dtype](
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / elementSize(dtype),
  );
}

/** Values as float32: the same array for F32, rounded to nearest for wider types. */
export function toFloat32(dtype: Dtype, data: TypedArray): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = new Float32Array(data.length);
  if (dtype === 'F16') for (let i = 0; i < out.length; i++) out[i] = float16ToNumber(data[i] as number);
  else if (dtype === 'BF16') widenBfloat16(data as Uint16Array, out);
  else for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
  return out;
}

/** The value of an IEEE binary16 bit pattern. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A bfloat16 is the upper half of a float32. */
function widenBfloat16(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < words.length; i++) words[i] = bits[i]! << 16;
}
