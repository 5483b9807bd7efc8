import type { Failure, FromWorker, News, RequestKind, Requests, ToWorker } from './protocol.js';
// The build puts the worker's whole script here, as text.
import workerSource from './worker.js?source';

/** A failure that the worker told of. */
export class EngineError extends Error {
  readonly code: Failure['code'];

  constructor({ code, message }: Failure) {
    super(message);
    this.code = code;
  }
}

/**
 * The page's end of the worker. It runs from a blob and not from a file of its own: so it inherits the page's content security policy,
 * and can send nothing anywhere either.
 */
export class Engine {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
  #next = 0;

  constructor(onNews: (news: News) => void) {
    const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
    this.#worker = new Worker(url);
    this.#worker.onmessage = ({ data: message }: MessageEvent<FromWorker>) => {
      if (message.kind === 'news') return onNews(message.news);
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.kind === 'answer') waiting?.resolve(message.answer as never);
      else waiting?.reject(new EngineError(message.failure));
    };
    this.#worker.onerror = (event) => {
      const error = new EngineError({ message: `the worker failed: ${event.message || 'no reason given'}` });
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  ask<K extends RequestKind>(kind: K, ask: Requests[K]['ask']): Promise<Requests[K]['answer']> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ kind, id, ask } as ToWorker);
    });
  }

  /** Stops the run that goes on; its promise rejects with ERR_ABORTED. */
  cancel(): void {
    this.#worker.postMessage({ kind: 'cancel' } satisfies ToWorker);
  }
}
