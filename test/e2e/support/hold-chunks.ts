/** Keeps jobs at a known point: planned, with every chunk waiting. What a test does to a job that runs then does not race the job. */
import { leaseTimes, workQueueName } from '@millrace/protocol';
import { openQueues } from '@millrace/queues';
import { silentLog } from '@millrace/service-kit';
import { findStack } from '../../../packages/cli/src/running-stack.ts';

/** Hosts take no chunk any more, or take them again; what they have in hand goes on, and files are planned. */
export async function holdChunks(redis: string, held = true): Promise<void> {
  const queues = await openQueues({ redis, times: leaseTimes(1), log: silentLog });
  try {
    await queues.tasks.setPaused(workQueueName('chunk', 'default', 1), held);
  } finally {
    await queues.close();
  }
}

/** While `act` runs no host takes a chunk. */
export async function whileChunksWait<T>(redis: string, act: () => Promise<T>): Promise<T> {
  await holdChunks(redis);
  try {
    return await act();
  } finally {
    await holdChunks(redis, false);
  }
}

/** Redis of the `millrace run` that is at work in this directory. */
export function redisOfRun(out: string): string {
  const stack = findStack(out);
  if (stack === null) throw new Error(`nothing runs in ${out}`);
  return stack.redisUrl;
}
