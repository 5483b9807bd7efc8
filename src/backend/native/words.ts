/** Little-endian 32-bit words, as native/engine/wire.cc reads them. */
export class WordWriter {
  private bytes = new Uint8Array(4096);
  private view = new DataView(this.bytes.buffer);
  private length = 0;

  u32(v: number): void {
    const at = this.room(4);
    this.view.setUint32(at, v, true);
  }

  i32(v: number): void {
    const at = this.room(4);
    this.view.setInt32(at, v, true);
  }

  f32(v: number): void {
    const at = this.room(4);
    this.view.setFloat32(at, v, true);
  }

  flag(v: boolean): void {
    this.u32(v ? 1 : 0);
  }

  u32s(v: Iterable<number> & { length: number }): void {
    this.u32(v.length);
    for (const x of v) this.u32(x);
  }

  i32s(v: readonly number[]): void {
    this.u32(v.length);
    for (const x of v) this.i32(x);
  }

  f32s(v: Float32Array): void {
    this.u32(v.length);
    this.raw(v);
  }

  text(s: string): void {
    const utf8 = new TextEncoder().encode(s);
    this.u32(utf8.length);
    this.padded(utf8);
  }

  /** Bytes as they are, padded to whole words. */
  padded(b: Uint8Array): void {
    const at = this.room(Math.ceil(b.length / 4) * 4);
    this.bytes.set(b, at);
  }

  /** A float array's bytes; every supported machine is little-endian. */
  raw(v: Float32Array): void {
    const at = this.room(v.byteLength);
    this.bytes.set(new Uint8Array(v.buffer, v.byteOffset, v.byteLength), at);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private room(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }
}
