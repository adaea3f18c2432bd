/** A steady core whose `Inspect` and `Probe` requests wait for each other: a core does one piece of work at once, and store requests beside it. */
import type { DoneOf } from '@millrace/protocol/wire';
import type { Answer, RequestInput, RequestOptions } from './core-client.ts';
import type { SteadyCore } from './steady-core.ts';

export class InspectingCore {
  readonly #core: Pick<SteadyCore, 'request'>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(core: Pick<SteadyCore, 'request'>) {
    this.#core = core;
  }

  async request<Input extends RequestInput>(input: Input, options: RequestOptions): Promise<Answer<DoneOf[Input['type']]>> {
    if (input.type !== 'Inspect' && input.type !== 'Probe') return this.#core.request(input, options);
    const mine = this.#turn.then(() => {
      // Who asked may have gone while others were served.
      options.signal?.throwIfAborted();
      return this.#core.request(input, options);
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
