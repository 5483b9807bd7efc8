/** The page's elements: found by id, made by name. */
import { escapeControls } from '../../src/cli/text.js';

/** An element that index.html holds. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element "${id}"`);
  return found as unknown as T;
}

type Attributes = Readonly<Record<string, string | number | undefined>>;
type Child = Node | string | undefined;

/** Makes an element; attributes and children that are undefined are left out. Text stays text, whatever it holds. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function draw<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/** A long name that may break after its dots and slashes; whoever named it turns no text around. */
export function breakable(name: string): Child[] {
  return escapeControls(name)
    .split(/(?<=[./])/)
    .flatMap((part, i) => (i === 0 ? [part] : [make('wbr'), part]));
}

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}
