/** Reading safetensors lazily, wherever the bytes are. */
import { PxError } from '../errors.js';
import type { TypedArray } from './dtype.js';
import { elementSize, toFloat32, viewBytes } from './dtype.js';
import type { RandomAccess } from './random-access.js';
import type { Header, TensorInfo } from './safetensors-header.js';
import { headerLength, parseHeader } from './safetensors-header.js';

/** An open safetensors file: only the header is in memory. */
export interface SafetensorsFile {
  /** Its path or name, for messages. */
  readonly path: string;
  /** In the order of their bytes in the file. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  /** ERR_MISMATCH where there is no such tensor. */
  info(name: string): TensorInfo;
  /** Reads one tensor into a fresh array. */
  read(name: string): Promise<TypedArray>;
  /** Reads one tensor as float32 values, whatever its dtype. */
  readFloat32(name: string): Promise<Float32Array>;
  /** Reads `count` elements from flat index `first` on. */
  readSlice(name: string, first: number, count: number): Promise<TypedArray>;
  close(): Promise<void>;
}

/** Validates the header of `file`, which the result owns from then on. ERR_IO, ERR_FILE. */
export async function readSafetensorsHeader(file: RandomAccess): Promise<SafetensorsFile> {
  const length = headerLength(await file.read(0, Math.min(8, file.size)), file.size, file.name);
  return new OpenFile(file, parseHeader(await file.read(8, length), file.size, file.name));
}

class OpenFile implements SafetensorsFile {
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;

  readonly path: string;

  constructor(
    private readonly file: RandomAccess,
    private readonly header: Header,
  ) {
    this.path = file.name;
    this.names = [...header.tensors.keys()];
    this.metadata = header.metadata;
  }

  has(name: string): boolean {
    return this.header.tensors.has(name);
  }

  info(name: string): TensorInfo {
    const info = this.header.tensors.get(name);
    if (!info) {
      throw new PxError(
        'ERR_MISMATCH',
        `${this.path}: has no tensor "${name}"; it has ${listNames(this.names)}`,
      );
    }
    return info;
  }

  read(name: string): Promise<TypedArray> {
    const { dtype, start, end } = this.info(name);
    return this.readSlice(name, 0, (end - start) / elementSize(dtype));
  }

  async readFloat32(name: string): Promise<Float32Array> {
    return toFloat32(this.info(name).dtype, await this.read(name));
  }

  async readSlice(name: string, first: number, count: number): Promise<TypedArray> {
    const { dtype, start, end } = this.info(name);
    const size = elementSize(dtype);
    const from = start + first * size;
    if (!(first >= 0 && count >= 0 && from + count * size <= end)) {
      throw new PxError(
        'ERR_OPTION',
        `${this.path}: elements ${first} to ${first + count} lie outside tensor "${name}"`,
      );
    }
    return viewBytes(dtype, await this.file.read(from, count * size));
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const shown = names
    .slice(0, 8)
    .map((name) => `"${name}"`)
    .join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
