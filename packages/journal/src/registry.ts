/**
 * Versioned documents: `registry/<kind>/<name>/<number>.json`. A version is taken by put-if-absent after reading the one before it, so of two changes at
 * once the second sees the first. The highest version counts; none is ever overwritten.
 */
import { parseRegistryBody, type RegistryBody, type RegistryEntry, type RegistryKind, registryName } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { parseNumberedKey, parseRegistryNameDir, registryKey, registryKindDir, registryNameDir } from './paths.ts';
import { type Put, putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

/** A document at one of its versions. */
export interface Registered<Kind extends RegistryKind> {
  readonly name: string;
  /** From 1. */
  readonly number: number;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  readonly removed: boolean;
  readonly body: RegistryBody<Kind>;
}

/** Who changes a document, when and why. */
export interface Change {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

export type RegistryChange<Kind extends RegistryKind> = Change & { readonly body: RegistryBody<Kind>; readonly removed?: boolean };

/** What to make of the document as it stands (null: there is none), or why nothing. */
export type DecideChange<Kind extends RegistryKind, Refusal> = (
  current: Registered<Kind> | null,
) => { readonly put: RegistryChange<Kind> } | { readonly refuse: Refusal };

const maxTries = 50;

/** One version. Lost: another change took the number; `stored` is that one. */
export async function putRegistered<Kind extends RegistryKind>(
  store: Store,
  kind: Kind,
  name: string,
  number: number,
  change: RegistryChange<Kind>,
): Promise<{ readonly outcome: Put<'registry'>['outcome']; readonly stored: Registered<Kind> }> {
  const { at, by, reason, removed = false } = change;
  const body = parseRegistryBody(kind, change.body) as RegistryEntry['body'];
  const entry: RegistryEntry = { record: 'registry', version: 1, kind, name: checkedName(name), number, at, by, reason, removed, body };
  const put = await putIfAbsent(store, 'registry', registryKey(kind, name, number), entry);
  return { outcome: put.outcome, stored: registeredFrom(kind, put.stored) };
}

/** The newest version, or null. `from`: a version that is known to stand; those before it are not looked at. */
export async function readRegistered<Kind extends RegistryKind>(store: Store, kind: Kind, name: string, from = 1): Promise<Registered<Kind> | null> {
  const startAfter = from > 1 ? registryKey(kind, name, from - 1) : null;
  let newest: string | null = null;
  for await (const { key } of store.list(registryNameDir(kind, checkedName(name)), { startAfter })) if (parseNumberedKey(key) !== null) newest = key;
  const stored = newest === null ? null : await readRecord(store, 'registry', newest);
  return stored === null ? null : registeredFrom(kind, stored);
}

export async function readRegisteredVersion<Kind extends RegistryKind>(
  store: Store,
  kind: Kind,
  name: string,
  number: number,
): Promise<Registered<Kind> | null> {
  const stored = await readRecord(store, 'registry', registryKey(kind, checkedName(name), number));
  return stored === null ? null : registeredFrom(kind, stored);
}

/** Puts the next version that `decide` makes of the newest; asked again when another change came first. */
export async function changeRegistered<Kind extends RegistryKind, Refusal>(
  store: Store,
  kind: Kind,
  name: string,
  decide: DecideChange<Kind, Refusal>,
): Promise<{ readonly changed: Registered<Kind> } | { readonly refused: Refusal }> {
  let current = await readRegistered(store, kind, name);
  for (let tries = 0; tries < maxTries; tries++) {
    const decision = decide(current);
    if ('refuse' in decision) return { refused: decision.refuse };
    const put = await putRegistered(store, kind, name, (current?.number ?? 0) + 1, decision.put);
    if (put.outcome === 'won') return { changed: put.stored };
    current = await readRegistered(store, kind, name, put.stored.number);
  }
  throw new AppError('BUSY', `cannot change registry/${kind}/${name}: others took the version ${maxTries} times`);
}

/** Names of all documents of a kind, removed ones among them, in byte order. `after`: behind that name. */
export async function* listRegistered(store: Store, kind: RegistryKind, after: string | null = null): AsyncGenerator<string> {
  const startAfter = after === null ? null : registryNameDir(kind, checkedName(after));
  for await (const { key } of store.list(registryKindDir(kind), { fold: true, startAfter })) {
    const name = parseRegistryNameDir(key);
    if (name !== null) yield name;
  }
}

function registeredFrom<Kind extends RegistryKind>(kind: Kind, { record }: Stored<'registry'>): Registered<Kind> {
  const { name, number, at, by, reason, removed } = record;
  return { name, number, at, by, reason, removed, body: parseRegistryBody(kind, record.body) };
}

function checkedName(name: string): string {
  if (!registryName.test(name))
    throw new TypeError(`cannot name a document of the registry: expected letters, digits, dots and dashes, got ${JSON.stringify(name)}`);
  return name;
}
