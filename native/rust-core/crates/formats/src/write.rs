//! Record batches to the bytes of one part. The caller owns the sink, the digest and the decision when a part is full.
//!
//! Bytes are a function of the options and the rows alone: batches are re-cut to 8,192 rows first, and no time, host or attempt enters a part.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use column::text_rows;
pub use recut::{BATCH_BYTES, Cuts, Recut, batch_bytes};

mod arrow;
mod choose;
pub(crate) mod column;
mod compress;
mod csv;
pub mod folders;
mod intervals;
mod ndjson;
mod parquet;
mod recut;
pub mod rejects;
mod text;

/// Every batch inside a writer has exactly this many rows, or holds `BATCH_BYTES`; the last of a part may be smaller.
pub const BATCH_ROWS: usize = 8_192;

/// Where the bytes of a part go.
pub type Sink = Box<dyn Write + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    Parquet,
    Csv,
    Ndjson,
    /// IPC file.
    Arrow,
}

impl OutputFormat {
    /// The name of the format, and how names of its files end.
    pub fn extension(self) -> &'static str {
        match self {
            OutputFormat::Parquet => "parquet",
            OutputFormat::Csv => "csv",
            OutputFormat::Ndjson => "ndjson",
            OutputFormat::Arrow => "arrow",
        }
    }
}

/// `output` of the resolved job spec, as far as writing needs it; other keys are ignored. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputOptions {
    #[serde(default = "default_format")]
    pub format: OutputFormat,
    /// `none`, `snappy`, `zstd` …; None: `zstd` for Parquet and Arrow, else `none`.
    #[serde(default)]
    pub compression: Option<String>,
    #[serde(default)]
    pub csv: CsvOptions,
    #[serde(default)]
    pub parquet: ParquetOptions,
    /// A part is closed when `PartWriter::written_bytes` reaches this.
    #[serde(default = "default_part_size")]
    pub part_size: u64,
    #[serde(default)]
    pub layout: Layout,
    /// Columns whose values name the folders of parts.
    #[serde(default)]
    pub partition_by: Vec<String>,
    /// Folders that a job may make.
    #[serde(default = "default_max_partitions")]
    pub max_partitions: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layout {
    #[default]
    Merged,
    /// Every part holds rows of one input file and is named after it.
    PerInput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuoteStyle {
    /// Only where the value could not be read back otherwise.
    Minimal,
    /// Every field that is not null.
    Always,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsvOptions {
    pub delimiter: String,
    pub quote: QuoteStyle,
    pub header: bool,
    pub null_value: String,
    /// The characters themselves.
    pub line_terminator: String,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            delimiter: ",".into(),
            quote: QuoteStyle::Minimal,
            header: true,
            null_value: String::new(),
            line_terminator: "\n".into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParquetOptions {
    /// A row group is closed when its encoded bytes reach this.
    pub row_group_size: u64,
    /// Minimum, maximum and null count of each column chunk.
    pub statistics: bool,
}

impl Default for ParquetOptions {
    fn default() -> ParquetOptions {
        ParquetOptions { row_group_size: 32 << 20, statistics: true }
    }
}

impl OutputOptions {
    /// How the names of parts end, without the dot: format, and compression where readers tell it by the name.
    pub fn extension(&self) -> &'static str {
        match (self.format, self.compression.as_deref()) {
            (OutputFormat::Csv, Some("gzip")) => "csv.gz",
            (OutputFormat::Csv, Some("zstd")) => "csv.zst",
            (OutputFormat::Ndjson, Some("gzip")) => "ndjson.gz",
            (OutputFormat::Ndjson, Some("zstd")) => "ndjson.zst",
            (format, _) => format.extension(),
        }
    }
}

impl Default for OutputOptions {
    fn default() -> OutputOptions {
        OutputOptions {
            format: default_format(),
            compression: None,
            csv: CsvOptions::default(),
            parquet: ParquetOptions::default(),
            part_size: default_part_size(),
            layout: Layout::Merged,
            partition_by: Vec::new(),
            max_partitions: default_max_partitions(),
        }
    }
}

fn default_format() -> OutputFormat {
    OutputFormat::Parquet
}

fn default_part_size() -> u64 {
    256 << 20
}

fn default_max_partitions() -> u32 {
    10_000
}

/// Writes the rows of one part.
///
/// For parts whose *boundaries* do not depend on how batches came either, cut the rows with `Cuts` first and look at `written_bytes` after
/// each batch it yields.
pub trait PartWriter: Send {
    /// Takes rows of the part's schema. They may stay in memory until 8,192 have gathered, or a row group is full.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error>;
    /// Encoded bytes so far, those still in memory included. Rows that wait for a full batch do not count yet.
    fn written_bytes(&self) -> u64;
    /// Rows taken so far.
    fn rows(&self) -> u64;
    /// Bytes in memory that `flush` would hand on.
    fn held_bytes(&self) -> u64;
    /// Ends the open row group or record batch early, where memory is shared with other parts.
    fn flush(&mut self) -> Result<(), Error>;
    /// Writes what is left and flushes the sink.
    fn finish(self: Box<Self>) -> Result<(), Error>;
}

/// Opens a part. A compression that the format does not have is `SPEC_CONFLICT`; a column type that it cannot hold is `SPEC_SQL_TYPE`.
pub fn open_part(options: &OutputOptions, schema: SchemaRef, sink: Sink) -> Result<Box<dyn PartWriter>, Error> {
    match options.format {
        OutputFormat::Parquet => Ok(Box::new(parquet::ParquetPart::open(options, schema, sink)?)),
        OutputFormat::Csv => Ok(Box::new(text::TextPart::open(options, schema, sink, csv::CsvRows::new)?)),
        OutputFormat::Ndjson => Ok(Box::new(text::TextPart::open(options, schema, sink, ndjson::NdjsonRows::new)?)),
        OutputFormat::Arrow => Ok(Box::new(arrow::ArrowPart::open(options, schema, sink)?)),
    }
}

/// Failure of a sink as an error of the list. A sink that knows better gives an `Error` as the payload of its `io::Error`.
pub(crate) fn sink_error(error: std::io::Error) -> Error {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return inner.clone();
    }
    let code = if error.kind() == std::io::ErrorKind::StorageFull { "STORAGE_FULL" } else { "STORAGE_UNAVAILABLE" };
    Error::new(code, format!("cannot write a part: {error}"))
}

#[cfg(test)]
mod tests;
