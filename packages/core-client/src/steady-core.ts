/**
 * One core that is always there: started when first asked, started again when it died. For store verbs and other requests that may be asked twice;
 * a request whose core died under it is asked once more of a fresh one. Work on chunks goes through `CorePool` instead, where a death is an outcome.
 */
import type { DoneOf } from '@millrace/protocol/wire';
import type { Answer, RequestInput, RequestOptions } from './core-client.ts';
import { CoreGoneError } from './core-gone-error.ts';
import type { CoreProcess } from './core-process.ts';

export class SteadyCore {
  readonly #start: () => Promise<CoreProcess>;
  #core: Promise<CoreProcess> | null = null;
  #isStopped = false;

  constructor(start: () => Promise<CoreProcess>) {
    this.#start = start;
  }

  /** The live core, started if need be. Rejects when it does not start; the next call tries again. */
  async current(): Promise<CoreProcess> {
    if (this.#isStopped) throw new Error('cannot use a core: it is stopped');
    const standing = this.#core === null ? null : await this.#core.catch(() => null);
    if (standing?.isAlive && !standing.isSpent) return standing;
    if (standing !== null) void standing.stop();
    return this.#startOnce(standing);
  }

  /** Callers that find the core gone share one start, also those that waited for a start that failed. */
  #startOnce(gone: CoreProcess | null): Promise<CoreProcess> {
    const standing = this.#core;
    if (standing !== null && gone === null) return standing;
    const started = standing === null ? this.#start() : standing.then((core) => (core === gone ? this.#start() : core));
    this.#core = started;
    started.catch(() => {
      if (this.#core === started) this.#core = null;
    });
    return started;
  }

  async request<R extends RequestInput>(request: R, options: RequestOptions): Promise<Answer<DoneOf[R['type']]>> {
    const core = await this.current();
    try {
      return await core.request(request, options);
    } catch (error) {
      if (!(error instanceof CoreGoneError) || this.#isStopped || options.signal?.aborted === true) throw error;
      return (await this.current()).request(request, options);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const core = await this.#core?.catch(() => null);
    await core?.stop();
  }
}
