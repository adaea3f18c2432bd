/** The wire between a TypeScript host and the Rust core, as pure functions over bytes. docs/protocol.md is the normative text. */

export type { Received } from './codec.ts';
export { decodeCoreHello, decodeEventOrResponse, decodeHostHello, decodeRequest, encodeMessage } from './codec.ts';
export { crc32c } from './crc32c.ts';
export type { Frame, FrameKind } from './frame.ts';
export {
  encodeFrame,
  FrameReader,
  kindNames,
  kindNumbers,
  maxHeaderBytes,
  maxNumber,
  maxPayloadBytes,
  maxStorePayloadBytes,
  maxStoreRequests,
  mayCarryPayload,
  prefixBytes,
  protocolVersion,
} from './frame.ts';
export type * from './messages.ts';
export { doneOf, emptyCall, requestClass, schemaHash, schemaHashBytes } from './messages.ts';
export { WireError } from './wire-error.ts';
