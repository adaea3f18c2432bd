//! The rules of one CSV input in bytes: what scanning needs of a dialect, the limits, and the profile that makes a line fit.

use std::fmt;
use std::sync::Arc;

/// What ends a record outside quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// LF, CR LF and lone CR each end a record.
    Any,
    /// Exactly these bytes (1 to 4 in practice); CR and LF that are not part of them are data.
    Bytes(Vec<u8>),
}

/// A CSV dialect in the bytes of the stream's own encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanDialect {
    /// One byte or more.
    pub delimiter: Vec<u8>,
    /// None: no byte is a quote.
    pub quote: Option<u8>,
    /// Two quotes inside quotes are one quote. Off whenever `escape` is set.
    pub double_quote: bool,
    /// An escape equal to the quote means doubled quotes.
    pub escape: Option<u8>,
    pub terminator: Terminator,
    /// U+0020 after a delimiter is not data.
    pub skip_initial_space: bool,
    /// A line that begins with these bytes is a comment.
    pub comment: Option<Vec<u8>>,
    /// Stream offsets of further comment lines (from `commentRows`). Any order.
    pub comment_offsets: Vec<u64>,
    /// A quote that neither doubles nor ends a field is data (`strayQuotes: literal`). An unclosed quote is then only known by the
    /// limits, so that each costs a look-ahead of up to L bytes or M lines.
    pub stray_literal: bool,
}

impl Default for ScanDialect {
    /// RFC 4180 with any line end.
    fn default() -> ScanDialect {
        ScanDialect {
            delimiter: b",".to_vec(),
            quote: Some(b'"'),
            double_quote: true,
            escape: None,
            terminator: Terminator::Any,
            skip_initial_space: false,
            comment: None,
            comment_offsets: Vec::new(),
            stray_literal: false,
        }
    }
}

/// How far a record may reach, and how far a broken one is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// L: bytes of a record with its terminator.
    pub max_record_bytes: u64,
    /// M: lines of one record, counted by the dialect's terminator.
    pub max_record_lines: u64,
    /// W: line ends tried behind the line in which a record was found broken.
    pub resync_lines: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_record_bytes: 16 << 20, max_record_lines: 10_000, resync_lines: 16 }
    }
}

impl Limits {
    /// The pinned M and W with a record bound of `max_record_bytes`.
    pub fn with_record_bytes(max_record_bytes: u64) -> Limits {
        Limits { max_record_bytes, ..Limits::default() }
    }
}

/// A completed field, still in the bytes of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawField<'a> {
    /// Without the quotes around it; doubled quotes and escapes still in it.
    pub text: &'a [u8],
    pub quoted: bool,
    /// True if `text` holds a doubled quote or an escape: see `unescape_into`.
    pub escaped: bool,
}

/// Decides whether a field can stand in its column. Formats supply the parsing of values; an answer MUST depend on nothing but
/// the arguments and the pins.
pub trait FieldCheck: Send + Sync {
    /// Whether the column's type is one of the anchor profile's kinds other than text.
    fn is_typed(&self, column: usize) -> bool;
    /// Whether the field parses as its column's type or is missing. Asked for typed columns only; columns count from 0.
    fn fits(&self, column: usize, field: RawField<'_>) -> bool;
}

/// A profile in which every column is text.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTypes;

impl FieldCheck for NoTypes {
    fn is_typed(&self, _column: usize) -> bool {
        false
    }

    fn fits(&self, _column: usize, _field: RawField<'_>) -> bool {
        true
    }
}

/// The anchor profile: what a line must look like to count as the start of a record after damage.
#[derive(Clone)]
pub struct Profile {
    /// A: number of columns, at least 1.
    pub columns: usize,
    pub check: Arc<dyn FieldCheck>,
}

/// Why a dialect cannot be scanned. The message is a sentence part, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError(pub String);

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RulesError {}

/// Dialect, limits and profile, checked against each other once. Cheap to share behind an `Arc`.
#[derive(Clone)]
pub struct Rules {
    pub(crate) dialect: ScanDialect,
    pub(crate) limits: Limits,
    pub(crate) columns: usize,
    pub(crate) check: Arc<dyn FieldCheck>,
    pub(crate) typed: Vec<bool>,
    pub(crate) has_typed: bool,
    /// Bytes that may begin a token other than plain data.
    pub(crate) special: [bool; 256],
    pub(crate) mark_suspects: bool,
}

impl Rules {
    /// Refuses dialects whose special bytes cannot be told apart, and limits that hold no record.
    pub fn new(mut dialect: ScanDialect, limits: Limits, profile: Profile) -> Result<Rules, RulesError> {
        if dialect.escape.is_some() && dialect.escape == dialect.quote {
            dialect.escape = None;
            dialect.double_quote = true;
        }
        if dialect.escape.is_some() {
            dialect.double_quote = false;
        }
        if dialect.comment.as_ref().is_some_and(Vec::is_empty) {
            dialect.comment = None;
        }
        dialect.comment_offsets.sort_unstable();
        check_distinct(&dialect)?;
        if profile.columns == 0 {
            return Err(RulesError("a profile needs at least one column".into()));
        }
        if limits.max_record_bytes == 0 || limits.max_record_lines == 0 {
            return Err(RulesError("record limits must be at least 1".into()));
        }
        let typed: Vec<bool> = (0..profile.columns).map(|column| profile.check.is_typed(column)).collect();
        let has_typed = typed.contains(&true);
        let special = special_bytes(&dialect);
        Ok(Rules { dialect, limits, columns: profile.columns, check: profile.check, typed, has_typed, special, mark_suspects: true })
    }

    /// The same rules without the search for inner line ends that fit in accepted records: `Extent::suspect` stays false. The
    /// division is the same; planning needs no more.
    pub fn without_suspects(&self) -> Rules {
        Rules { mark_suspects: false, ..self.clone() }
    }

    pub fn dialect(&self) -> &ScanDialect {
        &self.dialect
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A: number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn is_pinned_comment(&self, stream_offset: u64) -> bool {
        !self.dialect.comment_offsets.is_empty() && self.dialect.comment_offsets.binary_search(&stream_offset).is_ok()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("dialect", &self.dialect)
            .field("limits", &self.limits)
            .field("columns", &self.columns)
            .field("typed", &self.typed)
            .finish_non_exhaustive()
    }
}

fn terminator_bytes(terminator: &Terminator) -> &[u8] {
    match terminator {
        Terminator::Any => b"\r\n",
        Terminator::Bytes(bytes) => bytes,
    }
}

fn check_distinct(dialect: &ScanDialect) -> Result<(), RulesError> {
    let ends = terminator_bytes(&dialect.terminator);
    if dialect.delimiter.is_empty() {
        return Err(RulesError("the delimiter is empty".into()));
    }
    if ends.is_empty() {
        return Err(RulesError("the line terminator is empty".into()));
    }
    if dialect.delimiter.iter().any(|byte| ends.contains(byte)) {
        return Err(RulesError("delimiter and line terminator share a byte".into()));
    }
    for (name, byte) in [("quote", dialect.quote), ("escape", dialect.escape)] {
        let Some(byte) = byte else { continue };
        if dialect.delimiter.contains(&byte) {
            return Err(RulesError(format!("the {name} is part of the delimiter")));
        }
        if ends.contains(&byte) {
            return Err(RulesError(format!("the {name} is part of the line terminator")));
        }
    }
    Ok(())
}

fn special_bytes(dialect: &ScanDialect) -> [bool; 256] {
    let mut special = [false; 256];
    special[dialect.delimiter[0] as usize] = true;
    match &dialect.terminator {
        Terminator::Any => {
            special[b'\r' as usize] = true;
            special[b'\n' as usize] = true;
        }
        Terminator::Bytes(bytes) => special[bytes[0] as usize] = true,
    }
    for byte in [dialect.quote, dialect.escape].into_iter().flatten() {
        special[byte as usize] = true;
    }
    special
}
