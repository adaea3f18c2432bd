/** Keeps jobs at a known point: planned, with every chunk waiting. What a test does to a job that runs then does not race the job. */
import { leaseTimes, workQueueName } from '@millrace/protocol';
import { openQueues } from '@millrace/queues';
import { silentLog } from '@millrace/service-kit';

/** While `act` runs no host takes a chunk; what is in hand goes on, and files are planned. */
export async function whileChunksWait<T>(redis: string, act: () => Promise<T>): Promise<T> {
  const queues = await openQueues({ redis, times: leaseTimes(1), log: silentLog });
  const queue = workQueueName('chunk', 'default', 1);
  try {
    await queues.tasks.setPaused(queue, true);
    return await act();
  } finally {
    await queues.tasks.setPaused(queue, false);
    await queues.close();
  }
}
