//! Arrow IPC, file and stream: where the messages lie is found and checked first, then single record batches are decoded.

use crate::batch::RecordReader;
use crate::columnar::{Feeds, RowsReader, selected_rows};
use crate::error::Error;
use crate::parquet::{cut_rows, match_fields};
use crate::pins::{FilePlan, InputPins};
use crate::read::{ExcludedRange, FileTotals, PlannedRows, ReadOptions, ReadRange};
use crate::source::ByteSource;

mod layout;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use layout::{Layout, begins_stream};

/// A batch larger than this many chunks is split; each of these chunks decodes all of it.
const SPLIT_FACTOR: u64 = 4;

pub(crate) fn plan_file(pins: &InputPins, source: &mut dyn ByteSource, plan: &mut FilePlan) -> Result<(), Error> {
    let layout = Layout::read(source)?;
    match_fields(pins, &layout.schema, plan)
}

/// Neighbouring batches to chunks of about `chunk_size` stored bytes.
pub(crate) fn plan_rows(file: &FilePlan, source: &mut dyn ByteSource, chunk_size: u64) -> Result<(Vec<PlannedRows>, FileTotals), Error> {
    let layout = Layout::read(source)?;
    let batches = layout.batches.iter().map(|batch| (batch.rows, batch.block.length()));
    let chunks = cut_rows(batches, chunk_size, file.size, SPLIT_FACTOR);
    Ok((chunks, FileTotals { records: layout.rows, bytes: file.size, ..FileTotals::default() }))
}

pub(crate) fn open(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    mut source: Box<dyn ByteSource + Send>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    let layout = Layout::read(source.as_mut())?;
    let feeds = Feeds::compile(pins, file)?;
    crate::range::check_range(&range, excluded, layout.rows)?;
    let columns: Vec<usize> = file.mapping.iter().enumerate().filter(|(_, field)| field.is_some()).map(|(column, _)| column).collect();
    let total = layout.rows;
    let rows = rows::ArrowRows::new(layout, columns, selected_rows(&range, excluded), source, options);
    Ok(Box::new(RowsReader::open(feeds, Box::new(rows), file.file, pins.max_record_bytes, total, range, excluded)?))
}
