/** Lets timers, signals and messages through: a turn of the event loop, in Node and in a browser's worker. */
export const pause: () => Promise<void> = makePause();

function makePause(): () => Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (call: () => void) => unknown };
  if (setImmediate !== undefined) return () => new Promise((resolve) => setImmediate(resolve));
  // Not setTimeout, which browsers hold back by 4 ms. A message to oneself waits its turn behind what has arrived.
  const { port1, port2 } = new MessageChannel() as unknown as Channel;
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(null);
    });
}

/** As far as it is used here: Node's types call what it has in common with browsers by other names. */
interface Channel {
  readonly port1: { onmessage: (() => void) | null };
  readonly port2: { postMessage(message: null): void };
}
