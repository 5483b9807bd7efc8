import type { Backend, CompileOptions, Program, RoundResult } from '../../src/backend/backend.js';
import { PxError } from '../../src/errors.js';
import { pause } from '../../src/pause.js';
import type { Plan } from '../../src/plan/plan.js';
import { unpackMask } from '../../src/prune/masks.js';
import { referenceRound } from './reference.js';

/** The float64 definition of a round (reference.ts) as a backend: exact, needs nothing of Node, and slow. */
export const referenceBackend: Backend = {
  name: 'cpu',
  description: 'float64 reference',
  compile: async (plan, weights, options) => new ReferenceProgram(plan, weights, options),
};

class ReferenceProgram implements Program {
  readonly backend = 'float64 reference';
  #masks: Uint8Array[] | undefined;
  #pushed: { x: Float32Array; samples: number }[] = [];
  #aborted = false;

  constructor(
    private readonly plan: Plan,
    private readonly weights: readonly Float32Array[],
    private readonly options: CompileOptions,
  ) {}

  setMasks(masks: readonly Uint8Array[]): void {
    this.#masks = masks.map((mask, id) => unpackMask(mask, this.weights[id]!.length));
  }

  begin(): void {
    this.#pushed = [];
    this.#aborted = false;
  }

  async push(x: Float32Array, samples: number): Promise<object> {
    await this.#pause();
    this.#pushed.push({ x: x.slice(), samples });
    return {};
  }

  async finish(): Promise<RoundResult> {
    await this.#pause();
    const samples = this.#pushed.reduce((sum, part) => sum + part.samples, 0);
    const x = new Float32Array(this.#pushed.reduce((sum, part) => sum + part.x.length, 0));
    let at = 0;
    for (const part of this.#pushed) {
      x.set(part.x, at);
      at += part.x.length;
    }
    const { method, norm } = this.options;
    const microBatch = Math.max(...this.#pushed.map((part) => part.samples));
    const { scores, u, log2 } = referenceRound(this.plan, this.weights, x, samples, {
      method,
      norm,
      microBatch,
      ...(this.#masks && { masks: this.#masks }),
    });
    return {
      scores: scores.map((values) => Float32Array.from(values)),
      ...(u && { u: u.map((values) => Float32Array.from(values)) }),
      log2,
    };
  }

  abort(): void {
    this.#aborted = true;
  }

  memory() {
    return { current: 0, peak: 0 };
  }

  dispose(): void {}

  async #pause(): Promise<void> {
    await pause();
    if (this.#aborted) throw new PxError('ERR_ABORTED', 'stopped on request');
  }
}
