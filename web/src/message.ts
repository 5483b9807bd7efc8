import { escapeLines } from '../../src/cli/text.js';
import { make } from './dom.js';
import { EngineError } from './engine.js';

/** Shows a failure in full, and says it aloud. */
export function showError(place: HTMLElement, what: string, error: unknown): void {
  const code = error instanceof EngineError ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  place.replaceChildren(
    make(
      'div',
      { class: 'error', role: 'alert' },
      make('strong', {}, what),
      code && make('span', { class: 'code' }, ` ${code}`),
      make('pre', {}, escapeLines(message)),
    ),
  );
}

export function clearError(place: HTMLElement): void {
  place.replaceChildren();
}
