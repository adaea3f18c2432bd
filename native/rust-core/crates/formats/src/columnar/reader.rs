//! The reader of rows: batches of the file's own columns become typed, judged rows of the schema.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::feed::Feeds;
use super::json_of_columns;
use crate::batch::{Batch, Read, ReadCounts, RecordReader};
use crate::error::Error;
use crate::position::Place;
use crate::range::{check_range, excluded_reject};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::reject::{DAMAGE_KEPT_BYTES, Reject};

/// Some rows of a file, in order: those that its maker was asked for.
pub(crate) trait FileRows {
    /// The next rows, never none and never more than the batch size that was asked for; `None` at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>, Error>;
}

/// Columns that no field needs until somebody asks for the whole of a row, and the way to decode them. They come in the same batches as the others.
pub(crate) struct LateColumns {
    /// Where each of them stands among all mapped columns, ascending.
    pub places: Vec<usize>,
    pub open: Box<dyn Fn() -> Result<Box<dyn FileRows>, Error>>,
    pub rows: Option<Box<dyn FileRows>>,
    /// The last batch, and how many were read with it.
    pub held: Option<RecordBatch>,
    pub read: usize,
}

impl LateColumns {
    pub(crate) fn new(places: Vec<usize>, open: impl Fn() -> Result<Box<dyn FileRows>, Error> + 'static) -> LateColumns {
        LateColumns { places, open: Box::new(open), rows: None, held: None, read: 0 }
    }

    /// Batch `number`, counted from 0.
    fn batch(&mut self, number: usize) -> Result<RecordBatch, Error> {
        if self.rows.is_none() || self.read > number + 1 {
            (self.rows, self.held, self.read) = (Some((self.open)()?), None, 0);
        }
        let rows = self.rows.as_mut().expect("it was opened above");
        while self.read <= number {
            self.held = rows.next()?;
            self.read += 1;
        }
        self.held.clone().ok_or_else(|| Error::new("CORE_PANIC", "columns that are read late have fewer batches than the others"))
    }
}

/// Rows as the file has them, for whoever wants the whole of one.
#[derive(Clone)]
pub struct FileRecords {
    rows: RecordBatch,
    late: Option<Rc<RefCell<LateColumns>>>,
    /// Which decoded batch they are of, and where in it they begin.
    batch: usize,
    start: usize,
    /// The file's number, from 0, of the first of them.
    first: u64,
}

impl fmt::Debug for FileRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRecords").field("rows", &self.rows).field("first", &self.first).finish_non_exhaustive()
    }
}

impl FileRecords {
    /// The JSON of the row with a number of the file, from 0, which must be one of these.
    pub(crate) fn json(&self, number: u64) -> Result<Vec<u8>, Error> {
        let row = (number - self.first) as usize;
        let own = self.rows.slice(row, 1);
        let Some(late) = &self.late else { return Ok(json_of_columns(own.schema_ref().fields().iter().zip(own.columns()))) };
        let mut late = late.borrow_mut();
        let rest = late.batch(self.batch)?.slice(self.start + row, 1);
        let mut columns: Vec<_> = own.schema_ref().fields().iter().zip(own.columns()).collect();
        for (place, column) in late.places.iter().zip(rest.schema_ref().fields().iter().zip(rest.columns())) {
            columns.insert(*place, column);
        }
        Ok(json_of_columns(columns.into_iter()))
    }
}

/// The rows of a range that may be decoded: all but the excluded ones.
pub(crate) fn selected_rows(range: &ReadRange, excluded: &[ExcludedRange]) -> Vec<Range<u64>> {
    let mut sorted = excluded.to_vec();
    sorted.sort_by_key(|one| one.start);
    let mut selected = Vec::new();
    let mut at = range.start;
    for one in sorted {
        if one.start > at {
            selected.push(at..one.start);
        }
        at = one.end;
    }
    if at < range.end {
        selected.push(at..range.end);
    }
    selected
}

pub(crate) struct RowsReader {
    feeds: Feeds,
    rows: Box<dyn FileRows>,
    file: u32,
    max_record_bytes: u64,
    /// Number of the next row, from 0.
    at: u64,
    end: u64,
    /// Still ahead, the first one last.
    excluded: Vec<ExcludedRange>,
    /// Decoded rows that come after an excluded one, and where in their batch they begin.
    waiting: Option<(RecordBatch, usize)>,
    late: Option<Rc<RefCell<LateColumns>>>,
    /// Decoded batches so far.
    decoded: usize,
    counts: ReadCounts,
    is_done: bool,
}

impl RowsReader {
    /// `rows` hands out exactly `selected_rows` of the range and what is excluded from it. `total` is the number of rows of the file.
    pub(crate) fn open(
        feeds: Feeds,
        rows: Box<dyn FileRows>,
        file: u32,
        max_record_bytes: u64,
        total: u64,
        range: ReadRange,
        excluded: &[ExcludedRange],
    ) -> Result<RowsReader, Error> {
        check_range(&range, excluded, total)?;
        let mut ahead = excluded.to_vec();
        ahead.sort_by_key(|one| std::cmp::Reverse(one.start));
        Ok(RowsReader {
            feeds,
            rows,
            file,
            max_record_bytes,
            at: range.start,
            end: range.end,
            excluded: ahead,
            waiting: None,
            late: None,
            decoded: 0,
            counts: ReadCounts::default(),
            is_done: false,
        })
    }

    /// With columns that `feeds` takes as null, and that only the `raw` of a record shows.
    pub(crate) fn with_late(mut self, late: LateColumns) -> RowsReader {
        self.late = Some(Rc::new(RefCell::new(late)));
        self
    }

    fn place(&self, row: u64) -> Place {
        Place { file: self.file, record: row + 1, line: 0, byte: row, byte_end: row + 1 }
    }

    /// The reject of an excluded range that begins at the next row.
    fn pass_excluded(&mut self) -> Option<Reject> {
        let one = self.excluded.pop_if(|one| one.start <= self.at)?;
        let place = Place { byte_end: one.end, ..self.place(one.start) };
        self.counts.records += 1;
        self.at = one.end;
        Some(excluded_reject(place, one.code, b"", self.max_record_bytes))
    }

    /// Rows up to the next excluded one.
    fn next_rows(&mut self) -> Result<Option<FileRecords>, Error> {
        let (mut rows, start) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => match self.rows.next()? {
                Some(rows) => {
                    self.decoded += 1;
                    (rows, 0)
                }
                None => return Ok(None),
            },
        };
        let stop = self.excluded.last().map_or(self.end, |one| one.start);
        let room = (stop - self.at) as usize;
        if rows.num_rows() > room {
            self.waiting = Some((rows.slice(room, rows.num_rows() - room), start + room));
            rows = rows.slice(0, room);
        }
        Ok(Some(FileRecords { rows, late: self.late.clone(), batch: self.decoded - 1, start, first: self.at }))
    }

    fn judge(&mut self, records: FileRecords) -> Result<Read, Error> {
        let first = self.at;
        let count = records.rows.num_rows() as u64;
        let fed = self.feeds.feed(&records.rows)?;
        let mut rejects = Vec::with_capacity(fed.errors.len());
        for (row, errors) in fed.errors {
            let number = first + row as u64;
            rejects.push(reject(self.place(number), errors, records.json(number)?, self.max_record_bytes));
        }
        for code in fed.repairs {
            *self.counts.repairs.entry(code).or_default() += 1;
        }
        let places = match &fed.good {
            None => (first..first + count).map(|number| self.place(number)).collect(),
            Some(good) => {
                (first..first + count).zip(good.values()).filter(|(_, good)| *good).map(|(number, _)| self.place(number)).collect()
            }
        };
        self.at += count;
        self.counts.records += count;
        let batch = Batch { rows: fed.rows, places, source: Arc::default(), source_start: 0, file_rows: Some(records) };
        Ok(Read { batch, rejects })
    }
}

/// A row over the limit of a record keeps its beginning.
fn reject(place: Place, errors: Vec<crate::reject::RejectError>, mut raw: Vec<u8>, max_record_bytes: u64) -> Reject {
    let raw_truncated = raw.len() as u64 > max_record_bytes;
    if raw_truncated {
        raw.truncate(DAMAGE_KEPT_BYTES);
    }
    Reject { place, errors, raw, raw_truncated }
}

impl RecordReader for RowsReader {
    fn next(&mut self) -> Result<Option<Read>, Error> {
        if self.is_done {
            return Ok(None);
        }
        if let Some(reject) = self.pass_excluded() {
            let rows = RecordBatch::new_empty(self.feeds.schema());
            let batch = Batch { rows, places: Vec::new(), source: Arc::default(), source_start: 0, file_rows: None };
            return Ok(Some(Read { batch, rejects: vec![reject] }));
        }
        if self.at >= self.end {
            self.is_done = true;
            return Ok(None);
        }
        match self.next_rows()? {
            Some(rows) => self.judge(rows).map(Some),
            None => {
                let message = format!("the file promised rows up to {} and ended after {}", self.end, self.at);
                Err(Error::new(self.feeds.broken_code(), message))
            }
        }
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}

/// How many rows a batch may have so that it holds about `batch_bytes` of them.
pub(crate) fn batch_rows(options: ReadOptions, rows: u64, bytes: u64) -> usize {
    let options = options.bounded();
    let row_bytes = (bytes / rows.max(1)).max(1);
    ((options.batch_bytes / row_bytes) as usize).clamp(1, options.batch_records)
}
