//! Cuts any sequence of batches into batches whose boundaries depend on the rows alone: 8,192 rows each, fewer where rows are large.

use std::collections::VecDeque;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::coalesce::BatchCoalescer;

use super::BATCH_ROWS;
use crate::error::Error;

/// A batch is also closed behind the row with which its values reach this many bytes, so that few large rows cannot fill the memory.
pub const BATCH_BYTES: usize = 8 << 20;

/// Says where batches are cut, without touching a row: behind every 8,192nd, and behind the one with which the values since the last cut
/// reach `BATCH_BYTES`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuts {
    rows: usize,
    bytes: usize,
}

impl Cuts {
    /// How many rows of `batch`, at least one of which it must have, stand before the next cut, and whether the cut is reached with them.
    pub fn next(&mut self, batch: &RecordBatch) -> (usize, bool) {
        let (rows, bytes) = self.room(batch);
        self.rows += rows;
        self.bytes += bytes;
        let is_cut = self.rows == BATCH_ROWS || self.bytes >= BATCH_BYTES;
        if is_cut {
            *self = Cuts::default();
        }
        (rows, is_cut)
    }

    fn room(&self, batch: &RecordBatch) -> (usize, usize) {
        let rows = batch.num_rows().min(BATCH_ROWS - self.rows);
        let bytes = batch_bytes(&batch.slice(0, rows));
        if self.bytes + bytes < BATCH_BYTES {
            return (rows, bytes);
        }
        let mut sum = 0;
        for row in 0..rows {
            sum += batch.columns().iter().map(|column| value_bytes(column, row)).sum::<usize>();
            if self.bytes + sum >= BATCH_BYTES {
                return (row + 1, sum);
            }
        }
        (rows, sum)
    }
}

/// Takes rows in any batches and yields them in batches of exactly `BATCH_ROWS` rows, or of fewer that hold `BATCH_BYTES`; the last excepted.
pub struct Recut {
    coalescer: BatchCoalescer,
    ready: VecDeque<RecordBatch>,
    cuts: Cuts,
}

impl Recut {
    pub fn new(schema: SchemaRef) -> Recut {
        Recut { coalescer: BatchCoalescer::new(schema, BATCH_ROWS), ready: VecDeque::new(), cuts: Cuts::default() }
    }

    /// Takes rows; `next` yields what has become full.
    pub fn push(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let mut batch = batch;
        while batch.num_rows() > 0 {
            let (rows, is_cut) = self.cuts.next(&batch);
            self.coalescer.push_batch(batch.slice(0, rows)).map_err(gather_error)?;
            batch = batch.slice(rows, batch.num_rows() - rows);
            if is_cut {
                self.close()?;
            }
        }
        Ok(())
    }

    /// The next full batch.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<RecordBatch> {
        self.ready.pop_front()
    }

    /// The rows left over. Call when `next` has nothing more.
    pub fn rest(&mut self) -> Result<Option<RecordBatch>, Error> {
        self.close()?;
        self.cuts = Cuts::default();
        Ok(self.next())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.coalescer.finish_buffered_batch().map_err(gather_error)?;
        while let Some(batch) = self.coalescer.next_completed_batch() {
            self.ready.push_back(batch);
        }
        Ok(())
    }
}

/// Bytes that the values take in memory when they hold their text alone: texts their length, in views besides the view, others their width,
/// whatever buffers they lie in. The sum of `value_bytes`.
pub fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| array_bytes(column)).sum()
}

fn array_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().views().iter().map(|view| view_bytes(*view)).sum(),
        data_type => match data_type.primitive_width() {
            Some(width) => width * array.len(),
            None => (0..array.len()).map(|row| value_bytes(array, row)).sum(),
        },
    }
}

fn value_bytes(array: &dyn Array, row: usize) -> usize {
    match array.data_type() {
        DataType::Utf8View => view_bytes(array.as_string_view().views()[row]),
        DataType::BinaryView => view_bytes(array.as_binary_view().views()[row]),
        DataType::Utf8 => array.as_string::<i32>().value_length(row) as usize,
        DataType::LargeUtf8 => array.as_string::<i64>().value_length(row) as usize,
        DataType::Binary => array.as_binary::<i32>().value_length(row) as usize,
        DataType::LargeBinary => array.as_binary::<i64>().value_length(row) as usize,
        DataType::List(_) => array_bytes(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => array_bytes(&array.as_list::<i64>().value(row)),
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| value_bytes(column, row)).sum(),
        DataType::FixedSizeBinary(width) => *width as usize,
        other => other.primitive_width().unwrap_or(1),
    }
}

/// A view's first four bytes are the length of its text.
fn view_bytes(view: u128) -> usize {
    size_of::<u128>() + view as u32 as usize
}

fn gather_error(error: ArrowError) -> Error {
    Error::new("CORE_PANIC", format!("cannot gather rows: {error}"))
}
