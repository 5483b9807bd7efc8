import type { Backend, Program, RoundResult } from '../../src/backend/backend.js';
import { countKept } from '../../src/prune/masks.js';

/** What goes on in a backend's programs. */
export interface Watcher {
  /** Weights left per tensor, whenever masks are set. */
  masks(kept: readonly number[]): void;
  /** Each round's result, before the arrays are used again. */
  scored(result: RoundResult): void;
}

/** The same backend, watched. */
export function watched(backend: Backend, watcher: Watcher): Backend {
  return {
    name: backend.name,
    description: backend.description,
    compile: async (plan, weights, options) =>
      watchedProgram(await backend.compile(plan, weights, options), watcher),
  };
}

function watchedProgram(program: Program, watcher: Watcher): Program {
  return {
    backend: program.backend,
    setMasks: (masks) => {
      program.setMasks(masks);
      watcher.masks(masks.map(countKept));
    },
    begin: (options) => program.begin(options),
    push: (x, samples) => program.push(x, samples),
    finish: async () => {
      const result = await program.finish();
      watcher.scored(result);
      return result;
    },
    abort: () => program.abort(),
    memory: () => program.memory(),
    dispose: () => program.dispose(),
  };
}
