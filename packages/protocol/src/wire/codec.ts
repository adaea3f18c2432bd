/**
 * Frames ↔ messages. Decoding trusts nothing: FlatBuffers for JavaScript has no verifier, so `table-reader.ts` walks the bytes itself under bounds, with
 * closed enums and unions and the schema's ranges. Encoding refuses what a peer would have to refuse.
 */
import { Builder } from 'flatbuffers';
import { crc32c } from './crc32c.ts';
import { type Frame, type FrameKind, maxHeaderBytes, maxPayloadBytes, mayCarryPayload } from './frame.ts';
import { type CoreHello, fileIdentifier, type HostHello } from './generated/tables.ts';
import { doneOf, type Event, type Message, type Request, type Response } from './messages.ts';
import { readHeader } from './table-reader.ts';
import { writeTable } from './table-writer.ts';
import { WireError } from './wire-error.ts';

/** A decoded message with what travelled beside it. */
export interface Received<M> {
  readonly requestId: number;
  readonly message: M;
  readonly payload: Uint8Array;
}

const noPayload = new Uint8Array(0);

/** A frame of any message. Throws `WireError` naming the field that breaks a bound; nothing that was refused is ever sent. */
export function encodeMessage(requestId: number, message: Message, payload: Uint8Array = noPayload): Frame {
  const kind = kindOf(message);
  if (!Number.isSafeInteger(requestId) || requestId < 0 || (requestId === 0) !== (kind === 'Hello')) {
    throw new WireError(`cannot encode a message: ${kind} cannot have the request id ${requestId}`);
  }
  if (payload.length > 0 && !mayCarryPayload(kind)) throw new WireError(`cannot encode a message: ${kind} carries no payload`);
  if (payload.length > maxPayloadBytes) throw new WireError(`cannot encode a message: the payload has ${payload.length} bytes, more than ${maxPayloadBytes}`);
  const builder = new Builder(1024);
  // Without this a 0 is left out, and a number that may be absent would come back as absent.
  builder.forceDefaults(true);
  const root = writeTable(builder, 'Header', { payloadCrc: crcOf(payload), body: message }, 'header');
  builder.finish(root, fileIdentifier);
  const header = builder.asUint8Array();
  if (header.length > maxHeaderBytes) throw new WireError(`cannot encode a message: the header has ${header.length} bytes, more than ${maxHeaderBytes}`);
  return { kind, requestId, header: header.slice(), payload };
}

export function decodeHostHello(frame: Frame): HostHello {
  const message = decode(frame);
  if (message.type !== 'HostHello') throw unexpected('the Hello of a host', frame);
  return message;
}

export function decodeCoreHello(frame: Frame): CoreHello {
  const message = decode(frame);
  if (message.type !== 'CoreHello') throw unexpected('the Hello of a core', frame);
  return message;
}

export function decodeRequest(frame: Frame): Received<Request> {
  const message = decode(frame);
  if (!isRequest(message)) throw unexpected('a request', frame);
  return { requestId: frame.requestId, message, payload: frame.payload };
}

export function decodeEventOrResponse(frame: Frame): Received<Event | Response> {
  const message = decode(frame);
  if (message.type === 'HostHello' || message.type === 'CoreHello' || isRequest(message)) throw unexpected('an event or an answer', frame);
  return { requestId: frame.requestId, message, payload: frame.payload };
}

function decode(frame: Frame): Message {
  const { payloadCrc, body } = readHeader(frame.header);
  if (kindOf(body) !== frame.kind) throw new WireError(`cannot decode a header: the frame is a ${frame.kind}, its body ${body.type}`);
  const actual = crcOf(frame.payload);
  if (payloadCrc !== actual) throw new WireError(`cannot decode a frame: the payload has CRC ${actual} and the header says ${payloadCrc}`);
  return body;
}

function isRequest(message: Message): message is Request {
  return message.type in doneOf;
}

function kindOf(message: Message): FrameKind {
  return message.type === 'HostHello' || message.type === 'CoreHello' ? 'Hello' : message.type;
}

function crcOf(payload: Uint8Array): number | null {
  return payload.length === 0 ? null : crc32c(payload);
}

function unexpected(expected: string, frame: Frame): WireError {
  return new WireError(`cannot decode a frame: expected ${expected}, got ${frame.kind}`);
}
