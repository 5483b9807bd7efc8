import type { Backend, CompileOptions, Program, RoundResult } from '../../src/backend/backend.js';
import { PxError } from '../../src/errors.js';
import type { Plan } from '../../src/plan/plan.js';
import { countKept, isKept } from '../../src/prune/masks.js';

/**
 * A backend without mathematics, for tests of what goes on around one: a weight's score depends on its value, on all masks and on all data
 * pushed, deterministically; R is 0 where a tensor that is not gate-only has no weight left.
 */
export class FakeBackend implements Backend {
  readonly name = 'cpu';
  readonly description = 'fake';
  /** Rounds finished since this backend was made. */
  rounds = 0;
  disposed = 0;
  /** Called before each finish with the number of rounds finished before; may throw, or never settle. */
  beforeFinish: (round: number) => Promise<void> | void = () => {};

  async compile(plan: Plan, weights: readonly Float32Array[], _options: CompileOptions): Promise<Program> {
    return new FakeProgram(this, plan, weights);
  }
}

class FakeProgram implements Program {
  readonly backend = 'fake';
  #masks: readonly Uint8Array[] = [];
  #seen = 0;
  #aborted = false;

  constructor(
    private readonly owner: FakeBackend,
    private readonly plan: Plan,
    private readonly weights: readonly Float32Array[],
  ) {}

  setMasks(masks: readonly Uint8Array[]): void {
    this.#masks = masks.map((mask) => mask.slice());
  }

  begin(): void {
    this.#seen = 0;
    this.#aborted = false;
  }

  async push(x: Float32Array, samples: number): Promise<object> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#aborted) throw new PxError('ERR_ABORTED', 'aborted');
    for (let i = 0; i < x.length; i++) this.#seen = (this.#seen * 31 + x[i]! * 1000 + samples) % 1_000_003;
    return {};
  }

  async finish(): Promise<RoundResult> {
    await this.owner.beforeFinish(this.owner.rounds);
    if (this.#aborted) throw new PxError('ERR_ABORTED', 'aborted');
    this.owner.rounds++;
    const kept = this.#masks.map(countKept);
    const cut = this.plan.params.some((param, id) => !param.gateOnly && kept[id] === 0);
    const salt = kept.reduce((sum, count, id) => sum + count * (id + 7), this.#seen);
    const scores = this.weights.map((w, id) =>
      w.map((value, j) =>
        cut || this.plan.params[id]!.gateOnly || !isKept(this.#masks[id]!, j) ? 0 : score(value, salt + j),
      ),
    );
    const log2 = cut ? Number.NEGATIVE_INFINITY : Math.log2(1 + salt);
    return { scores, log2: { R: log2, Jfv2: log2 / 2, Jvt2: log2 / 3 } };
  }

  abort(): void {
    this.#aborted = true;
  }

  memory() {
    return { current: 0, peak: 0 };
  }

  dispose(): void {
    this.owner.disposed++;
  }
}

function score(value: number, salt: number): number {
  return Math.abs(value) * (1 + 0.5 * Math.sin(salt));
}
