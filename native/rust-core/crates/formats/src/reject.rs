//! A record that could not be used: where it stood, what its bytes were, and why. `product.md` A9.

use crate::position::Place;

/// At most this many errors are listed for one record.
pub const MAX_ERRORS: usize = 16;
/// Of a damaged range longer than `maxRecordSize` only this many bytes are kept.
pub const DAMAGE_KEPT_BYTES: usize = 64 << 10;
/// Longest text kept in `value`.
pub const MAX_VALUE_BYTES: usize = 1 << 10;

/// One thing wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectError {
    /// A code of the closed list, such as `TYPE_INTEGER`.
    pub code: &'static str,
    /// Name of the schema field, or of the file's column where no field is concerned.
    pub column: Option<String>,
    /// From 1, in the file's own order.
    pub column_index: Option<u32>,
    /// JSON Pointer of the place inside of the value.
    pub path: Option<String>,
    /// Offset of the offending byte from the start of the file.
    pub byte: u64,
    /// Physical line of that byte.
    pub line: u64,
    pub message: String,
    pub expected: Option<String>,
    /// The offending value as text, at most `MAX_VALUE_BYTES`; invalid UTF-8 replaced.
    pub value: Option<String>,
}

/// One reject a record; `errors` is ordered by byte and never empty, the first being the main one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub place: Place,
    pub errors: Vec<RejectError>,
    /// The record's bytes, unaltered.
    pub raw: Vec<u8>,
    pub raw_truncated: bool,
}
