//! Errors of an input as a whole. A bad *record* is never one of these: it is a `Reject` beside the good rows.

use thiserror::Error as ThisError;

use crate::source::SourceError;

/// `code` is a string of the closed list in `packages/protocol/src/failure.ts`.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{message}")]
pub struct Error {
    pub code: &'static str,
    pub message: String,
}

impl Error {
    pub fn new(code: &'static str, message: impl Into<String>) -> Error {
        Error { code, message: message.into() }
    }
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Error {
        Error { code: error.code, message: error.message }
    }
}
