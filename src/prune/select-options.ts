import { PxError } from '../errors.js';
import { maskBytes } from './masks.js';

export interface SelectOptions {
  /** Tensor names for messages; default `#0`, `#1` … */
  readonly names?: readonly string[];
  /** false: the tensor stays as it is and counts for nothing (excluded, gate-only). Default: all take part. */
  readonly takesPart?: readonly boolean[];
  /** Every tensor that takes part keeps at least its min(floor, alive) best weights. Default 0. */
  readonly floor?: number;
}

export interface SelectInBackground extends SelectOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: as many as there are processors. The result does not depend on it. */
  readonly threads?: number | undefined;
}

/** Exact global top-k that leaves the event loop free meanwhile; `selectTopKAsync` (select.ts) says what it does. */
export type Select = (
  scores: readonly Float32Array[],
  alive: readonly Uint8Array[],
  k: number,
  options: SelectInBackground,
) => Promise<Uint8Array[]>;

/** @throws PxError ERR_OPTION where scores and masks do not fit each other */
export function checkLengths(scores: readonly Float32Array[], alive: readonly Uint8Array[]): void {
  if (scores.length !== alive.length) {
    throw new PxError(
      'ERR_OPTION',
      `${scores.length} score tensors but ${alive.length} masks: pass one mask per tensor`,
    );
  }
  scores.forEach((s, t) => {
    if (alive[t]!.length !== maskBytes(s.length)) {
      throw new PxError(
        'ERR_OPTION',
        `mask #${t} has ${alive[t]!.length} bytes, but ${s.length} weights take ${maskBytes(s.length)}: pack it with packMask`,
      );
    }
  });
}
