/** The addon's own methods with arguments that the package never passes: refused, and the next round is as good as any. */
import { describe, expect, it } from 'vitest';
import { loadAddon, type NativeOptions, type NativeProgram } from '../../src/backend/native/addon.js';
import { encodePlan } from '../../src/backend/native/wire.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

const maker = new PlanMaker([3, 8, 8], randomStream(3));
const last = maker.leaky(maker.batchNorm(maker.conv(0, 4, { pad: 1 })), 0);
maker.output(maker.dense(maker.flatten(maker.averagePool(last, 8)), 5));
const { weights } = maker;
const plan = maker.plan();
const bytes = encodePlan(plan);
const options: NativeOptions = { joint: false, batchStatistics: true, threads: 2 };
const x = new Float32Array(4 * 192).map((_, i) => Math.sin(i));

const { Program } = loadAddon();
/** Typed for what it takes; here it gets anything. */
type Loose = Record<keyof NativeProgram, (...args: unknown[]) => unknown>;
type Select = (...args: unknown[]) => unknown;
const make = (...args: unknown[]) => Reflect.construct(Program, args) as unknown as Loose;

const thrower = {
  valueOf() {
    throw new Error('thrown by an argument');
  },
};
const detached = new Float32Array(x.length);
structuredClone(detached, { transfer: [detached.buffer] });
const ODD: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 31,
  2 ** 53,
  Number.NaN,
  1n,
  'text',
  Symbol('s'),
  {},
  [],
  [1, 2],
  [null, null],
  [new Float32Array(1)],
  new Float32Array(1),
  new Float64Array(x.length),
  new Uint8Array(3),
  new Uint8Array(4096),
  new DataView(new ArrayBuffer(8)),
  new ArrayBuffer(8),
  detached,
  [detached, detached],
  thrower,
  () => 1,
];

function outputs() {
  return [
    plan.params.map(({ size }) => new Float32Array(size)),
    plan.outputs.map(() => new Float32Array(5)),
  ] as const;
}

async function round(program: Loose): Promise<unknown> {
  const [scores, u] = outputs();
  program.begin(scores, u);
  await program.push(x, 4, null);
  return [await program.finish(), scores, u];
}

/** The rejection or what was thrown; undefined where the call was accepted. */
async function refusal(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('the addon refuses', () => {
  it('to make a program of the wrong things', async () => {
    const good = [bytes, weights, options];
    for (let place = 0; place < 3; place++) {
      for (const odd of ODD) {
        if (place === 2 && Object(odd) === odd) continue; // options have defaults of their own
        const args = good.map((arg, i) => (i === place ? odd : arg));
        expect(
          await refusal(() => make(...args)),
          `argument ${place}: ${String(odd?.toString)}`,
        ).toBeInstanceOf(Error);
      }
    }
    expect(await refusal(() => make())).toBeInstanceOf(Error);
    expect(await refusal(() => (Program as unknown as () => void)())).toBeInstanceOf(Error);
    expect(await refusal(() => Program.prototype.begin.call({} as NativeProgram, true))).toBeInstanceOf(
      Error,
    );
  });

  it('odd arguments of every method, and works on', async () => {
    const program = make(bytes, weights, options);
    const expected = await round(program);
    const [scores, u] = outputs();
    const good: [keyof NativeProgram, unknown[], number[]][] = [
      ['setMask', [0, new Uint8Array(14).fill(255)], [1]],
      ['push', [x, 4, null], [0, 1]],
      ['begin', [scores, u], [0, 1]],
    ];
    for (const [method, args, places] of good) {
      for (const place of places) {
        for (const odd of ODD) {
          program.begin(scores, u);
          await program.push(x, 4, null);
          const given = args.map((arg, i) => (i === place ? odd : arg));
          expect(await refusal(() => program[method](...given)), `${method} ${place}`).toBeInstanceOf(Error);
        }
      }
      if (method !== 'begin') expect(await refusal(() => program[method]())).toBeInstanceOf(Error);
    }
    expect(await round(program)).toEqual(expected);
    program.dispose();
  });

  it('a program that an argument disposes on its way', async () => {
    const program = make(bytes, weights, options);
    program.begin();
    const disposer = { valueOf: () => program.dispose() ?? 4 };
    expect(await refusal(() => program.push(x, disposer, null))).toMatchObject({ code: 'ERR_STATE' });
    const other = make(bytes, weights, options);
    const mask = new Uint8Array(14);
    const masking = { valueOf: () => other.dispose() ?? 0 };
    expect(await refusal(() => other.setMask(masking, mask))).toMatchObject({ code: 'ERR_STATE' });
  });

  it('odd arguments of a selection, and selects on', async () => {
    const { selectTopK, selectTopKAsync } = loadAddon() as unknown as Record<string, Select>;
    const scores = [Float32Array.of(3, 1, 2), new Float32Array(70)];
    const alive = [Uint8Array.of(7), new Uint8Array(9)];
    const kept = () => alive.map((mask) => new Uint8Array(mask.length));
    const good = () => [scores, alive, kept(), 2, 0, 2];
    const aside = [Object.freeze([]), [scores[0]], [undefined, undefined], [scores[0], scores[1], alive[0]]];
    for (const call of [selectTopK!, selectTopKAsync!]) {
      for (let place = 0; place < 6; place++) {
        for (const odd of [...ODD, ...aside, [alive[0], alive[0]], [alive[1], alive[0]]]) {
          // Counts of more than there is are no selection; any number of threads will do.
          if (place >= 3 && Number.isSafeInteger(odd) && (odd as number) >= 0) continue;
          const args = good().map((arg, i) => (i === place ? odd : arg));
          expect(await refusal(() => call(...args)), `argument ${place}`).toBeInstanceOf(Error);
        }
      }
      expect(await refusal(() => call())).toBeInstanceOf(Error);
    }
    for (const threads of [0, 1, 1024, 2 ** 40, 2 ** 53 - 1]) {
      const masks = kept();
      expect(selectTopK!(scores, alive, masks, 2, 0, threads)).toBe(true);
      expect(masks[0]).toEqual(Uint8Array.of(5));
    }
    for (const huge of [5, 2 ** 32, 2 ** 32 + 2, 2 ** 53 - 1])
      expect(selectTopK!(scores, alive, kept(), huge, 0, 1)).toBe(false);
    expect(selectTopK!([], [], [], 0, 0, 1)).toBe(true);
  });

  it('odd arguments of a step that is timed, and times on', async () => {
    const { timeStep } = loadAddon() as unknown as Record<string, (...args: unknown[]) => { done: unknown }>;
    const single = new PlanMaker([3, 8, 8], randomStream(3));
    single.output(single.conv(0, 4, { pad: 1 }));
    const setting = { part: 'f', samples: 4, threads: 2 };
    const good = (): unknown[] => [
      ...[encodePlan(single.plan()), single.weights[0], new Uint8Array(14).fill(255), setting],
      ...[new Float32Array(768), new Float32Array(1024), new Float32Array(1024), new Float64Array(2)],
    ];
    for (let place = 0; place < 8; place++) {
      for (const odd of ODD) {
        if (place === 7 && odd instanceof Float64Array) continue; // any number of repeats will do
        if (place === 4 && odd instanceof Float32Array && odd.length === 768) continue;
        const args = good().map((arg, i) => (i === place ? odd : arg));
        expect(await refusal(() => timeStep!(...args).done), `argument ${place}`).toBeInstanceOf(Error);
      }
    }
    for (const wrong of [
      { part: 'g' },
      { samples: 0 },
      { samples: 5 },
      { part: 'data-gradient' },
      { part: thrower },
    ])
      expect(await refusal(() => timeStep!(...good().with(3, { ...setting, ...wrong })).done)).toBeInstanceOf(
        Error,
      );
    expect(await refusal(() => timeStep!(...good().with(0, bytes)).done)).toMatchObject({
      code: 'ERR_OPTION',
    });
    const args = good();
    await timeStep!(...args).done;
    expect(args[7]).not.toContain(0);
  });

  it('arrays that an argument detaches on its way, or that are the same memory', async () => {
    const { selectTopK } = loadAddon() as unknown as Record<string, Select>;
    const scores = [new Float32Array(800), new Float32Array(800)];
    const alive = [new Uint8Array(100).fill(255), new Uint8Array(100).fill(255)];
    const masks: unknown[] = [new Uint8Array(100)];
    Object.defineProperty(masks, 1, {
      get() {
        structuredClone(scores[0], { transfer: [scores[0]!.buffer] });
        return new Uint8Array(100);
      },
    });
    expect(await refusal(() => selectTopK!(scores, alive, masks, 9, 0, 2))).toMatchObject({
      code: 'ERR_OPTION',
    });
    const memory = new ArrayBuffer(3200);
    const same = [new Uint8Array(memory, 0, 100), new Uint8Array(memory, 50, 100)];
    const numbers = [new Float32Array(memory), new Float32Array(memory)];
    expect(typeof selectTopK!(numbers, same, same, 9, 0, 2)).toBe('boolean');
  });
});
