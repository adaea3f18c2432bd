/** A steady core whose `Inspect` and `Probe` requests wait for each other: a core does one piece of work at once, and store requests beside it. */
import type { Answer, RequestInput, RequestOptions, SteadyCore } from '@millrace/core-client';
import type { CoreLike } from '@millrace/journal';
import type { DoneOf } from '@millrace/protocol/wire';

export class InspectingCore implements CoreLike {
  readonly #core: SteadyCore;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(core: SteadyCore) {
    this.#core = core;
  }

  async request<Input extends RequestInput>(input: Input, options: RequestOptions): Promise<Answer<DoneOf[Input['type']]>> {
    if (input.type !== 'Inspect' && input.type !== 'Probe') return this.#core.request(input, options);
    const mine = this.#turn.then(() => this.#core.request(input, options));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
