//! The reader of rows: batches of the file's own columns become typed, judged rows of the schema.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;

use super::feed::Feeds;
use super::json_of_row;
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
    /// Decoded rows that come after an excluded one.
    waiting: Option<RecordBatch>,
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
            counts: ReadCounts::default(),
            is_done: false,
        })
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
    fn next_rows(&mut self) -> Result<Option<RecordBatch>, Error> {
        let rows = match self.waiting.take() {
            Some(rows) => rows,
            None => match self.rows.next()? {
                Some(rows) => rows,
                None => return Ok(None),
            },
        };
        let stop = self.excluded.last().map_or(self.end, |one| one.start);
        let room = (stop - self.at) as usize;
        if rows.num_rows() > room {
            self.waiting = Some(rows.slice(room, rows.num_rows() - room));
            return Ok(Some(rows.slice(0, room)));
        }
        Ok(Some(rows))
    }

    fn judge(&mut self, file_rows: RecordBatch) -> Result<Read, Error> {
        let first = self.at;
        let count = file_rows.num_rows();
        let fed = self.feeds.feed(&file_rows)?;
        let mut rejects = Vec::with_capacity(fed.errors.len());
        for (row, errors) in fed.errors {
            rejects.push(reject(self.place(first + row as u64), errors, json_of_row(&file_rows, row), self.max_record_bytes));
        }
        for code in fed.repairs {
            *self.counts.repairs.entry(code).or_default() += 1;
        }
        let (rows, kept) = match &fed.good {
            None => (file_rows, None),
            Some(good) => (filter(&file_rows, good)?, Some(good)),
        };
        let places = (0..count).filter(|&row| kept.is_none_or(|good| good.value(row))).map(|row| self.place(first + row as u64)).collect();
        self.at += count as u64;
        self.counts.records += count as u64;
        Ok(Read { batch: Batch { rows: fed.rows, places, source: Arc::default(), source_start: 0, file_rows: Some(rows) }, rejects })
    }
}

fn filter(rows: &RecordBatch, good: &arrow_array::BooleanArray) -> Result<RecordBatch, Error> {
    arrow_select::filter::filter_record_batch(rows, good)
        .map_err(|error| Error::new("CORE_PANIC", format!("cannot filter a batch: {error}")))
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
