/**
 * Signed webhooks, after Standard Webhooks: what is owed is put into the journal before anybody can forget it, delivered at least once, and told apart by its id.
 * Carries numbers, codes and places; never content of records.
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { toId } from './derived-ids.ts';
import type { JobId } from './ids.ts';
import type { ResolvedJobSpec } from './job-spec-shape.ts';
import { count, generationNumber, head, instant } from './record-shapes.ts';

export const callbackEvents = ['job.completed', 'job.failed', 'job.cancelled', 'job.paused', 'budget.warning', 'deadletter.first'] as const;
export type CallbackEvent = (typeof callbackEvents)[number];

/** What is owed to one URL: an entry of the outbox. */
export const callbackShape = z.object({
  ...head('callback'),
  /** The `webhook-id`: the same for every try. */
  callbackId: z.string(),
  generation: generationNumber,
  tenant: z.string(),
  event: z.enum(callbackEvents),
  url: z.string(),
  /** `secret://…`, never the secret itself. */
  secret: z.string(),
  createdAt: instant,
  data: z.record(z.string(), z.unknown()),
});
export type Callback = z.output<typeof callbackShape>;

/** What an event owes to the URLs that a spec names for it; the same event is the same entries. */
export function callbacksOf(
  spec: Pick<ResolvedJobSpec, 'callbacks'>,
  of: { readonly jobId: JobId; readonly tenant: string; readonly generation: number; readonly createdAt: string },
  event: CallbackEvent,
  data: Readonly<Record<string, unknown>>,
): Callback[] {
  return spec.callbacks.flatMap(({ url, secret, events }, index) => {
    if (!events.includes(event)) return [];
    const callbackId = toId('w', JSON.stringify([of.jobId, of.generation, event, index, event === 'job.paused' ? data['command'] : null]));
    return [{ record: 'callback', version: 1, ...of, callbackId, event, url, secret, data: { ...data } }];
  });
}

/** How far a delivery has come: a document of the registry. */
export const deliveryShape = z.object({
  callbackId: z.string(),
  jobId: z.string(),
  generation: generationNumber,
  event: z.enum(callbackEvents),
  url: z.string(),
  state: z.enum(['pending', 'delivered', 'givenUp']),
  tries: count,
  /** Of the last try: the HTTP status, or why there is none. */
  status: z.int().nullable(),
  error: z.string().nullable(),
  lastTryAt: instant.nullable(),
  nextTryAt: instant.nullable(),
});
export type Delivery = z.output<typeof deliveryShape>;

/** Tries end a day after the event. */
export const callbackLifeMs = 86_400_000;
const firstDelayMs = 5_000;
const longestDelayMs = 3_600_000;

/** Before the next try, with half of it by chance so that what failed together does not come back together. `chance` in [0, 1). */
export function callbackDelayMs(tries: number, chance: number): number {
  const full = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(tries - 1, 20));
  return Math.round(full / 2 + (full / 2) * chance);
}

/** The body: the same bytes at every try. */
export function callbackBody({ event, createdAt, data }: Pick<Callback, 'event' | 'createdAt' | 'data'>): string {
  return JSON.stringify({ type: event, timestamp: createdAt, data });
}

/** `v1,<base64>` over id, timestamp in seconds, and body. A secret that begins with `whsec_` is base64 behind it, as the standard writes them. */
export function signCallback(callbackId: string, timestamp: number, body: string, secret: Uint8Array): string {
  const text = Buffer.from(secret).toString('utf8');
  const key = text.startsWith('whsec_') ? Buffer.from(text.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  return `v1,${createHmac('sha256', key).update(`${callbackId}.${timestamp}.${body}`).digest('base64')}`;
}
