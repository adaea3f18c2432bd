//! What can be wrong with bytes of a peer. Every one of these is a violation: nobody resynchronises or repairs.

use std::fmt;
use thiserror::Error;

/// A frame that cannot be read. Named in the order in which a reader checks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    #[error("cannot read a frame: expected the magic MR, got {0:02x?}")]
    Magic([u8; 2]),
    #[error("cannot read a frame: the prefix has CRC {actual:08x} and says {said:08x}")]
    PrefixCrc { said: u32, actual: u32 },
    #[error("cannot read a frame: expected version 1, got {0}")]
    Version(u8),
    #[error("cannot read a frame: the kind 0x{0:02x} is unknown")]
    Kind(u8),
    #[error("cannot read a frame: expected flags 0, got 0x{0:x}")]
    Flags(u32),
    #[error("cannot read a frame: the header has {0} bytes, expected 1 to 1048576")]
    HeaderLength(u32),
    #[error("cannot read a frame: the payload has {0} bytes, more than 8388608")]
    PayloadLength(u32),
    #[error("cannot read a frame: {0} carries no payload")]
    PayloadNotAllowed(&'static str),
    #[error("cannot read a frame: {kind} cannot have the request id {request_id}")]
    RequestId { kind: &'static str, request_id: u64 },
    #[error("cannot read a frame: the header has CRC {actual:08x} and the prefix says {said:08x}")]
    HeaderCrc { said: u32, actual: u32 },
    #[error("cannot read a frame: the stream ended inside it, {got} of {expected} bytes into its {part}")]
    Cut { part: &'static str, got: usize, expected: usize },
    #[error("cannot read a frame: {0}")]
    Io(#[from] std::io::Error),
}

/// A whole frame whose header is not a message, or not one that may stand here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("cannot decode a header: expected the identifier MRC1")]
    Identifier,
    #[error("cannot decode a header: {0}")]
    Structure(String),
    #[error("cannot decode a header: {path}: {what}")]
    Value { path: String, what: String },
    #[error("cannot decode a header: the frame is a {kind}, the body another message")]
    BodyOfAnotherKind { kind: &'static str },
    #[error("cannot decode a frame: expected {expected}, got {kind}")]
    Unexpected { expected: &'static str, kind: &'static str },
    #[error("cannot decode a frame: the payload has CRC {actual:08x?} and the header says {said:08x?}")]
    PayloadCrc { said: Option<u32>, actual: Option<u32> },
}

/// A message that would break a bound of the wire if it were sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncodeError {
    #[error("cannot encode a message: the header has {0} bytes, more than 1048576")]
    HeaderTooLarge(usize),
    #[error("cannot encode a message: the payload has {0} bytes, more than 8388608")]
    PayloadTooLarge(usize),
    #[error("cannot encode a message: {0} carries no payload")]
    PayloadNotAllowed(&'static str),
    #[error("cannot encode a message: {0}")]
    Bounds(#[from] DecodeError),
}

/// Where in a message something stands. Built on the way down without allocating; spelled out only for an error.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl Path<'static> {
    pub(crate) fn root(name: &'static str) -> Path<'static> {
        Path { parent: None, step: Step::Field(name) }
    }
}

impl<'a> Path<'a> {
    pub(crate) fn field(&'a self, name: &'static str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(name) }
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    pub(crate) fn error(&self, what: impl fmt::Display) -> DecodeError {
        DecodeError::Value { path: self.to_string(), what: what.to_string() }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
