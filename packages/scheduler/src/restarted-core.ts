/** One core for the scheduler's own requests, replaced when it is gone. `Inspect` is asked one at a time: a core does one piece of work at once. */
import { type Answer, CoreGoneError, type CoreProcess, type RequestInput, type RequestOptions } from '@millrace/core-client';
import type { DoneOf } from '@millrace/protocol/wire';
import type { Log } from '@millrace/service-kit';

export class RestartedCore {
  readonly #start: () => Promise<CoreProcess>;
  readonly #log: Log;
  #core: Promise<CoreProcess>;
  #work: Promise<unknown> = Promise.resolve();
  #isStopped = false;
  readonly resultVersion: number;

  private constructor(start: () => Promise<CoreProcess>, core: CoreProcess, log: Log) {
    this.#start = start;
    this.#log = log;
    this.#core = Promise.resolve(core);
    this.resultVersion = core.hello.resultVersion;
    this.#watch(core);
  }

  static async start(start: () => Promise<CoreProcess>, log: Log): Promise<RestartedCore> {
    return new RestartedCore(start, await start(), log);
  }

  /** Rejects with `CoreGoneError` when the core ends under the request: whether it was done is then unknown. */
  async request<Input extends RequestInput>(input: Input, options: RequestOptions): Promise<Answer<DoneOf[Input['type']]>> {
    if (input.type !== 'Inspect') return this.#ask(input, options);
    const turn = this.#work.then(() => this.#ask(input, options));
    this.#work = turn.catch(() => undefined);
    return turn;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const core = await this.#core.catch(() => null);
    await core?.stop();
  }

  async #ask<Input extends RequestInput>(input: Input, options: RequestOptions): Promise<Answer<DoneOf[Input['type']]>> {
    const core = await this.#live();
    return core.request(input, options);
  }

  async #live(): Promise<CoreProcess> {
    const core = await this.#core.catch((error: unknown) => (error instanceof CoreGoneError ? null : Promise.reject(error)));
    if (core?.isAlive && !core.isSpent) return core;
    return this.#replace(core);
  }

  async #replace(old: CoreProcess | null): Promise<CoreProcess> {
    if (this.#isStopped) throw new Error('cannot ask the core: it is stopped');
    const current = this.#core;
    const known = await current.catch(() => null);
    // Of several that find it gone one starts the next; the others use that one.
    if (known !== old || this.#core !== current) return this.#core;
    this.#core = this.#start();
    const fresh = await this.#core;
    this.#watch(fresh);
    await old?.stop();
    return fresh;
  }

  #watch(core: CoreProcess): void {
    void core.gone.then((error) => {
      if (!this.#isStopped) this.#log.warn({ err: error }, 'core of the scheduler ended');
    });
  }
}
