//! Bounds of the wire. `packages/protocol/src/wire/frame.ts` has the same; the shared vectors hold them together.

/// Bytes of the prefix of every frame.
pub const PREFIX_BYTES: usize = 32;
/// Largest header, in bytes.
pub const MAX_HEADER_BYTES: u32 = 1024 * 1024;
/// Largest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: u32 = 8 * 1024 * 1024;
/// Deepest nesting of tables that the verifier follows.
pub const MAX_DEPTH: usize = 32;
/// Most tables in one header.
pub const MAX_TABLES: usize = 10_000;
/// Largest number of 64 bits: JavaScript reads them as doubles.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
/// Store requests that may be open beside the one work request.
pub const MAX_STORE_REQUESTS: usize = 32;
/// Payload bytes of all open store requests together.
pub const MAX_STORE_PAYLOAD_BYTES: u64 = 32 * 1024 * 1024;
/// `Log` events of one request; one more tells how many were dropped.
pub const MAX_LOG_EVENTS: u32 = 100;
