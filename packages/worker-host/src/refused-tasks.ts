/**
 * Tasks whose signature does not hold: somebody writes to Redis who should not. Each is counted and audited; a flood of them must not become a flood of records,
 * so beyond some in a minute only the count goes on, and the next record says it.
 */
import type { AuditLog } from '@millrace/journal';
import type { ClaimedTask } from '@millrace/queues';
import { type Clock, describeError, type Log } from '@millrace/service-kit';

const MOST_A_MINUTE = 20;
const MINUTE_MS = 60_000;
/** Of an id, which is whatever somebody wrote. */
const SHOWN = 200;

export class RefusedTasks {
  readonly #parts: { readonly audit: AuditLog; readonly clock: Pick<Clock, 'monotonicMs'>; readonly log: Log; readonly worker: string };
  #count = 0;
  #untold = 0;
  #inMinute = 0;
  #minuteAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: { audit: AuditLog; clock: Pick<Clock, 'monotonicMs'>; log: Log; worker: string }) {
    this.#parts = parts;
  }

  /** Since the start of this host. */
  get count(): number {
    return this.#count;
  }

  /** Never throws: what cannot be audited is logged, and the task is not run either way. */
  async refuse(task: Pick<ClaimedTask, 'queue' | 'taskId' | 'signature'>): Promise<void> {
    const { audit, log, worker } = this.#parts;
    this.#count += 1;
    const taskId = printable(task.taskId);
    log.error({ taskId, queue: task.queue, refused: this.#count }, 'task refused: its signature does not hold');
    if (this.#isFlood()) {
      this.#untold += 1;
      return;
    }
    const act = { by: `worker:${worker}`, tenant: null, requestId: null, act: 'task.refuse', object: `task:${task.queue}/${taskId}`, before: null } as const;
    const keyId = /^([A-Za-z0-9][A-Za-z0-9-]{0,31})\./.exec(task.signature ?? '')?.[1] ?? null;
    const after = { signed: task.signature !== null, keyId, refused: this.#count, untold: this.#untold };
    try {
      await audit.during(
        { ...act, reason: 'the signature does not hold' },
        async () => undefined,
        () => ({ outcome: 'refused', after, code: null }),
      );
      this.#untold = 0;
    } catch (err) {
      this.#untold += 1;
      log.error({ err: describeError(err), taskId }, 'refused task not audited');
    }
  }

  #isFlood(): boolean {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#minuteAtMs >= MINUTE_MS) {
      this.#minuteAtMs = nowMs;
      this.#inMinute = 0;
    }
    this.#inMinute += 1;
    return this.#inMinute > MOST_A_MINUTE;
  }
}

const printable = (text: string): string => JSON.stringify(text.slice(0, SHOWN)).slice(1, -1);
