/**
 * The audit: a record before each administrative act and one with its outcome. An act whose first record cannot be written is not done; one whose second
 * record is missing was interrupted, and the log of commands says how far it came.
 */
import { type AuditOutcome, type AuditRecord, type IdSource, newAuditId } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';

import { auditDir, auditKey, auditRootDir, parseAuditDay, parseAuditKey } from './paths.ts';
import { putIfAbsent, readRecord, type Stored } from './put-if-absent.ts';
import type { Store } from './store.ts';

/** Who does what to what, and why. */
export interface Act {
  readonly by: string;
  readonly tenant: string | null;
  readonly requestId: string | null;
  /** Such as `job.cancel`. */
  readonly act: string;
  /** Such as `job:<jobId>`. */
  readonly object: string;
  readonly reason: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly role?: string | null;
  readonly from?: string | null;
}

/** Where the first record of an act stands. */
export interface AuditPlace {
  /** `2026-11-23` */
  readonly day: string;
  readonly auditId: string;
}

/** How an act ended. */
export interface ActEnd {
  readonly outcome: AuditOutcome;
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly code: string | null;
}

export async function putAudit(store: Store, record: AuditRecord): Promise<Stored<'audit'>> {
  const put = await putIfAbsent(store, 'audit', auditKey(record.at.slice(0, 10), record.auditId), record);
  if (put.outcome === 'lost') throw new AppError('INTERNAL', `cannot write audit record ${record.auditId}: another stands there`);
  return put.stored;
}

/** Every record of a day, by id: those of one process in the order in which it wrote them. */
export async function* listAudit(store: Store, day: string): AsyncGenerator<Stored<'audit'>> {
  for await (const { key } of store.list(auditDir(day))) {
    const stored = await readRecord(store, 'audit', key);
    if (stored !== null) yield stored;
  }
}

/** Days of which there are records, in order. */
export async function listAuditDays(store: Store): Promise<string[]> {
  const days: string[] = [];
  for await (const { key } of store.list(auditRootDir, { fold: true })) {
    const day = parseAuditDay(key);
    if (day !== null) days.push(day);
  }
  return days;
}

/** Ids of the records of a day, in the order of time. */
export async function listAuditIds(store: Store, day: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of store.list(auditDir(day))) {
    const id = parseAuditKey(key);
    if (id !== null) ids.push(id);
  }
  return ids;
}

export async function readAudit(store: Store, day: string, auditId: string): Promise<AuditRecord | null> {
  return (await readRecord(store, 'audit', auditKey(day, auditId)))?.record ?? null;
}

/** What one process writes. Its records form a chain, so they are put one after another. */
export class AuditLog {
  readonly #put: (record: AuditRecord) => Promise<Stored<'audit'>>;
  readonly #ids: IdSource;
  readonly #onFailure: () => void;
  #previous: string | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  /** `onFailure`: told of each record that could not be written. */
  constructor(journal: { putAudit(record: AuditRecord): Promise<Stored<'audit'>> }, ids: IdSource, onFailure: () => void = () => {}) {
    this.#onFailure = onFailure;
    this.#put = (record) => journal.putAudit(record);
    this.#ids = ids;
  }

  /** Records the act, does it, and records how it ended. Throws what the act throws, or that the first record could not be written. */
  async during<Result>(act: Act, doIt: (first: AuditPlace) => Promise<Result>, endOf: (result: Result) => ActEnd): Promise<Result> {
    const first = await this.#append(act, null, null);
    let result: Result;
    try {
      result = await doIt(first);
    } catch (error) {
      const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : null;
      // The fault of the act is what its caller must hear of.
      await this.#append(act, first.auditId, { outcome: 'failed', after: null, code }).catch(() => undefined);
      throw error;
    }
    await this.#append(act, first.auditId, endOf(result));
    return result;
  }

  #append(act: Act, follows: string | null, end: ActEnd | null): Promise<AuditPlace> {
    const appended = this.#turn.then(() => this.#write(act, follows, end));
    this.#turn = appended.catch(() => this.#onFailure());
    return appended;
  }

  async #write(act: Act, follows: string | null, end: ActEnd | null): Promise<AuditPlace> {
    const auditId = newAuditId(this.#ids);
    const { by, tenant, requestId, reason, before } = act;
    const stored = await this.#put({
      record: 'audit',
      version: 1,
      auditId,
      at: new Date(this.#ids.nowMs()).toISOString(),
      follows,
      by,
      role: act.role ?? null,
      tenant,
      from: act.from ?? null,
      requestId,
      act: act.act,
      object: act.object,
      before,
      after: end?.after ?? null,
      outcome: end?.outcome ?? null,
      code: end?.code ?? null,
      reason,
      previous: this.#previous,
    });
    this.#previous = stored.digest;
    return { day: stored.record.at.slice(0, 10), auditId };
  }
}
