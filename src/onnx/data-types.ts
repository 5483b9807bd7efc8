/** ONNX element types (TensorProto.DataType). */
export interface DataType {
  readonly code: number;
  readonly name: string;
  /** Bytes per element in raw data; 0 where raw data does not exist or elements share bytes. */
  readonly bytes: number;
}

const rows: readonly [code: number, name: string, bytes: number][] = [
  [1, 'float32', 4],
  [2, 'uint8', 1],
  [3, 'int8', 1],
  [4, 'uint16', 2],
  [5, 'int16', 2],
  [6, 'int32', 4],
  [7, 'int64', 8],
  [8, 'string', 0],
  [9, 'bool', 1],
  [10, 'float16', 2],
  [11, 'float64', 8],
  [12, 'uint32', 4],
  [13, 'uint64', 8],
  [14, 'complex64', 8],
  [15, 'complex128', 16],
  [16, 'bfloat16', 2],
  [17, 'float8e4m3fn', 1],
  [18, 'float8e4m3fnuz', 1],
  [19, 'float8e5m2', 1],
  [20, 'float8e5m2fnuz', 1],
  [21, 'uint4', 0],
  [22, 'int4', 0],
  [23, 'float4e2m1', 0],
];

const byCode = new Map<number, DataType>(rows.map(([code, name, bytes]) => [code, { code, name, bytes }]));

/** The element type for an ONNX code; an unknown code is named as such and has no size. */
export function dataType(code: number): DataType {
  return byCode.get(code) ?? { code, name: `element type ${code}`, bytes: 0 };
}

/** Types whose tensors can be weights. */
export function isFloatType(code: number): boolean {
  return code === 1 || code === 10 || code === 11 || code === 16;
}
