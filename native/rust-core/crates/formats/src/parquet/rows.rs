//! Rows of a Parquet file, page by page.
//!
//! The library's decoder for pushed bytes wants all stored bytes of a row group at once, which is as much memory as the writer of the file chose.
//! Its reader that pulls pages holds one page a column, so it is the one used; decision 16.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection};

use super::footer::Footer;
use super::pages::Pages;
use crate::columnar::{FileRows, batch_rows};
use crate::error::Error;
use crate::read::ReadOptions;

pub(super) struct ParquetRows {
    pages: Pages,
    reader: Option<ParquetRecordBatchReader>,
}

/// `columns` are top-level columns of the file, ascending; `selected` ranges of its rows, ascending and apart.
pub(super) fn open(
    footer: &Footer,
    columns: &[usize],
    selected: &[Range<u64>],
    pages: Pages,
    options: ReadOptions,
) -> Result<ParquetRows, Error> {
    let chosen = Chosen::of(footer, selected);
    if chosen.ranges.is_empty() {
        return Ok(ParquetRows { pages, reader: None });
    }
    let rows = batch_rows(options, chosen.rows, chosen.decoded_bytes);
    let reader = caught(&pages, || {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(pages.clone(), footer.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        let selection = RowSelection::from_consecutive_ranges(chosen.ranges.iter().cloned(), chosen.rows as usize);
        builder
            .with_projection(mask)
            .with_row_groups(chosen.groups.clone())
            .with_row_selection(selection)
            .with_batch_size(rows)
            .build()
            .map_err(|error| error.to_string())
    })?;
    Ok(ParquetRows { pages, reader: Some(reader) })
}

impl ParquetRows {
    /// The file's bytes, for another reader of it.
    pub(super) fn pages(&self) -> Pages {
        self.pages.clone()
    }
}

/// The row groups that hold the selected rows, and the selected rows counted from the first of these groups on.
#[derive(Default)]
struct Chosen {
    groups: Vec<usize>,
    ranges: Vec<Range<usize>>,
    /// Of all chosen groups.
    rows: u64,
    decoded_bytes: u64,
}

impl Chosen {
    fn of(footer: &Footer, selected: &[Range<u64>]) -> Chosen {
        let mut chosen = Chosen::default();
        let mut start = 0;
        for (index, group) in footer.groups.iter().enumerate() {
            let end = start + group.rows;
            let inside = selected.iter().filter(|range| range.start < end && start < range.end);
            let base = chosen.rows;
            let ranges: Vec<Range<usize>> = inside
                .map(|range| (base + range.start.max(start) - start) as usize..(base + range.end.min(end) - start) as usize)
                .collect();
            if !ranges.is_empty() {
                chosen.groups.push(index);
                chosen.ranges.extend(ranges);
                chosen.rows += group.rows;
                chosen.decoded_bytes = chosen.decoded_bytes.saturating_add(group.decoded_bytes);
            }
            start = end;
        }
        chosen
    }
}

impl FileRows for ParquetRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let batch = caught(&self.pages, || reader.next().transpose().map_err(|error| error.to_string()));
        if batch.is_err() {
            // What a decoder is after an error, nobody promises.
            self.reader = None;
        }
        batch
    }
}

/// Runs the decoder; its panics and errors become errors of the file, those of the source stay what they are.
fn caught<T>(pages: &Pages, decode: impl FnOnce() -> Result<T, String>) -> Result<T, Error> {
    let broken = |why: String| pages.take_failure().unwrap_or_else(|| Error::new("PARQUET_PAGE", format!("cannot read a page: {why}")));
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(done) => done.map_err(broken),
        Err(_) => Err(broken("the decoder gave up on it".into())),
    }
}
