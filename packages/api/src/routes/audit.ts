/** The audit, newest first: read day by day from the journal, as far as a page needs. What is read for one page is bounded; then the page is short and names where to go on. */
import { type AuditView, auditFields, type installationRoutes, type Sent } from '@millrace/api-contract';
import { type AuditRecord, type Filter, matchesFilter, parseFilter, wordsField } from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import { type Caller, mayReach } from '../auth/caller.ts';
import type { Handler } from '../handler.ts';

type AuditRoute = Extract<(typeof installationRoutes)[number], { readonly path: '/audit' }>;
type Days = { readonly from: string | undefined; readonly to: string | undefined };

const mostRead = 2_000;
const atOnce = 16;

export const listAudit: Handler<AuditRoute> = async ({ query, caller, accept, signal }, api) => {
  const { q, limit, cursor, from, to } = query;
  const filter = parseFilter(q, auditFields);
  const days = { from, to };
  const wants = (record: AuditRecord): boolean => maySee(caller, record) && matches(filter, record, api.clock.nowMs());
  if (accept[0] === 'application/x-ndjson') {
    return { status: 200, media: 'application/x-ndjson', stream: asLines(days, wants, api, signal) };
  }
  const list = `audit ${from ?? ''} ${to ?? ''} ${filter.text}`;
  const before = cursor === undefined ? null : api.cursors.read(list, cursor, z.tuple([z.string(), z.string()]));
  const data: Sent<AuditView>[] = [];
  let read = 0;
  for await (const { day, record } of newestFirst(days, before, api)) {
    read++;
    if (wants(record)) data.push(shown(record));
    if (data.length < limit && read < mostRead) continue;
    return { status: 200, body: { data, nextCursor: api.cursors.write(list, [day, record.auditId]), total: null, filter: filter.text } };
  }
  return { status: 200, body: { data, nextCursor: null, total: null, filter: filter.text } };
};

/** One's own acts; admins those of all tenants that they reach. */
function maySee(caller: Caller, record: AuditRecord): boolean {
  if (record.by === caller.by) return true;
  return caller.role === 'admin' && (caller.tenants === null || (record.tenant !== null && mayReach(caller, record.tenant)));
}

function matches(filter: Filter, record: AuditRecord, nowMs: number): boolean {
  const { auditId, at, reason, act, object, by, role, tenant, outcome, code, from } = record;
  const item = { id: auditId, by, role, tenant, act, object, outcome, code, from, age: at, created: at, [wordsField]: [auditId, act, object, by, reason] };
  return matchesFilter(filter, item, nowMs);
}

async function* newestFirst({ from, to }: Days, before: readonly [string, string] | null, api: Api): AsyncGenerator<{ day: string; record: AuditRecord }> {
  const days = (await api.journal.listAuditDays()).filter((day) => (from === undefined || day >= from) && (to === undefined || day <= to));
  for (const day of days.reverse()) {
    if (before !== null && day > before[0]) continue;
    const ids = (await api.journal.listAuditIds(day)).filter((id) => before === null || day < before[0] || id < before[1]).reverse();
    for (let at = 0; at < ids.length; at += atOnce) {
      const records = await Promise.all(ids.slice(at, at + atOnce).map((id) => api.journal.readAudit(day, id)));
      for (const record of records) if (record !== null) yield { day, record };
    }
  }
}

async function* asLines(days: Days, wants: (record: AuditRecord) => boolean, api: Api, signal: AbortSignal): AsyncGenerator<string> {
  for await (const { record } of newestFirst(days, null, api)) {
    if (signal.aborted) return;
    if (wants(record)) yield `${JSON.stringify(shown(record))}\n`;
  }
}

function shown({ record: _, version: __, previous: ___, ...view }: AuditRecord): Sent<AuditView> {
  return view;
}
