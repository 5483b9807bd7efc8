/** The addon in many threads, loaded several times, and in a process that ends. PX_STRESS=1 for the long variants. */
import { describe, expect, it } from 'vitest';
import { resultOf, runProgram } from './run-program.js';

const LONG = process.env.PX_STRESS === '1';
const onLinux = process.platform === 'linux';

describe('threads', () => {
  it('score side by side, all of them the same', { timeout: 120_000 }, async () => {
    expect(await resultOf('several')).toEqual({ rounds: 15, different: 1, threadsLeft: 0 });
  });

  const count = LONG ? 1000 : 45;
  it(`are terminated ${count} times, at work in every phase`, {
    timeout: 60_000 + 3000 * count,
  }, async () => {
    const result = await resultOf('terminate', [String(count)]);
    if (LONG) console.log(result);
    const { done, threadsBefore, threadsAfter, rssBeforeMB, rssAfterMB, same } = result as Record<
      string,
      number
    >;
    expect(Object.values(done!).reduce((sum: number, n) => sum + (n as number), 0)).toBe(count);
    expect(same).toBe(true);
    expect(threadsAfter).toBeLessThanOrEqual(threadsBefore!);
    // What a thread of JavaScript costs varies; a program, a stack or an image set that stays behind a thousand times does not.
    expect(rssAfterMB! - rssBeforeMB!).toBeLessThan(60);
  });
});

it('is loaded several times', { timeout: 60_000 }, async () => {
  expect(await resultOf('loaded-twice')).toEqual({ loaded: 3, different: 1 });
});

describe('a process', () => {
  it.each([
    ['exit', 'push', 7, null],
    ['exit', 'finish', 7, null],
    ['exit', 'compiled', 7, null],
    ['throw', 'push', 1, null],
    ['reject', 'push', 1, null],
    ['kill', 'push', null, 'SIGTERM'],
    ['worker-exit', 'push', 7, null],
  ])(
    'ends (%s) during %s: promptly, with its own code',
    { timeout: 60_000 },
    async (how, phase, code, signal) => {
      const ended = await runProgram('end', [how, phase]);
      expect({ code: ended.code, signal: ended.signal }).toEqual({ code, signal });
      // Nothing but JavaScript's own message, where there is one.
      if (code === 1) expect(ended.stderr).toMatch(/Error: on purpose/);
      else expect(ended.stderr).toBe('');
      expect(ended.stderr).not.toMatch(/terminate called|core dumped|FATAL|Sanitizer/);
      expect(ended.at - JSON.parse(ended.stdout).endedAt).toBeLessThan(2000);
    },
  );
});

it('forgets programs that nobody holds, and no others', { timeout: 300_000 }, async () => {
  const { rssGrownMB, threadsLeft, ...same } = await resultOf('forgotten', [], ['--expose-gc']);
  expect(same).toEqual({ sameWithoutWeights: true, sameKept: true });
  if (onLinux) expect(threadsLeft).toBeLessThanOrEqual(0);
  expect(rssGrownMB).toBeLessThan(60);
});

it('notices arrays that were taken away while it had them', { timeout: 60_000 }, async () => {
  const state = expect.stringMatching(/^ERR_STATE: .*(transferred)/);
  expect(await resultOf('lent')).toEqual({
    transferredWhilePushed: state,
    pushedAfterTransfer: expect.stringMatching(/^ERR_OPTION/),
    resizable: true,
    resizedWhilePushed: state,
    sameAfterwards: true,
    weightsTransferred: expect.stringMatching(/^ERR_STATE: weights\[2\]/),
    finishAfterwards: expect.stringMatching(/^ERR_STATE: weights\[2\]/),
  });
});
