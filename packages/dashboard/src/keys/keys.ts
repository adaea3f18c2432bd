/**
 * Keys of the pages. One listener for the document; a screen declares what it understands with `useKeys`, the latest declared wins. Keys work only
 * while no field has the focus; `g` begins a sequence of two letters. What is declared is what the help on `?` lists.
 */
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { nowMs } from '../clock.ts';
import { readPreferences } from '../preferences.ts';

export interface KeyBinding {
  /** `j`, `Shift+x`, `Enter`, `Escape`, `Mod+k` (⌘ or Ctrl), or a sequence `g o`. */
  readonly keys: string;
  /** What it does, as the help says it; the same for two keys that do the same. */
  readonly does: string;
  readonly group: string;
  readonly run: (event: KeyboardEvent) => void;
  /** Also while a field has the focus, or a dialog is open. */
  readonly anywhere?: boolean;
}

interface Layer {
  readonly bindings: () => readonly KeyBinding[];
}

const layers: Layer[] = [];
const listeners = new Set<() => void>();
let version = 0;
let pending: { readonly prefix: string; readonly atMs: number } | null = null;
const sequenceMs = 1_200;

const changed = (): void => {
  version += 1;
  for (const listener of listeners) listener();
};

/** Declares keys for as long as the component is shown. */
export function useKeys(bindings: readonly KeyBinding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  useEffect(() => {
    const layer: Layer = { bindings: () => latest.current };
    layers.push(layer);
    changed();
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      changed();
    };
  }, []);
}

/** All that is declared now, the latest first, for the help. */
export function useDeclaredKeys(): readonly KeyBinding[] {
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => version,
  );
  return layers.flatMap((layer) => layer.bindings());
}

/** The name of a pressed key as bindings spell it. */
export function keyName(event: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'metaKey' | 'ctrlKey' | 'altKey'>): string {
  const modifier = event.metaKey || event.ctrlKey ? 'Mod+' : event.altKey ? 'Alt+' : '';
  const isLetter = /^[a-z]$/i.test(event.key);
  const shift = event.shiftKey && (isLetter || event.key.length > 1) ? 'Shift+' : '';
  return `${modifier}${shift}${isLetter ? event.key.toLowerCase() : event.key}`;
}

const writes = (element: Element | null): boolean =>
  element instanceof HTMLElement &&
  (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) &&
  element.getAttribute('type') !== 'checkbox';
const inDialog = (): boolean => document.querySelector('[aria-modal="true"], [data-popup]') !== null;
/** Enter and Space belong to what has the focus. */
const belongsToFocus = (name: string, element: Element | null): boolean =>
  (name === 'Enter' || name === ' ') && element instanceof HTMLElement && /^(A|BUTTON|SUMMARY)$/.test(element.tagName);

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || /^(Shift|Control|Alt|Meta)$/.test(event.key)) return;
  const name = keyName(event);
  const focused = document.activeElement;
  const restricted = writes(focused) || inDialog() || belongsToFocus(name, focused);
  const sequence = pending !== null && nowMs() - pending.atMs < sequenceMs ? `${pending.prefix} ${name}` : null;
  pending = null;
  const isSingle = name.length === 1 || /^Shift\+[a-z]$/.test(name);
  if (isSingle && !readPreferences().letterKeys) return;
  const declared = layers
    .toReversed()
    .flatMap((layer) => layer.bindings())
    .filter((binding) => binding.anywhere === true || !restricted);
  const binding = declared.find(({ keys }) => keys === sequence) ?? declared.find(({ keys }) => keys === name);
  if (binding !== undefined) {
    event.preventDefault();
    binding.run(event);
  } else if (declared.some(({ keys }) => keys.startsWith(`${name} `))) {
    pending = { prefix: name, atMs: nowMs() };
  }
}

export function startKeys(): void {
  document.addEventListener('keydown', onKeyDown);
}
