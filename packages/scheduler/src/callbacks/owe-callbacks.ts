/** Puts webhooks of events that the scheduler sees into the outbox; those of ends are the finisher's. */
import { type CallbackEvent, callbacksOf, type JobId } from '@millrace/protocol';
import type { Control } from '../control.ts';

/** The same event again is the same entry, and one that was delivered is not put again. */
export async function oweCallbacks(
  jobId: JobId,
  generation: number,
  event: CallbackEvent,
  data: Readonly<Record<string, unknown>>,
  control: Control,
): Promise<void> {
  const facts = await control.facts.spec(jobId, generation);
  if (facts === null || facts.spec.callbacks.length === 0) return;
  const { tenant, name } = facts.job;
  const of = { jobId, generation, tenant, createdAt: control.clock.nowIso() };
  for (const callback of callbacksOf(facts.spec, of, event, { jobId, name, generation, ...data })) await control.journal.putCallback(callback);
}
