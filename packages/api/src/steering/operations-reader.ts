/** Operations from the registry, with the counts of those that run from Redis. What is over does not change and is read once. */
import type { OperationView } from '@millrace/api-contract';
import type { Registered } from '@millrace/journal';
import { isOperationId, type Operation } from '@millrace/protocol';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import { ApiProblem } from '../problem.ts';
import { perApi } from './per-api.ts';

const keptOperations = 2_000;
const atOnce = 16;
const listedMs = 2_000;

export interface FoundOperation {
  readonly operation: Operation;
  /** Of the document; of one that runs, the counts are newer. */
  readonly version: number;
}

class OperationsReader {
  readonly #api: Api;
  readonly #over = new Map<string, Registered<'operations'>>();
  /** Highest version that was seen of one that runs: those before it are not listed again. */
  readonly #versions = new Map<string, number>();
  #listed: { readonly atMs: number; readonly ids: Promise<readonly string[]> } | null = null;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Null: there is none. */
  async read(id: string): Promise<FoundOperation | null> {
    const found = this.#over.get(id) ?? (await this.#read(id));
    if (found === null) return null;
    const counts = found.body.endedAt === null ? await this.#api.jobs.fromRedis((queues) => queues.operations.counts(id)) : null;
    return { operation: counts === null ? found.body : { ...found.body, counts }, version: found.number };
  }

  async #read(id: string): Promise<Registered<'operations'> | null> {
    const found = await this.#api.journal.readRegistered('operations', id, this.#versions.get(id) ?? 1);
    if (found === null) return null;
    if (found.body.endedAt === null) {
      this.#versions.set(id, found.number);
      return found;
    }
    this.#versions.delete(id);
    this.#over.set(id, found);
    const oldest = this.#over.keys().next();
    if (this.#over.size > keptOperations && !oldest.done) this.#over.delete(oldest.value);
    return found;
  }

  /** One that this process has started: the next list shows it. */
  note(): void {
    this.#listed = null;
  }

  /** Names are listed again after two seconds: several pages and streams ask at once. */
  #ids(): Promise<readonly string[]> {
    const nowMs = this.#api.clock.monotonicMs();
    if (this.#listed !== null && nowMs - this.#listed.atMs < listedMs) return this.#listed.ids;
    const ids = this.#list();
    this.#listed = { atMs: nowMs, ids };
    ids.catch(() => this.note());
    return ids;
  }

  async #list(): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const id of this.#api.journal.listRegistered('operations')) if (isOperationId(id)) ids.push(id);
    return ids;
  }

  /** All that the caller reaches, newest first. */
  async all(caller: Caller): Promise<FoundOperation[]> {
    const ids = await this.#ids();
    const found: FoundOperation[] = [];
    for (let at = 0; at < ids.length; at += atOnce) {
      const some = await Promise.all(ids.slice(at, at + atOnce).map((id) => this.read(id)));
      for (const one of some) if (one !== null && mayReach(caller, one.operation.tenant)) found.push(one);
    }
    return found.reverse();
  }
}

export const operationsOf = perApi((api) => new OperationsReader(api));

/** Throws `NOT_FOUND`, in the same words for another tenant's. */
export async function requireOperation(operationId: string, caller: Caller, api: Api): Promise<FoundOperation> {
  const found = isOperationId(operationId) ? await operationsOf(api).read(operationId) : null;
  if (found === null || !mayReach(caller, found.operation.tenant)) throw new ApiProblem('NOT_FOUND', `cannot find operation ${operationId}`);
  return found;
}

const does = { deadLetters: 'redrive', jobs: 'redrive', rejects: 'replay', waiveDeadLetters: 'waive' } as const;

export function operationView({ operation, version }: FoundOperation): OperationView {
  const { idempotencyKey: _, recent: __, target, correction: ___, ...shown } = operation;
  return { ...shown, does: does[target], version };
}
