/**
 * A TCP hop that behaves badly on demand: delays, cuts, stops forwarding with the connection open, swallows the n-th answer, slices. A stopped process
 * is no partition, for bytes wait in its socket's buffer; this is one.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class Link {
  readonly port: number;
  /** Where connections that come from now on lead to. */
  targetPort: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Milliseconds before each piece is forwarded, in both directions. */
  delayMs = 0;
  /** Bytes of a piece that are forwarded at once; 0 = all. */
  sliceBytes = 0;
  /** Nothing is forwarded any more, and nobody is told. Also connections that come while it is set. */
  isHalfOpen = false;
  /** Connections are refused. */
  isDown = false;
  /** Pieces of answers seen so far. */
  answers = 0;
  /** Answers swallowed so far. */
  swallowed = 0;
  #isVictim: (answer: number) => boolean = () => false;

  private constructor(server: Server, port: number, targetPort: number) {
    this.#server = server;
    this.port = port;
    this.targetPort = targetPort;
  }

  static async start(targetPort: number): Promise<Link> {
    const server = createServer({ allowHalfOpen: false });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const link = new Link(server, typeof address === 'object' && address !== null ? address.port : 0, targetPort);
    server.on('connection', (client) => link.#accept(client));
    return link;
  }

  get redisUrl(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** From now on these answers (counted from 1) do not arrive, and their connection breaks: what was asked has been done all the same. */
  swallow(isVictim: (answer: number) => boolean): void {
    this.answers = 0;
    this.#isVictim = isVictim;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Everything as it should be. Connections that were half open are broken, as a router does when it comes back. */
  heal(): void {
    const wasHalfOpen = this.isHalfOpen;
    Object.assign(this, { delayMs: 0, sliceBytes: 0, isHalfOpen: false, isDown: false });
    this.#isVictim = () => false;
    if (wasHalfOpen) this.cut();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    if (this.isDown) return void client.resetAndDestroy();
    const server = connect(this.targetPort, '127.0.0.1');
    const pair = { client, server };
    this.#pairs.add(pair);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        if (!this.isHalfOpen) other.destroy();
      });
    }
    this.#forward(client, server, pair, false);
    this.#forward(server, client, pair, true);
  }

  /** Pieces in order, one after the other. */
  #forward(from: Socket, to: Socket, pair: Pair, isAnswer: boolean): void {
    let last: Promise<void> = Promise.resolve();
    from.on('data', (bytes: Buffer) => {
      if (isAnswer && this.#swallows()) {
        pair.client.resetAndDestroy();
        pair.server.destroy();
        return;
      }
      from.pause();
      last = last.then(() => this.#send(bytes, to)).finally(() => from.resume());
    });
  }

  #swallows(): boolean {
    this.answers += 1;
    if (!this.#isVictim(this.answers)) return false;
    this.swallowed += 1;
    return true;
  }

  async #send(bytes: Buffer, to: Socket): Promise<void> {
    if (this.delayMs > 0) await delay(this.delayMs);
    const step = this.sliceBytes > 0 ? this.sliceBytes : bytes.length;
    for (let at = 0; at < bytes.length; at += step) {
      if (this.isHalfOpen || to.destroyed) return;
      if (!to.write(bytes.subarray(at, at + step))) await drained(to);
      // A turn of the event loop between slices, so that they leave as packets of their own.
      if (step < bytes.length) await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.once('drain', done).once('close', done);
  });
}
