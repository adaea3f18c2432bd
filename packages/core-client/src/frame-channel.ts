/** Two streams ↔ frames. The one writer towards a core: a frame is written whole, and the next one waits while the pipe is full. */
import type { Readable, Writable } from 'node:stream';
import { encodeFrame, type Frame, FrameReader } from '@millrace/protocol/wire';

export interface ChannelEvents {
  /** Called for each frame in order. What it throws is a violation too. */
  onFrame(frame: Frame): void;
  /** The peer broke the protocol; the channel reads on only to drain the pipe. */
  onViolation(error: unknown): void;
  /** No further frame will come. A frame that was cut by the end is dropped: the process is what ended. */
  onEnd(cutBytes: number): void;
  /** Bytes that went through the pipe, `out` towards the core. */
  onBytes?: ((direction: 'in' | 'out', bytes: number) => void) | undefined;
}

export class FrameChannel {
  readonly #output: Writable;
  readonly #reader = new FrameReader();
  readonly #events: ChannelEvents;
  #isBroken = false;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(input: Readable, output: Writable, events: ChannelEvents) {
    this.#output = output;
    this.#events = events;
    // A write to a dead child without a listener would end this process; the end of the child is told by its `close`.
    output.on('error', () => {});
    input.on('error', () => {});
    input.on('data', (bytes: Uint8Array) => this.#read(bytes));
    input.once('end', () => events.onEnd(this.#isBroken ? 0 : this.#reader.pendingBytes));
  }

  /** Resolves when the frame is in the pipe's buffer and the pipe takes more. Rejects when the pipe is gone. */
  send(frame: Frame): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write(encodeFrame(frame)));
    // A failed write must not keep later ones from failing by themselves.
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  /** Ends the stream towards the core behind everything that was sent. */
  async endOutput(): Promise<void> {
    await this.#lastWrite;
    this.#output.end();
  }

  async #write(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      if (this.#output.destroyed || this.#output.writableEnded) throw new Error('cannot send a frame: the pipe to the core is closed');
      this.#events.onBytes?.('out', piece.length);
      if (!this.#output.write(piece)) await drained(this.#output);
    }
  }

  #read(bytes: Uint8Array): void {
    this.#events.onBytes?.('in', bytes.length);
    if (this.#isBroken) return;
    try {
      for (const frame of this.#reader.push(bytes)) this.#events.onFrame(frame);
    } catch (error) {
      this.#isBroken = true;
      this.#events.onViolation(error);
    }
  }
}

/** Waits until the pipe takes more, or is gone. */
function drained(output: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      output.off('drain', onDrain);
      output.off('close', onClose);
      settle();
    };
    const onDrain = (): void => finish(resolve);
    const onClose = (): void => finish(() => reject(new Error('cannot send a frame: the pipe to the core is closed')));
    output.on('drain', onDrain);
    output.on('close', onClose);
    if (output.destroyed) onClose();
  });
}
