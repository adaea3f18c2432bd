//! The wire between a TypeScript host and the core: bytes ↔ frames ↔ plain structs.
//!
//! `docs/protocol.md` is the normative text. Four layers on each side: frames (`frame`), messages (`codec`), dispatch and handlers (crate `core`).
//! Knows nothing of storage, jobs or Arrow.
//!
//! | module | holds |
//! | --- | --- |
//! | `frame` | the 32-byte prefix, bounds before allocation, a clean end versus a cut frame |
//! | `codec` | frames ↔ messages; everything a peer may get wrong is an error here |
//! | `message` | the plain structs and the three unions `Request`, `Event`, `Response` |
//! | `hello` | versions and the schema hash |
//! | `limits` | every bound of the wire |

#![deny(unsafe_code)] // not `forbid`: flatc's generated tables contain some, and only they may
#![warn(missing_debug_implementations)]

mod bounds;
mod codec;
mod error;
mod frame;
mod generated;
pub mod hello;
pub mod limits;
pub mod message;
mod pack;
mod payload;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use codec::{
    Outbound, Received, decode_core_hello, decode_event_or_response, decode_host_hello, decode_request, encode_core_hello, encode_event,
    encode_host_hello, encode_request, encode_response,
};
pub use error::{DecodeError, EncodeError, FrameError};
pub use frame::{Frame, Kind, read_frame, write_frame};
pub use payload::Payload;
