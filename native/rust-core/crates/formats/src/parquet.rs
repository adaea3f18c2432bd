//! Parquet: the footer is read and checked before anything it says is used, chunks are ranges of rows, pages are decoded one after the other.

use std::sync::Arc;

use crate::batch::RecordReader;
use crate::columnar::{Feeds, FileRows, LateColumns, RowsReader, late_columns, selected_rows, takes};
use crate::error::Error;
use crate::field::compile_fields;
use crate::header::match_columns;
use crate::pins::{FilePlan, InputPins};
use crate::read::{ExcludedRange, FileTotals, PlannedRows, ReadOptions, ReadRange};
use crate::source::ByteSource;

mod footer;
mod pages;
mod rows;
#[cfg(test)]
mod tests;
mod thrift;

pub(crate) use footer::Footer;
use pages::Pages;

/// A group of rows larger than this many chunks is split.
const SPLIT_FACTOR: u64 = 4;

/// Matches the file's columns with the schema. `plan` comes with name, size and etag filled in.
pub(crate) fn plan_file(pins: &InputPins, source: &mut dyn ByteSource, plan: &mut FilePlan) -> Result<(), Error> {
    let footer = Footer::read(source)?;
    match_fields(pins, &footer.schema, plan)
}

/// Matches columns by name (or position) and refuses types that no field can take.
pub(crate) fn match_fields(pins: &InputPins, columns: &arrow_schema::Schema, plan: &mut FilePlan) -> Result<(), Error> {
    plan.header = columns.fields().iter().map(|field| field.name().clone()).collect();
    let mapping = match_columns(&pins.schema, &plan.header, false)?;
    let rules = compile_fields(&pins.schema)?;
    for (column, field) in columns.fields().iter().zip(&mapping.fields) {
        if let Some(field) = field.map(|field| field as usize) {
            takes(&pins.schema.fields[field], &rules[field], column.name(), column.data_type())?;
        }
    }
    plan.mapping = mapping.fields;
    plan.extra = mapping.extra;
    Ok(())
}

/// Neighbouring row groups to chunks of about `chunk_size` stored bytes; a group of more than four chunks is split by rows. The bytes of the
/// chunks sum up to those of the file.
pub(crate) fn plan_rows(file: &FilePlan, source: &mut dyn ByteSource, chunk_size: u64) -> Result<(Vec<PlannedRows>, FileTotals), Error> {
    let footer = Footer::read(source)?;
    let groups = footer.groups.iter().map(|group| (group.rows, group.bytes));
    let chunks = cut_rows(groups, chunk_size, file.size, SPLIT_FACTOR);
    Ok((chunks, FileTotals { records: footer.rows, bytes: file.size, ..FileTotals::default() }))
}

/// Chunks of runs of rows that are stored together: each `(rows, bytes)`. Bytes that belong to no run go to the last chunk.
pub(crate) fn cut_rows(runs: impl Iterator<Item = (u64, u64)>, chunk_size: u64, file_bytes: u64, split_factor: u64) -> Vec<PlannedRows> {
    let chunk_size = chunk_size.max(1);
    let mut chunks: Vec<PlannedRows> = Vec::new();
    let (mut at, mut open) = (0, PlannedRows::default());
    for (rows, bytes) in runs.filter(|(rows, _)| *rows > 0) {
        let pieces = if bytes > split_factor * chunk_size { bytes.div_ceil(chunk_size).min(rows) } else { 1 };
        for piece in 0..pieces {
            let share = |whole: u64| {
                (u128::from(whole) * u128::from(piece + 1) / u128::from(pieces)) as u64
                    - (u128::from(whole) * u128::from(piece) / u128::from(pieces)) as u64
            };
            let (rows, bytes) = (share(rows), share(bytes));
            at += rows;
            open.end = at;
            open.bytes += bytes;
            if open.bytes >= chunk_size || pieces > 1 {
                chunks.push(std::mem::replace(&mut open, PlannedRows { start: at, end: at, bytes: 0 }));
            }
        }
    }
    if open.end > open.start {
        chunks.push(open);
    }
    let counted: u64 = chunks.iter().map(|chunk| chunk.bytes).sum();
    if let Some(last) = chunks.last_mut() {
        last.bytes += file_bytes.saturating_sub(counted);
    }
    chunks
}

/// `wanted`: the fields that anybody looks at; none: all of them. Others are read where a rule may reject their values, or when a record is shown.
pub(crate) fn open(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    mut source: Box<dyn ByteSource + Send>,
    options: ReadOptions,
    wanted: Option<&[usize]>,
) -> Result<Box<dyn RecordReader>, Error> {
    let footer = Arc::new(Footer::read(source.as_mut())?);
    let late = wanted.map_or(Ok(Vec::new()), |wanted| late_columns(pins, file, &footer.schema, wanted))?;
    let feeds = Feeds::without(pins, file, &late)?;
    crate::range::check_range(&range, excluded, footer.rows)?;
    let columns: Vec<usize> = file.mapping.iter().enumerate().filter(|(_, field)| field.is_some()).map(|(column, _)| column).collect();
    let (mut places, mut now) = (Vec::new(), Vec::new());
    for (place, column) in columns.into_iter().enumerate() {
        if late.contains(&column) { places.push(place) } else { now.push(column) }
    }
    let (total, selected) = (footer.rows, selected_rows(&range, excluded));
    let pages = Pages::new(source, footer.leaves);
    // Columns that are read late come in the batches of the others.
    let mut both: Vec<usize> = now.iter().chain(&late).copied().collect();
    both.sort_unstable();
    let pieces = rows::pieces_of(&footer, &both, &selected, &pages);
    let rows = rows::open(&footer, &now, &pieces, pages, options);
    let pages = rows.pages();
    let reader = RowsReader::open(feeds, Box::new(rows), file.file, pins.max_record_bytes, total, range, excluded)?;
    if late.is_empty() {
        return Ok(Box::new(reader));
    }
    let open = move || Ok(Box::new(rows::open(&footer, &late, &pieces, pages.clone(), options)) as Box<dyn FileRows>);
    Ok(Box::new(reader.with_late(LateColumns::new(places, open))))
}
