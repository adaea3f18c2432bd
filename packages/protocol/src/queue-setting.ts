/** How people set a task queue: a document of the registry, so that it outlives a loss of Redis. */
import { z } from 'zod';

import { instant } from './record-shapes.ts';
import { parseQueueName } from './task.ts';

export const queueSettingShape = z.object({
  queue: z.string().refine((text) => {
    try {
      parseQueueName(text);
      return true;
    } catch {
      return false;
    }
  }, 'expected the name of a queue'),
  /** Hosts take nothing from it and nothing more is dispatched to it. */
  paused: z.boolean(),
  /** Chunk tasks in flight at once, waiting and active together; null: as many as the window holds. */
  maxConcurrency: z.int().min(1).nullable(),
  reason: z.string(),
  by: z.string(),
  at: instant,
});
export type QueueSetting = z.output<typeof queueSettingShape>;
