/** The worker: parsing and scoring happen here, so that the page answers meanwhile. */
import { PxError } from '../../src/errors.js';
import type { Failure, FromWorker, News, ToWorker } from './protocol.js';
import { Session } from './session.js';

const send = (message: FromWorker) => postMessage(message);

/** Progress comes after every micro-batch; nobody reads more than this. */
const NEWS_EVERY = 100;
let told = 0;

const session = new Session((news: News) => {
  const now = performance.now();
  const passing = news.kind === 'progress' && news.progress.phase === 'score';
  if (passing && now - told < NEWS_EVERY) return;
  if (passing) told = now;
  send({ kind: 'news', news });
});

addEventListener('message', async ({ data: message }: MessageEvent<ToWorker>) => {
  if (message.kind === 'cancel') return session.cancel();
  const { id } = message;
  try {
    send({ kind: 'answer', id, answer: await answer(message) });
  } catch (error) {
    send({ kind: 'failure', id, failure: describe(error) });
  }
});

function answer(message: Exclude<ToWorker, { kind: 'cancel' }>): unknown {
  switch (message.kind) {
    case 'device':
      return session.device();
    case 'load':
      return session.load(message.ask);
    case 'run':
      return session.run(message.ask);
    case 'file':
      return session.file(message.ask);
  }
}

function describe(error: unknown): Failure {
  if (error instanceof PxError) return { code: error.code, message: error.message };
  // Out of memory comes as a RangeError ("Array buffer allocation failed").
  if (error instanceof RangeError)
    return {
      code: 'ERR_MEMORY',
      message: `${error.message}: use fewer samples, a smaller micro-batch or px on the command line`,
    };
  return { message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
