//! The rows of one table of a partition: slices of exchange objects, each verified before a byte of it is decoded, merged by their places.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::SchemaRef;
use twox_hash::XxHash3_64;

use crate::cancel::CancelFlag;
use crate::error::Error;
use crate::exchange_form::Restoring;
use crate::io::SourceOpener;
use crate::order::Places;
use crate::program::{Order, ProgramError, RowStream};
use crate::records::Slice;

/// A list of slices as it is stored: one line each.
pub fn parse_list(key: &str, bytes: &[u8]) -> Result<Vec<Slice>, Error> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed: Result<Vec<Slice>, _> = lines.map(serde_json::from_slice).collect();
    parsed.map_err(|error| Error::new("PLAN_CONFLICT", format!("{key}: expected a list of slices: {error}")))
}

/// The stored bytes of a list.
pub fn list_bytes(slices: &[Slice]) -> Vec<u8> {
    slices.iter().flat_map(crate::records::to_bytes).collect()
}

/// Rows in their order over any slices. At most one slice is open at a time, unless their places overlap.
pub struct MergedSlices {
    schema: SchemaRef,
    opener: Arc<dyn SourceOpener>,
    cancel: CancelFlag,
    /// By the place of their first row.
    waiting: VecDeque<Slice>,
    open: Vec<OpenSlice>,
    counters: Arc<Counters>,
}

/// What was read, for those who gave the stream away.
#[derive(Debug, Default)]
pub struct Counters {
    pub rows: AtomicU64,
    pub bytes: AtomicU64,
}

impl MergedSlices {
    pub fn new(schema: SchemaRef, mut slices: Vec<Slice>, opener: Arc<dyn SourceOpener>, cancel: CancelFlag) -> MergedSlices {
        slices.sort_by_key(|slice| slice.run.first);
        MergedSlices { schema, opener, cancel, waiting: slices.into(), open: Vec::new(), counters: Arc::default() }
    }

    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The next rows, without the detour over a program's error.
    pub fn next_rows(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.cancel.is_set() {
            return Err(Error::cancelled());
        }
        self.open_due()?;
        let Some(earliest) = self.earliest()? else { return Ok(None) };
        let bound = self.bound(earliest)?;
        let slice = &mut self.open[earliest];
        let rows = slice.take(bound)?;
        if slice.advance()? {
            self.open.swap_remove(earliest);
        }
        self.counters.rows.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        Ok(Some(rows))
    }

    /// Opens every slice whose first row may come next.
    fn open_due(&mut self) -> Result<(), Error> {
        while let Some(next) = self.waiting.front() {
            let due = match self.earliest()? {
                None => true,
                Some(earliest) => next.run.first <= self.open[earliest].head()?,
            };
            if !due {
                return Ok(());
            }
            let slice = self.waiting.pop_front().expect("it was looked at");
            self.counters.bytes.fetch_add(slice.run.length, Ordering::Relaxed);
            if let Some(open) = OpenSlice::open(&slice, &self.schema, self.opener.as_ref())? {
                self.open.push(open);
            }
        }
        Ok(())
    }

    fn earliest(&self) -> Result<Option<usize>, Error> {
        let mut found: Option<(usize, Order)> = None;
        for (index, slice) in self.open.iter().enumerate() {
            let head = slice.head()?;
            if found.is_none_or(|(_, best)| head < best) {
                found = Some((index, head));
            }
        }
        Ok(found.map(|(index, _)| index))
    }

    /// The place up to which rows of one slice come before all others.
    fn bound(&self, earliest: usize) -> Result<Option<Order>, Error> {
        let mut bound = self.waiting.front().map(|slice| slice.run.first);
        for (index, slice) in self.open.iter().enumerate() {
            if index != earliest {
                let head = slice.head()?;
                bound = Some(bound.map_or(head, |known| known.min(head)));
            }
        }
        Ok(bound)
    }
}

impl RowStream for MergedSlices {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ProgramError> {
        self.next_rows().map_err(|error| ProgramError { code: error.code, message: error.message, at: None })
    }
}

struct OpenSlice {
    name: String,
    reader: StreamReader<Cursor<Vec<u8>>>,
    restoring: Restoring,
    batch: RecordBatch,
    row: usize,
    left: u64,
}

impl OpenSlice {
    /// Reads and verifies the whole run, whose rows were gathered in at most 48 MiB. None without rows.
    fn open(slice: &Slice, schema: &SchemaRef, opener: &dyn SourceOpener) -> Result<Option<OpenSlice>, Error> {
        let run = &slice.run;
        let name = format!("bytes {}–{} of {}", run.offset, run.offset + run.length, slice.object);
        let bytes = read_run(slice, &name, opener)?;
        let found = format!("{:016x}", XxHash3_64::oneshot(&bytes));
        if found != run.xxh3 {
            let message = format!("{name}: expected the checksum {}, found {found}; the chunk that wrote it must run again", run.xxh3);
            return Err(Error::new("STORAGE_CHECKSUM", message));
        }
        let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(|error| broken(&name, error))?;
        let batch = RecordBatch::new_empty(Arc::clone(schema));
        let mut open = OpenSlice { name, reader, restoring: Restoring::new(Arc::clone(schema)), batch, row: 0, left: run.rows };
        Ok((!open.advance()?).then_some(open))
    }

    fn head(&self) -> Result<Order, Error> {
        Ok(Places::of(&self.batch)?.at(self.row))
    }

    /// Rows from here on whose place is not behind `bound`; at least one.
    fn take(&mut self, bound: Option<Order>) -> Result<RecordBatch, Error> {
        let left = self.batch.num_rows() - self.row;
        let count = match bound {
            None => left,
            Some(bound) => Places::of(&self.batch)?.up_to(self.row, bound).clamp(1, left),
        };
        let rows = self.batch.slice(self.row, count);
        self.row += count;
        Ok(rows)
    }

    /// Stands on a row, or says that there is none left.
    fn advance(&mut self) -> Result<bool, Error> {
        while self.row == self.batch.num_rows() {
            let Some(next) = self.reader.next() else {
                let ended = |left| Error::new("STORAGE_CHECKSUM", format!("{}: {left} rows fewer than its receipt says", self.name));
                return if self.left == 0 { Ok(true) } else { Err(ended(self.left)) };
            };
            let next = next.map_err(|error| broken(&self.name, error))?;
            let more = || Error::new("STORAGE_CHECKSUM", format!("{}: more rows than its receipt says", self.name));
            self.left = self.left.checked_sub(next.num_rows() as u64).ok_or_else(more)?;
            let other = |error| Error::new("PLAN_CONFLICT", format!("{}: its columns are not those of its stage: {error}", self.name));
            self.batch = self.restoring.restore(&next).map_err(other)?;
            self.row = 0;
        }
        Ok(false)
    }
}

fn read_run(slice: &Slice, name: &str, opener: &dyn SourceOpener) -> Result<Vec<u8>, Error> {
    let run = &slice.run;
    let mut source = opener.open_work(&slice.object)?;
    if source.size() != slice.object_bytes {
        let message = format!("{}: expected {} bytes, found {}", slice.object, slice.object_bytes, source.size());
        return Err(Error::new("STORAGE_CHECKSUM", message));
    }
    if run.offset.checked_add(run.length).is_none_or(|end| end > slice.object_bytes) {
        return Err(Error::new("PLAN_CONFLICT", format!("{name} lie outside of the object")));
    }
    let mut bytes = vec![0; run.length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read_at(run.offset + filled as u64, &mut bytes[filled..])? {
            0 => return Err(Error::new("STORAGE_CHECKSUM", format!("{name}: the object ends before them"))),
            count => filled += count,
        }
    }
    source.check_unchanged()?;
    Ok(bytes)
}

fn broken(name: &str, error: arrow_schema::ArrowError) -> Error {
    Error::new("STORAGE_CHECKSUM", format!("{name}: no stream of rows: {error}"))
}
