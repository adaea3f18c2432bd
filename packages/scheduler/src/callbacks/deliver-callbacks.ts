/**
 * Delivers what lies in the outbox: beside the rounds of the leader, so that a slow receiver holds nobody up. How far each has come is a document of the
 * registry, so that whoever leads next goes on with the same number of tries. At least once: the id is the same for every try.
 */
import { type Callback, callbackDelayMs, callbackLifeMs, type Delivery } from '@millrace/protocol';
import { readSecret } from '@millrace/service-kit';
import type { Control } from '../control.ts';
import { postCallback } from './post-callback.ts';

const atOnce = 8;

interface Owed {
  readonly callback: Callback;
  readonly tries: number;
  readonly dueMs: number;
}

export class CallbackDeliverer {
  readonly #control: Control;
  readonly #owed = new Map<string, Owed>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(control: Control) {
    this.#control = control;
  }

  /** `look`: entries may have come since the last round. */
  async round(look: boolean): Promise<void> {
    if (look) await this.#look();
    const nowMs = this.#control.clock.nowMs();
    for (const [id, owed] of this.#owed) {
      if (this.#underWay.size >= atOnce) break;
      if (owed.dueMs > nowMs || this.#underWay.has(id)) continue;
      const delivery = this.#try(owed).finally(() => this.#underWay.delete(id));
      this.#underWay.set(id, delivery);
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#underWay.values());
  }

  async #look(): Promise<void> {
    const { journal, clock } = this.#control;
    const standing = new Set<string>();
    for await (const { record } of journal.listCallbacks()) {
      standing.add(record.callbackId);
      if (this.#owed.has(record.callbackId)) continue;
      const known = await journal.readRegistered('callbacks', record.callbackId);
      if (known !== null && known.body.state !== 'pending') await journal.deleteCallback(record.callbackId);
      else {
        const dueMs = known?.body.nextTryAt == null ? clock.nowMs() : Date.parse(known.body.nextTryAt);
        this.#owed.set(record.callbackId, { callback: record, tries: known?.body.tries ?? 0, dueMs });
      }
    }
    // Another leader has ended them.
    for (const id of this.#owed.keys()) if (!standing.has(id) && !this.#underWay.has(id)) this.#owed.delete(id);
  }

  async #try(owed: Owed): Promise<void> {
    const { callback } = owed;
    const { log } = this.#control;
    try {
      const answer = await this.#post(callback);
      if (this.#stopping.signal.aborted && answer.status === null) return;
      await this.#record(owed, answer);
    } catch (err) {
      // The journal is away: nothing is known of this try, and it is made again.
      log.warn({ err, callbackId: callback.callbackId }, 'delivery not recorded');
      this.#owed.set(callback.callbackId, { ...owed, dueMs: this.#control.clock.nowMs() + 1_000 });
    }
  }

  async #post(callback: Callback): Promise<{ status: number | null; error: string | null }> {
    const { httpAllow, secrets, clock } = this.#control;
    try {
      const secret = await readSecret(callback.secret, secrets);
      const status = await postCallback(callback, { allow: httpAllow, secret, nowMs: clock.nowMs(), signal: this.#stopping.signal });
      return { status, error: null };
    } catch (error) {
      return { status: null, error: error instanceof Error ? error.message.slice(0, 500) : String(error) };
    }
  }

  async #record(owed: Owed, { status, error }: { status: number | null; error: string | null }): Promise<void> {
    const { callback } = owed;
    const { journal, clock, random, log, metrics } = this.#control;
    const { callbackId, jobId, generation, event, url, createdAt } = callback;
    const tries = owed.tries + 1;
    const nowMs = clock.nowMs();
    const nextMs = nowMs + callbackDelayMs(tries, random.next());
    const isDelivered = status !== null && status >= 200 && status < 300;
    // 410: the receiver says that it will never take it.
    const isOver = status === 410 || nextMs - Date.parse(createdAt) > callbackLifeMs;
    const state: Delivery['state'] = isDelivered ? 'delivered' : isOver ? 'givenUp' : 'pending';
    const nextTryAt = state === 'pending' ? new Date(nextMs).toISOString() : null;
    const body = { callbackId, jobId, generation, event, url, state, tries, status, error, lastTryAt: clock.nowIso(), nextTryAt };
    const put = { at: clock.nowIso(), by: 'scheduler', reason: '', body };
    const changed = await journal.changeRegistered('callbacks', callbackId, (current) =>
      // Two leaders tried at once: what was delivered stays so.
      current !== null && current.body.state !== 'pending' ? { refuse: current.body.state } : { put },
    );
    metrics.recordDelivery(state === 'pending' ? 'retried' : state === 'delivered' ? 'delivered' : 'gave_up');
    log.info({ jobId, callbackId, event, state, tries, status }, 'webhook tried');
    if (state === 'pending' && 'changed' in changed) {
      this.#owed.set(callbackId, { callback, tries, dueMs: nextMs });
      return;
    }
    await journal.deleteCallback(callbackId);
    this.#owed.delete(callbackId);
  }
}
