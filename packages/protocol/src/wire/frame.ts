/**
 * Bytes ↔ frames, pure. A stream is not a message: `FrameReader` takes any split of the bytes and gives the same frames. What a peer says about
 * lengths is checked before anything is allocated, and each frame gets allocations of its own, so that no offset can show another frame's bytes.
 */
import { crc32c } from './crc32c.ts';
import { WireError } from './wire-error.ts';

export const protocolVersion = 1;
export const prefixBytes = 32;
export const maxHeaderBytes = 1024 * 1024;
export const maxPayloadBytes = 8 * 1024 * 1024;
/** Store requests that may be open beside the one work request, and the payload bytes they may hold together. */
export const maxStoreRequests = 32;
export const maxStorePayloadBytes = 32 * 1024 * 1024;
/** Largest 64-bit number of the wire: all of them are exact as JavaScript numbers. */
export const maxNumber = Number.MAX_SAFE_INTEGER;

/** What a frame is, as byte 3 says it. */
export const kindNumbers = {
  Hello: 0x01,
  Probe: 0x10,
  Plan: 0x11,
  Process: 0x12,
  Reduce: 0x13,
  Inspect: 0x14,
  StorePut: 0x15,
  StoreGet: 0x16,
  StoreList: 0x17,
  StoreDelete: 0x18,
  StoreStat: 0x19,
  Cancel: 0x1a,
  Ping: 0x1b,
  Progress: 0x20,
  PlanSegment: 0x21,
  Log: 0x22,
  Done: 0x30,
  Failed: 0x31,
} as const;

export type FrameKind = keyof typeof kindNumbers;

export const kindNames: ReadonlyMap<number, FrameKind> = new Map(Object.entries(kindNumbers).map(([name, number]) => [number, name as FrameKind]));

const payloadKinds: ReadonlySet<FrameKind> = new Set(['Probe', 'Process', 'StorePut', 'Done']);

/** True where bytes may follow the header. */
export function mayCarryPayload(kind: FrameKind): boolean {
  return payloadKinds.has(kind);
}

/** One frame whose prefix and header checksum hold. What the header says is the codec's business. */
export interface Frame {
  readonly kind: FrameKind;
  /** 0 for `Hello` alone. */
  readonly requestId: number;
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

interface Prefix {
  readonly kind: FrameKind;
  readonly requestId: number;
  readonly headerBytes: number;
  readonly payloadBytes: number;
  readonly headerCrc: number;
}

/** Prefix and header as one buffer, and the payload as it stands, so that 8 MiB are not copied to be written. */
export function encodeFrame(frame: Frame): Uint8Array[] {
  const head = new Uint8Array(prefixBytes + frame.header.length);
  const view = new DataView(head.buffer);
  head.set([0x4d, 0x52, protocolVersion, kindNumbers[frame.kind]]);
  view.setBigUint64(8, BigInt(frame.requestId), true);
  view.setUint32(16, frame.header.length, true);
  view.setUint32(20, frame.payload.length, true);
  view.setUint32(24, crc32c(frame.header), true);
  view.setUint32(28, crc32c(head.subarray(0, 28)), true);
  head.set(frame.header, prefixBytes);
  return frame.payload.length === 0 ? [head] : [head, frame.payload];
}

/** What a reader collects next, and what it has of the frame so far. */
type Part =
  | { readonly name: 'prefix' }
  | { readonly name: 'header'; readonly prefix: Prefix }
  | { readonly name: 'payload'; readonly prefix: Prefix; readonly header: Uint8Array };

/** Collects the bytes of a stream into frames. After it has thrown it must not be used again: the stream is lost. */
export class FrameReader {
  #part: Part = { name: 'prefix' };
  #buffer: Uint8Array = allocate(prefixBytes);
  #filled = 0;

  /** Frames that end in these bytes, in order. Throws `WireError` on the first violation. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length) {
      const taken = Math.min(this.#buffer.length - this.#filled, bytes.length - at);
      this.#buffer.set(bytes.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      // Before the rest of a prefix: somebody who prints a short line into the stream must not keep us waiting for more of it.
      if (this.#part.name === 'prefix') checkMagic(this.#buffer, this.#filled);
      if (this.#filled === this.#buffer.length) {
        const frame = this.#finishPart();
        if (frame !== null) frames.push(frame);
      }
    }
    return frames;
  }

  /** Bytes of a frame that has not ended. More than 0 when the stream ends: the frame is cut. */
  get pendingBytes(): number {
    if (this.#part.name === 'prefix') return this.#filled;
    return prefixBytes + (this.#part.name === 'payload' ? this.#part.header.length : 0) + this.#filled;
  }

  /** Called at the end of the stream. Throws `WireError` inside a frame. */
  end(): void {
    if (this.pendingBytes > 0) throw new WireError(`cannot read a frame: the stream ended ${this.pendingBytes} bytes into it, in its ${this.#part.name}`);
  }

  /** Checks the part that is complete and begins the next. Gives the frame when it was the last. */
  #finishPart(): Frame | null {
    const part = this.#part;
    const complete = this.#buffer;
    if (part.name === 'prefix') {
      const prefix = checkPrefix(complete);
      return this.#begin({ name: 'header', prefix }, prefix.headerBytes);
    }
    const { prefix } = part;
    if (part.name === 'header') {
      checkHeaderCrc(complete, prefix.headerCrc);
      if (prefix.payloadBytes > 0) return this.#begin({ name: 'payload', prefix, header: complete }, prefix.payloadBytes);
    }
    this.#begin({ name: 'prefix' }, prefixBytes);
    const [header, payload] = part.name === 'header' ? [complete, allocate(0)] : [part.header, complete];
    return { kind: prefix.kind, requestId: prefix.requestId, header, payload };
  }

  #begin(part: Part, bytes: number): null {
    this.#part = part;
    this.#buffer = allocate(bytes);
    this.#filled = 0;
    return null;
  }
}

function checkHeaderCrc(header: Uint8Array, said: number): void {
  const actual = crc32c(header);
  if (actual !== said) throw new WireError(`cannot read a frame: the header has CRC ${hex(actual)} and the prefix says ${hex(said)}`);
}

/** Never from Node's pool, where a neighbour's bytes lie in the same memory. Every byte is written before anybody reads it. */
function allocate(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
}

function checkMagic(bytes: Uint8Array, filled: number): void {
  const isRight = bytes[0] === 0x4d && (filled < 2 || bytes[1] === 0x52);
  if (!isRight) throw new WireError(`cannot read a frame: expected the magic MR, got ${hex(bytes[0] ?? 0)}${filled < 2 ? '' : ` ${hex(bytes[1] ?? 0)}`}`);
}

/** The checks of a prefix behind its magic, in the order of docs/protocol.md. A flipped length fails the prefix checksum before it is believed. */
function checkPrefix(bytes: Uint8Array): Prefix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, prefixBytes);
  const [said, actual] = [view.getUint32(28, true), crc32c(bytes.subarray(0, 28))];
  if (said !== actual) throw new WireError(`cannot read a frame: the prefix has CRC ${hex(actual)} and says ${hex(said)}`);
  if (bytes[2] !== protocolVersion) throw new WireError(`cannot read a frame: expected version ${protocolVersion}, got ${bytes[2]}`);
  const kind = kindNames.get(view.getUint8(3));
  if (kind === undefined) throw new WireError(`cannot read a frame: the kind ${hex(view.getUint8(3))} is unknown`);
  const flags = view.getUint32(4, true);
  if (flags !== 0) throw new WireError(`cannot read a frame: expected flags 0, got ${hex(flags)}`);
  const [headerBytes, payloadBytes] = [view.getUint32(16, true), view.getUint32(20, true)];
  checkLengths(kind, headerBytes, payloadBytes);
  const requestId = Number(view.getBigUint64(8, true));
  if ((requestId === 0) !== (kind === 'Hello') || requestId > maxNumber)
    throw new WireError(`cannot read a frame: ${kind} cannot have the request id ${requestId}`);
  return { kind, requestId, headerBytes, payloadBytes, headerCrc: view.getUint32(24, true) };
}

function checkLengths(kind: FrameKind, headerBytes: number, payloadBytes: number): void {
  if (headerBytes === 0 || headerBytes > maxHeaderBytes) {
    throw new WireError(`cannot read a frame: the header has ${headerBytes} bytes, expected 1 to ${maxHeaderBytes}`);
  }
  if (payloadBytes > maxPayloadBytes) throw new WireError(`cannot read a frame: the payload has ${payloadBytes} bytes, more than ${maxPayloadBytes}`);
  if (payloadBytes > 0 && !mayCarryPayload(kind)) throw new WireError(`cannot read a frame: ${kind} carries no payload`);
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}
