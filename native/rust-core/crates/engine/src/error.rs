//! Why an attempt ended without a verdict. A bad *record* is never one of these.

use millrace_formats::position::Place;

use crate::program::ProgramError;

/// Ends a request whose cancel flag is set; never leaves the core, which answers `cancelled` instead.
pub const CANCELLED: &str = "CANCELLED";

/// `code` is a string of the closed list in `packages/protocol/src/failure.ts`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub code: &'static str,
    pub message: String,
    /// Where in the input work stood, when that helps.
    pub at: Option<Place>,
    /// How long a store asks to be left alone, if one did.
    pub retry_after_ms: Option<u64>,
}

impl Error {
    pub fn new(code: &'static str, message: impl Into<String>) -> Error {
        Error { code, message: message.into(), at: None, retry_after_ms: None }
    }

    pub fn at(self, place: Place) -> Error {
        Error { at: Some(place), ..self }
    }

    pub fn cancelled() -> Error {
        Error::new(CANCELLED, "cancelled")
    }

    pub fn is_cancelled(&self) -> bool {
        self.code == CANCELLED
    }
}

impl From<millrace_formats::error::Error> for Error {
    fn from(error: millrace_formats::error::Error) -> Error {
        Error::new(error.code, error.message)
    }
}

impl From<millrace_formats::source::SourceError> for Error {
    fn from(error: millrace_formats::source::SourceError) -> Error {
        Error::new(error.code, error.message)
    }
}

impl From<ProgramError> for Error {
    fn from(error: ProgramError) -> Error {
        match error.at {
            Some((line, column)) => Error::new(error.code, format!("SQL line {line}, column {column}: {}", error.message)),
            None => Error::new(error.code, error.message),
        }
    }
}
