import type { Verdict } from '@millrace/protocol';
import type { AttemptOrders } from '@millrace/queues';
import type { Host } from './host.ts';

/** Whose verdict stands, or null while it is empty. A core may die, or its reply be lost, after the put: only the journal knows. */
export async function confirmCommit(orders: Pick<AttemptOrders, 'jobId' | 'stage' | 'chunk' | 'generation'>, host: Host): Promise<Verdict | null> {
  const stored = await host.journal.readVerdict(orders.jobId, orders.stage, orders.chunk, orders.generation);
  return stored?.record ?? null;
}
