//! What a reader hands on: typed rows with the place of each, the bytes they came from, and the rejects found on the way.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::columnar::FileRecords;
use crate::error::Error;
use crate::position::Place;
use crate::reject::Reject;

/// At most this many records stand in one batch.
pub const MAX_BATCH_RECORDS: usize = 8_192;
/// A batch is closed when its records span this many bytes of the input.
pub const MAX_BATCH_BYTES: u64 = 4 << 20;

/// Typed rows: one column for each field of the schema, in the schema's order; row `i` stood at `places[i]`.
#[derive(Clone, Debug)]
pub struct Batch {
    pub rows: RecordBatch,
    pub places: Vec<Place>,
    /// The input's bytes from `source_start` on; they cover every record of the batch.
    pub source: Arc<Vec<u8>>,
    pub source_start: u64,
    /// The rows as the file has them, for formats whose records are no run of bytes (Parquet, Arrow); `source` is empty then.
    pub file_rows: Option<FileRecords>,
}

impl Batch {
    /// The bytes of the record that row `row` came from, terminator included; of a row of a Parquet or Arrow file its JSON.
    ///
    /// Errors: those of reading columns that nobody had asked for so far.
    pub fn raw(&self, row: usize) -> Result<Cow<'_, [u8]>, Error> {
        let place = &self.places[row];
        if let Some(rows) = &self.file_rows {
            return rows.json(place.byte).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(&self.source[(place.byte - self.source_start) as usize..(place.byte_end - self.source_start) as usize]))
    }
}

/// What reading counted besides records. Sums over any batches of a range equal those of the whole range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Records met: rows handed on plus rejects.
    pub records: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    pub damages: u64,
    pub damaged_bytes: u64,
    pub damaged_lines: u64,
    pub suspect_records: u64,
    /// Physical lines passed.
    pub lines: u64,
    /// Records that a lenient option changed, by code.
    pub repairs: BTreeMap<&'static str, u64>,
}

impl ReadCounts {
    /// Counts a damage, which is a record too. Its lines are counted by whoever passes it.
    pub(crate) fn damage(&mut self, bytes: u64, lines: u64) {
        self.records += 1;
        self.damages += 1;
        self.damaged_bytes += bytes;
        self.damaged_lines += lines;
    }
}

/// One turn of a reader.
#[derive(Debug)]
pub struct Read {
    pub batch: Batch,
    pub rejects: Vec<Reject>,
}

/// Reads the records of one range of one file, in order.
pub trait RecordReader {
    /// The next records, or `None` at the end of the range. A turn may hold no row but rejects, or neither.
    fn next(&mut self) -> Result<Option<Read>, Error>;
    /// Counts of everything handed out so far.
    fn counts(&self) -> &ReadCounts;
}
