/** Holds store requests back so that no more than the wire allows are open at once. First come, first served. */

interface Waiting {
  readonly payloadBytes: number;
  enter(): void;
  leave(error: Error): void;
}

export class StoreGate {
  readonly #maxRequests: number;
  readonly #maxPayloadBytes: number;
  readonly #waiting: Waiting[] = [];
  #requests = 0;
  #payloadBytes = 0;
  #closedBy: Error | null = null;

  constructor(maxRequests: number, maxPayloadBytes: number) {
    this.#maxRequests = maxRequests;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** Resolves when the request may be sent, at once where there is room. An abort takes a waiting one out of the line. Pair with `leave`. */
  enter(payloadBytes: number, signal: AbortSignal): Promise<void> {
    if (this.#closedBy !== null) return Promise.reject(this.#closedBy);
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#waiting.length === 0 && this.#hasRoom(payloadBytes)) {
      this.#take(payloadBytes);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
        this.#admit();
      };
      const settled = (settle: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const waiting: Waiting = { payloadBytes, enter: () => settled(resolve), leave: (error) => settled(() => reject(error)) };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  leave(payloadBytes: number): void {
    this.#requests -= 1;
    this.#payloadBytes -= payloadBytes;
    this.#admit();
  }

  /** Turns away everybody who waits, and all later ones. */
  close(error: Error): void {
    this.#closedBy = error;
    for (const waiting of this.#waiting.splice(0)) waiting.leave(error);
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.payloadBytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#take(next.payloadBytes);
      next.enter();
    }
  }

  #take(payloadBytes: number): void {
    this.#requests += 1;
    this.#payloadBytes += payloadBytes;
  }

  #hasRoom(payloadBytes: number): boolean {
    return this.#requests < this.#maxRequests && this.#payloadBytes + payloadBytes <= this.#maxPayloadBytes;
  }
}
