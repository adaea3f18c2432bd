//! What planning decided about an input, and everything later relies on: the *pins*. `docs/records.md` has the JSON shape.

use serde::{Deserialize, Serialize};

use crate::schema::Schema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Ndjson,
    /// One array of records.
    Json,
    /// Text lines, matched by a regex.
    Lines,
    Parquet,
    Arrow,
}

impl Format {
    /// Files of columns: planned and read by rows, without lines and bytes.
    pub fn has_rows(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvalidBytes {
    Reject,
    Replace,
}

/// Everything that decides how the bytes of one input become records. Two equal values read the same bytes alike, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputPins {
    pub name: String,
    pub format: Format,
    /// `none`, or a name that `Compression` knows.
    pub compression: String,
    /// Label of the Encoding Standard, or `latin-1` (the true ISO 8859-1).
    pub encoding: String,
    pub invalid_bytes: InvalidBytes,
    /// Bound of one record, and of how far a broken quote is followed.
    pub max_record_bytes: u64,
    /// Decoded bytes for one compressed byte that a file may come to, past the first GiB.
    #[serde(default = "default_inflation")]
    pub max_inflation: u64,
    /// Records before the damage of a compressed file are used.
    #[serde(default)]
    pub keep_intact_prefix: bool,
    pub dialect: Option<Dialect>,
    /// Column names as read from the samples, in order of first sight.
    pub columns: Vec<String>,
    pub schema: Schema,
    /// Fields whose type was inferred from a sample and not written by a person.
    pub inferred: Vec<String>,
    pub json: JsonOptions,
    /// Set where `format` is `lines`.
    #[serde(default)]
    pub lines: Option<LinesOptions>,
    pub evidence: Vec<Evidence>,
    pub notes: Vec<String>,
}

pub(crate) fn default_inflation() -> u64 {
    100
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrayQuotes {
    Reject,
    Literal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShortRows {
    Reject,
    Pad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongRows {
    Reject,
    Truncate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlankRows {
    Skip,
    Reject,
}

/// A CSV dialect with every key decided; names are those of Frictionless Table Dialect. Empty text means "none".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dialect {
    pub delimiter: String,
    pub quote_char: String,
    pub double_quote: bool,
    pub escape_char: String,
    /// None: LF, CRLF and lone CR each end a record.
    pub line_terminator: Option<String>,
    pub skip_initial_space: bool,
    pub header: bool,
    /// Rows from 1; those before the first are a preamble and are skipped.
    pub header_rows: Vec<u32>,
    pub header_join: String,
    /// Rows from 1 that are skipped wherever they stand.
    pub comment_rows: Vec<u32>,
    pub comment_char: String,
    pub null_sequence: Option<String>,
    pub stray_quotes: StrayQuotes,
    pub short_rows: ShortRows,
    pub long_rows: LongRows,
    pub blank_rows: BlankRows,
    /// The first line is Excel's `sep=;` and is skipped.
    pub skip_sep_line: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DuplicateKeys {
    Reject,
    First,
    Last,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonOptions {
    /// JSON Pointer of the array of a `json` file; empty: the file is the array.
    #[serde(default)]
    pub records: String,
    pub duplicate_keys: DuplicateKeys,
    pub max_depth: u32,
}

/// How lines become records, and records columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinesOptions {
    /// Each named group feeds a column; groups `name..2`, `name..3` feed the same one as `name`, the first that matched counts.
    /// Grok is expanded here already.
    pub regex: String,
    /// A line in which this is found begins a record. None: every line is one.
    pub record_start: Option<String>,
}

/// Why a pinned value is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Place in the pins, such as `dialect.delimiter`.
    pub path: String,
    /// `set` or `detected`.
    pub how: String,
    pub value: String,
    pub confidence: Option<f64>,
    pub runner_up: Option<String>,
    pub note: Option<String>,
}

/// What the plan pins about one file. `docs/records.md`, segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePlan {
    pub file: u32,
    pub input: u32,
    pub uri: String,
    pub etag: String,
    pub size: u64,
    /// Length of the byte order mark, 0 if there is none.
    pub bom: u32,
    /// First byte behind preamble and header; of a JSON array the byte behind its `[`.
    pub data_start: u64,
    /// Physical line, from 1, at `data_start`.
    pub first_line: u64,
    /// The file's own column names, in its order; of lines the groups of the regex. Empty for JSON.
    pub header: Vec<String>,
    /// For each column of the file the index of the schema field it feeds.
    pub mapping: Vec<Option<u32>>,
    /// Columns that no field takes.
    pub extra: Vec<String>,
    /// Where the stream of a damaged file is cut; none where all of it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<StreamCut>,
}

/// What is left of a compressed file under `keepIntactPrefix`. Offsets of the stream but where another is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamCut {
    /// The stream ends here, behind its last whole line.
    pub end: u64,
    /// What could be decoded behind that ends here.
    pub decoded_end: u64,
    /// Offset in the file up to which data could be used.
    pub compressed_start: u64,
    /// `INPUT_TRUNCATED` or `INPUT_CORRUPT`.
    pub code: String,
    pub message: String,
}
