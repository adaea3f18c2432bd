/** What happened to a job, newest first: the journal's records that carry an instant, and the live events that Redis still holds. */
import type { TimelineEntry } from '@millrace/api-contract';
import type { JobOutline } from '@millrace/journal';
import { specOfGeneration } from '@millrace/journal';
import {
  type CallbackEvent,
  type Command,
  callbacksOf,
  type Delivery,
  isOperationId,
  type JobEvent,
  type JobRecord,
  type Manifest,
  manifestCount,
} from '@millrace/protocol';
import type { Api } from '../api.ts';

export async function timelineOf(outline: JobOutline, api: Api): Promise<TimelineEntry[]> {
  const { record } = outline.job;
  const [events, deliveries] = await Promise.all([eventsOf(record, api), deliveriesOf(outline, api)]);
  const entries: TimelineEntry[] = [
    { kind: 'accepted', at: record.acceptedAt, generation: 1, files: record.inputFiles, bytes: record.inputBytes },
    ...outline.commands.map(commandEntry),
    ...outline.manifests.map(endEntry),
    ...deliveries.map(callbackEntry),
    ...events.flatMap((event) => eventEntry(event, outline)),
  ];
  return entries.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
}

/** None while Redis is away, or when it has forgotten them. */
async function eventsOf({ tenant, jobId }: JobRecord, api: Api): Promise<readonly JobEvent[]> {
  return (await api.jobs.fromRedis((queues) => queues.events.recent(tenant, jobId))) ?? [];
}

function commandEntry(command: Command): TimelineEntry {
  const { at, generation, number, by, reason, opens, select, correction, requestId, spec } = command;
  return {
    kind: 'command',
    at,
    generation,
    number,
    command: command.command,
    by,
    reason,
    opens,
    items: (command.command === 'redrive' || command.command === 'waive') && select !== 'all' ? select.length : null,
    correctionId: correction,
    operationId: requestId !== null && isOperationId(requestId) ? requestId : null,
    overrides: spec !== null,
  };
}

function endEntry(manifest: Manifest): TimelineEntry {
  const { endedAt, generation, state, failure, balance } = manifest;
  const why = failure === null ? null : { code: failure.code, message: failure.message };
  return { kind: 'ended', at: endedAt, generation, state, failure: why, rejected: balance.rejected, gaps: manifestCount(manifest, 'gaps') };
}

/** Changes of state alone; what the journal tells too is left to it. */
function eventEntry(event: JobEvent, { generation }: JobOutline): TimelineEntry[] {
  const { at } = event;
  switch (event.type) {
    case 'state':
      return event.status.state === 'accepted' ? [] : [{ kind: 'state', at, generation: event.status.generation, state: event.status.state }];
    case 'dead':
      return [{ kind: 'dead', at, generation, chunk: event.chunk, code: event.code, fingerprint: event.fingerprint }];
    case 'warning':
      return [{ kind: 'warning', at, generation, code: event.code, message: event.message }];
    default:
      return [];
  }
}

const ends = { completed: 'job.completed', failed: 'job.failed', cancelled: 'job.cancelled' } as const satisfies Record<Manifest['state'], CallbackEvent>;

/** Of the ends of generations and the pauses: what their specs owe is known by name, so no list of all deliveries is looked through. */
async function deliveriesOf(outline: JobOutline, api: Api): Promise<Delivery[]> {
  const { jobId, tenant } = outline.job.record;
  const owed = (generation: number, event: CallbackEvent, data: Readonly<Record<string, unknown>> = {}): string[] => {
    const { spec } = specOfGeneration(outline, generation);
    return callbacksOf(spec, { jobId, tenant, generation, createdAt: '' }, event, data).map(({ callbackId }) => callbackId);
  };
  const pauses = outline.commands.filter(({ command }) => command === 'pause');
  const generations = Array.from({ length: outline.generation }, (_, at) => at + 1);
  const ids = [
    ...outline.manifests.flatMap(({ generation, state }) => owed(generation, ends[state])),
    ...pauses.flatMap(({ generation, number }) => owed(generation, 'job.paused', { command: number })),
    ...generations.flatMap((generation) => [...owed(generation, 'budget.warning'), ...owed(generation, 'deadletter.first')]),
  ];
  const found = await Promise.all(ids.map((id) => api.journal.readRegistered('callbacks', id)));
  return found.flatMap((delivery) => (delivery === null ? [] : [delivery.body])).filter(({ lastTryAt }) => lastTryAt !== null);
}

/** A delivery that was not tried yet has no instant: it shows with its first try. */
function callbackEntry({ lastTryAt, generation, event, url, state, tries, status }: Delivery): TimelineEntry {
  return { kind: 'callback', at: lastTryAt ?? '', generation, event, url: withoutQuery(url), state, tries, status };
}

/** A query may be a signed link. */
const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '').replace(/\/\/[^/@]*@/, '//');
