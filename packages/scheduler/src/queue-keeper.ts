/** Keeps queues as people set them: the registry says how, Redis forgets, so the leader says it again with every sweep. */
import { parseQueueName } from '@millrace/protocol';
import type { Control } from './control.ts';

export async function applyQueueSettings(control: Control): Promise<void> {
  const { journal, queues, log } = control;
  const known = await queues.settings.all();
  for await (const name of journal.listRegistered('queues')) {
    const stored = await journal.readRegistered('queues', name);
    if (stored === null) continue;
    const setting = stored.body;
    if (JSON.stringify(known.get(setting.queue)) !== JSON.stringify(setting)) await queues.settings.put(setting);
    // `intake` carries the questions by which everything else is steered.
    if (parseQueueName(setting.queue).kind !== 'intake') await queues.tasks.setPaused(setting.queue as never, setting.paused);
    if (known.get(setting.queue)?.paused !== setting.paused) log.info({ queue: setting.queue, paused: setting.paused }, 'queue set');
  }
}
