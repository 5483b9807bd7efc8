/** Bytes that can be read anywhere: those of an open file, or of one that a browser holds. */
export interface RandomAccess {
  /** For messages. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes into a fresh buffer whose start is aligned for every element type.
   *
   * @throws PxError ERR_FILE where they are not all there, ERR_IO
   */
  read(position: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}
