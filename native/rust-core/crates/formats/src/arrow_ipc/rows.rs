//! Rows of Arrow data, batch by batch. A batch is decoded as a whole; what is handed out is bounded.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{CompressionType, root_as_message};

use super::layout::{BatchBlock, Block, Layout, MAX_BODY_BYTES, broken};
use crate::columnar::{FileRows, batch_rows};
use crate::error::Error;
use crate::read::ReadOptions;
use crate::source::ByteSource;

pub(super) struct ArrowRows {
    layout: Layout,
    /// Top-level columns that are wanted, ascending.
    columns: Vec<usize>,
    /// Rows that are wanted, the last range first.
    selected: Vec<Range<u64>>,
    source: Box<dyn ByteSource + Send>,
    options: ReadOptions,
    /// The batch to look at next, and the number of its first row.
    next: usize,
    first: u64,
    open: Option<Open>,
    dictionaries: HashMap<i64, ArrayRef>,
    dictionaries_read: usize,
}

/// A decoded batch, and how many of its rows go out at once.
struct Open {
    rows: RecordBatch,
    first: u64,
    most: usize,
}

/// Bytes `[start, start + length)`, which the source must have.
pub(super) fn read_exactly(source: &mut dyn ByteSource, start: u64, length: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        let count = source.read_at(start + filled as u64, &mut bytes[filled..])?;
        if count == 0 {
            return Err(Error::new(
                "INPUT_CHANGED",
                format!("cannot read byte {}: the input is shorter than it was", start + filled as u64),
            ));
        }
        filled += count;
    }
    Ok(bytes)
}

impl ArrowRows {
    pub(super) fn new(
        layout: Layout,
        columns: Vec<usize>,
        mut selected: Vec<Range<u64>>,
        source: Box<dyn ByteSource + Send>,
        options: ReadOptions,
    ) -> ArrowRows {
        selected.reverse();
        ArrowRows {
            layout,
            columns,
            selected,
            source,
            options,
            next: 0,
            first: 0,
            open: None,
            dictionaries: HashMap::new(),
            dictionaries_read: 0,
        }
    }

    /// The decoded batch that holds row `row`.
    fn batch_at(&mut self, row: u64) -> Result<&Open, Error> {
        if self.open.as_ref().is_none_or(|open| row >= open.first + open.rows.num_rows() as u64) {
            self.open = None;
            let batch = loop {
                let batch = *self.layout.batches.get(self.next).ok_or_else(|| broken("rows are asked for that it does not have"))?;
                self.next += 1;
                self.first += batch.rows;
                if row < self.first {
                    break batch;
                }
            };
            self.read_dictionaries(batch.dictionaries)?;
            let rows = self.decode(&batch)?;
            let most = batch_rows(self.options, batch.rows, rows.get_array_memory_size() as u64);
            self.open = Some(Open { rows, first: self.first - batch.rows, most });
        }
        self.open.as_ref().ok_or_else(|| broken("rows are asked for that it does not have"))
    }

    fn read_dictionaries(&mut self, wanted: usize) -> Result<(), Error> {
        while self.dictionaries_read < wanted {
            let block = self.layout.dictionaries[self.dictionaries_read];
            let (header, body) = self.read_block(&block)?;
            let message = root_as_message(&header).map_err(broken)?;
            let dictionary = message.header_as_dictionary_batch().ok_or_else(|| broken("a dictionary message holds none"))?;
            check_buffers(dictionary.data().ok_or_else(|| broken("a dictionary message holds none"))?, &body)?;
            let (schema, version) = (Arc::clone(&self.layout.schema), message.version());
            guarded(|| read_dictionary(&body, dictionary, &schema, &mut self.dictionaries, &version))?;
            self.dictionaries_read += 1;
            let held: usize = self.dictionaries.values().map(|values| values.get_array_memory_size()).sum();
            if held as u64 > MAX_BODY_BYTES {
                return Err(Error::new(
                    "OVER_LIMIT",
                    format!("cannot read the Arrow data: its dictionaries hold {held} bytes, the limit is {MAX_BODY_BYTES}"),
                ));
            }
        }
        Ok(())
    }

    fn decode(&mut self, batch: &BatchBlock) -> Result<RecordBatch, Error> {
        let (header, body) = self.read_block(&batch.block)?;
        let message = root_as_message(&header).map_err(broken)?;
        let found = message.header_as_record_batch().ok_or_else(|| broken("a batch message holds none"))?;
        check_buffers(found, &body)?;
        let rows = guarded(|| {
            read_record_batch(&body, found, Arc::clone(&self.layout.schema), &self.dictionaries, Some(&self.columns), &self.layout.version)
        })?;
        if rows.num_rows() as u64 == batch.rows { Ok(rows) } else { Err(broken("a batch has another number of rows than it says")) }
    }

    /// Header (without its prefix) and body.
    fn read_block(&mut self, block: &Block) -> Result<(Vec<u8>, Buffer), Error> {
        let header = read_exactly(self.source.as_mut(), block.offset + 8, block.header - 8)?;
        let body = read_exactly(self.source.as_mut(), block.offset + block.header, block.body)?;
        Ok((header, Buffer::from_vec(body)))
    }
}

impl FileRows for ArrowRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let Some(wanted) = self.selected.last().cloned() else { return Ok(None) };
        let open = self.batch_at(wanted.start)?;
        let at = (wanted.start - open.first) as usize;
        let count = (open.rows.num_rows() - at).min(open.most).min((wanted.end - wanted.start) as usize);
        let rows = open.rows.slice(at, count);
        self.selected.pop();
        if wanted.start + (count as u64) < wanted.end {
            self.selected.push(wanted.start + count as u64..wanted.end);
        }
        Ok(Some(rows))
    }
}

/// Every buffer lies inside the body and unfolds to a size within the limit.
fn check_buffers(batch: arrow_ipc::RecordBatch<'_>, body: &Buffer) -> Result<(), Error> {
    let codec = batch.compression().map(|compression| compression.codec());
    if codec.is_some_and(|codec| codec != CompressionType::LZ4_FRAME && codec != CompressionType::ZSTD) {
        return Err(Error::new(
            "ARROW_UNSUPPORTED",
            "cannot read the Arrow data: its buffers are compressed with a codec that is not known",
        ));
    }
    let mut unfolded = 0u64;
    for buffer in batch.buffers().iter().flatten() {
        let start = usize::try_from(buffer.offset()).map_err(broken)?;
        let length = usize::try_from(buffer.length()).map_err(broken)?;
        let bytes =
            start.checked_add(length).and_then(|end| body.get(start..end)).ok_or_else(|| broken("a buffer lies outside its batch"))?;
        // A compressed buffer begins with its length before; -1 means that it is not compressed after all.
        if codec.is_some() && length > 0 {
            let prefix = bytes.first_chunk::<8>().ok_or_else(|| broken("a compressed buffer is cut off"))?;
            unfolded = unfolded.saturating_add(u64::try_from(i64::from_le_bytes(*prefix)).unwrap_or(length as u64));
        }
    }
    if unfolded > MAX_BODY_BYTES {
        return Err(Error::new(
            "OVER_LIMIT",
            format!("cannot read the Arrow data: a batch unfolds to {unfolded} bytes, the limit is {MAX_BODY_BYTES}"),
        ));
    }
    Ok(())
}

/// Runs the decoder; its panics and errors become errors of the file.
fn guarded<T>(decode: impl FnOnce() -> Result<T, arrow_schema::ArrowError>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(done) => done.map_err(broken),
        Err(_) => Err(broken("the decoder gave up on a batch")),
    }
}
