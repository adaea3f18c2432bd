import type { JobHandle } from '@millrace/producer';
import type { JobStatus } from '@millrace/protocol';

/** The status that ended this generation. */
export async function followToEnd(handle: JobHandle, generation = 1): Promise<JobStatus> {
  let last: JobStatus | null = null;
  for await (const event of handle.watch({ generation, throttle: '100ms' })) if ('status' in event) last = event.status;
  if (last === null) throw new Error(`job ${handle.jobId} told nothing of itself`);
  return last;
}
