/**
 * Small documents of the registry, all of a kind at once, for pages that are looked at again and again: read anew every five seconds, so that a store behind a
 * network is not asked for each look. Who is about to change one reads it by itself.
 */
import type { Registered } from '@millrace/journal';
import type { Api } from '../api.ts';
import { perApi } from './per-api.ts';

const freshMs = 5_000;
const atOnce = 16;

type LookedKind = 'queues' | 'schedules' | 'triage';
type Documents<Kind extends LookedKind> = ReadonlyMap<string, Registered<Kind>>;

interface Look<Kind extends LookedKind> {
  readonly atMs: number;
  readonly documents: Promise<Documents<Kind>>;
}

class RegistryLook {
  readonly #api: Api;
  readonly #looks = new Map<LookedKind, Look<LookedKind>>();
  /** Versions that are known to stand: those before them are not listed again. */
  readonly #numbers = new Map<string, number>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** By name, removed ones left out. */
  all<Kind extends LookedKind>(kind: Kind): Promise<Documents<Kind>> {
    const nowMs = this.#api.clock.monotonicMs();
    const known = this.#looks.get(kind) as Look<Kind> | undefined;
    if (known !== undefined && nowMs - known.atMs < freshMs) return known.documents;
    const documents = this.#read(kind);
    this.#looks.set(kind, { atMs: nowMs, documents } as unknown as Look<LookedKind>);
    documents.catch(() => this.forget(kind));
    return documents;
  }

  /** This process has changed one. */
  forget(kind: LookedKind): void {
    this.#looks.delete(kind);
  }

  async #read<Kind extends LookedKind>(kind: Kind): Promise<Documents<Kind>> {
    const names: string[] = [];
    for await (const name of this.#api.journal.listRegistered(kind)) names.push(name);
    const found = new Map<string, Registered<Kind>>();
    for (let at = 0; at < names.length; at += atOnce) {
      await Promise.all(
        names.slice(at, at + atOnce).map(async (name) => {
          const key = `${kind} ${name}`;
          const stored = await this.#api.journal.readRegistered(kind, name, this.#numbers.get(key) ?? 1);
          if (stored === null) return;
          this.#numbers.set(key, stored.number);
          if (!stored.removed) found.set(name, stored);
        }),
      );
    }
    return found;
  }
}

export const registryLook = perApi((api) => new RegistryLook(api));
