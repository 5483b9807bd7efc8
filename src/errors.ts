/** Every failure the package raises on purpose carries one of these codes; nothing else is part of the contract. */
export const EXIT_CODES = {
  /** An option or argument is missing, unknown or out of range. */
  ERR_OPTION: 2,
  /** A file is malformed, truncated or not what its name says. */
  ERR_FILE: 3,
  /** The model holds something PX cannot treat exactly: the message names node, op, opset and a remedy. */
  ERR_UNSUPPORTED: 4,
  /** The images or tensors do not fit the model, or a sample cannot be read. */
  ERR_DATA: 5,
  /** The operating system refused: missing file, no permission, disk full. */
  ERR_IO: 6,
  /** R became 0: the network is cut. The last good masks are kept. */
  ERR_NETWORK_CUT: 7,
  /** Masks, checkpoint or output folder do not belong to this model or configuration. */
  ERR_MISMATCH: 8,
  /** The work does not fit into memory; the message names a size that would. */
  ERR_MEMORY: 9,
  /** A backend is absent or failed: addon not built, no adapter, device lost. */
  ERR_BACKEND: 10,
  /** A number came out NaN or infinite where none may. */
  ERR_NUMERIC: 11,
  /** A method was called on something disposed, or busy with another call. */
  ERR_STATE: 12,
  /** Stopped by an AbortSignal or Ctrl-C. */
  ERR_ABORTED: 130,
} as const;

export type PxErrorCode = keyof typeof EXIT_CODES;

/** Names in a file may be as long as the file; nobody reads further than this. */
const MAX_MESSAGE = 2 ** 16;

/**
 * The one error class. `message` names the culprit (file, node, op, opset or tensor) and what to do about it;
 * `code` is stable and machine-readable; `exitCode` is what `px` ends with.
 */
export class PxError extends Error {
  override readonly name = 'PxError';
  readonly code: PxErrorCode;

  constructor(code: PxErrorCode, message: string, options?: ErrorOptions) {
    super(message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE)}…`, options);
    this.code = code;
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}
