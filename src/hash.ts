/** A SHA-256 under way: Node's own, or one in JavaScript where there is none that can be fed piece by piece. */
export interface Hash {
  /** Text counts as UTF-8. */
  update(data: Uint8Array | string): unknown;
  /** Ends it: the digest in hex. */
  digest(encoding: 'hex'): string;
}

export type NewHash = () => Hash;
