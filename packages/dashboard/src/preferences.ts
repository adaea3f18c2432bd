/** What a person sets for this browser and keeps: theme, density, single-letter keys. Kept in local storage; works without it. */
import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';

export interface Preferences {
  readonly theme: Theme;
  readonly density: 'dense' | 'roomy';
  /** WCAG 2.1.4: keys of a single letter can be switched off. */
  readonly letterKeys: boolean;
}

const storageKey = 'millrace.preferences';
const defaults: Preferences = { theme: 'system', density: 'dense', letterKeys: true };
const listeners = new Set<() => void>();
let current: Preferences = defaults;

export function readPreferences(): Preferences {
  return current;
}

export function changePreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  try {
    window.localStorage.setItem(storageKey, JSON.stringify(current));
  } catch {
    // Storage is off: the choice holds until the tab is closed.
  }
  applyToPage();
  for (const listener of listeners) listener();
}

export function usePreferences(): Preferences {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, readPreferences);
}

/** Light or dark, as it is shown now. */
export function shownScheme(): 'light' | 'dark' {
  return document.documentElement.dataset['mantineColorScheme'] === 'dark' ? 'dark' : 'light';
}

/** The scheme that is shown; repaints what is drawn on a canvas when it changes. */
export function useShownScheme(): 'light' | 'dark' {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, shownScheme);
}

/** Once, before the first paint. */
export function startPreferences(): void {
  current = stored();
  applyToPage();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    applyToPage();
    for (const listener of listeners) listener();
  });
}

function stored(): Preferences {
  try {
    const kept: unknown = JSON.parse(window.localStorage.getItem(storageKey) ?? '{}');
    if (typeof kept !== 'object' || kept === null) return defaults;
    const { theme, density, letterKeys } = kept as Record<string, unknown>;
    return {
      theme: theme === 'light' || theme === 'dark' ? theme : 'system',
      density: density === 'roomy' ? 'roomy' : 'dense',
      letterKeys: letterKeys !== false,
    };
  } catch {
    return defaults;
  }
}

function applyToPage(): void {
  const isDark = window.matchMedia('(prefers-color-scheme: dark)').matches;
  const scheme = current.theme === 'system' ? (isDark ? 'dark' : 'light') : current.theme;
  document.documentElement.dataset['mantineColorScheme'] = scheme;
  document.documentElement.dataset['density'] = current.density;
}
