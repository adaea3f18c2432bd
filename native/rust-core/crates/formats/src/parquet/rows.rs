//! Rows of a Parquet file, page by page.
//!
//! The library's decoder for pushed bytes wants all stored bytes of a row group at once, which is as much memory as the writer of the file chose.
//! Its reader that pulls pages holds one page a column, so it is the one used; decision 16.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::column::page::PageReader;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::footer::Footer;
use super::pages::Pages;
use crate::columnar::{FileRows, batch_rows};
use crate::error::Error;
use crate::read::ReadOptions;

/// Two pages of this size and more are not held at once. Most writers make pages of 1 MiB; DuckDB makes them of up to 100 MB.
const LARGE_PAGE_BYTES: u64 = 16 << 20;

/// Ranges of rows of the file, ascending and apart, that one decoder reads.
type Piece = Vec<Range<u64>>;

pub(super) struct ParquetRows {
    footer: Arc<Footer>,
    columns: Vec<usize>,
    pages: Pages,
    batch_rows: usize,
    ahead: VecDeque<Piece>,
    reader: Option<ParquetRecordBatchReader>,
}

/// `columns` are top-level columns of the file, ascending; `pieces` come from `pieces_of`.
pub(super) fn open(footer: &Arc<Footer>, columns: &[usize], pieces: &[Piece], pages: Pages, options: ReadOptions) -> ParquetRows {
    let chosen = Chosen::of(footer, &pieces.concat());
    ParquetRows {
        footer: Arc::clone(footer),
        columns: columns.to_vec(),
        pages,
        batch_rows: batch_rows(options, chosen.rows, chosen.decoded_bytes),
        ahead: pieces.iter().cloned().collect(),
        reader: None,
    }
}

/// Cuts the selected rows where a large page of one of the columns begins. A decoder makes its next page while it holds the last one, so each
/// large page gets a decoder of its own: no more than one page a column is held then.
pub(super) fn pieces_of(footer: &Footer, columns: &[usize], selected: &[Range<u64>], pages: &Pages) -> Vec<Piece> {
    let mut cuts = large_pages(footer, columns, selected, pages).into_iter().peekable();
    let mut pieces: Vec<Piece> = vec![Vec::new()];
    for range in selected {
        let mut at = range.start;
        while let Some(cut) = cuts.next_if(|cut| *cut < range.end) {
            if cut > at {
                pieces.last_mut().expect("it begins with one").push(at..cut);
                at = cut;
            }
            pieces.push(Vec::new());
        }
        if at < range.end {
            pieces.last_mut().expect("it begins with one").push(at..range.end);
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// First rows of the large pages in the row groups that hold selected rows.
fn large_pages(footer: &Footer, columns: &[usize], selected: &[Range<u64>], pages: &Pages) -> BTreeSet<u64> {
    let metadata = footer.metadata.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let mut firsts = BTreeSet::new();
    let mut start = 0;
    for (group, read) in metadata.row_groups().iter().zip(&footer.groups) {
        let end = start + read.rows;
        if selected.iter().any(|range| range.start < end && start < range.end) {
            for (leaf, column) in group.columns().iter().enumerate() {
                if columns.contains(&schema.get_column_root_idx(leaf))
                    && let Some(rows) = first_rows(column, read.rows, pages)
                {
                    firsts.extend(rows.into_iter().map(|row| start + row));
                    firsts.insert(end);
                }
            }
        }
        start = end;
    }
    firsts
}

/// The first row of each page, counted from the first of the group, if the pages of the column are large. Where they are small this ends after a
/// few headers. What cannot be read is left to the decoder, which says what is wrong with it.
fn first_rows(column: &ColumnChunkMetaData, rows: u64, pages: &Pages) -> Option<Vec<u64>> {
    let most = u64::try_from(column.uncompressed_size()).ok()? / LARGE_PAGE_BYTES;
    if most == 0 {
        return None;
    }
    let is_flat = column.column_descr().max_rep_level() == 0;
    let walked = caught(pages, || {
        let walk = || -> parquet::errors::Result<Option<Vec<u64>>> {
            let mut reader = SerializedPageReader::new(Arc::new(pages.clone()), column, rows as usize, None)?;
            let (mut firsts, mut at) = (Vec::new(), 0);
            while let Some(page) = reader.peek_next_page()? {
                if !page.is_dict {
                    let Some(count) = page.num_rows.or(page.num_levels.filter(|_| is_flat)) else { return Ok(None) };
                    firsts.push(at);
                    at += count as u64;
                }
                if firsts.len() as u64 > most + 1 {
                    return Ok(None);
                }
                reader.skip_next_page()?;
            }
            Ok(Some(firsts))
        };
        walk().map_err(|error| error.to_string())
    });
    walked.ok().flatten()
}

impl ParquetRows {
    /// The file's bytes, for another reader of it.
    pub(super) fn pages(&self) -> Pages {
        self.pages.clone()
    }

    fn open_piece(&self, piece: &[Range<u64>]) -> Result<ParquetRecordBatchReader, Error> {
        let chosen = Chosen::of(&self.footer, piece);
        caught(&self.pages, || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.pages.clone(), self.footer.metadata.clone());
            let mask = ProjectionMask::roots(builder.parquet_schema(), self.columns.iter().copied());
            let selection = RowSelection::from_consecutive_ranges(chosen.ranges.iter().cloned(), chosen.rows as usize);
            builder
                .with_projection(mask)
                .with_row_groups(chosen.groups.clone())
                .with_row_selection(selection)
                .with_batch_size(self.batch_rows)
                .build()
                .map_err(|error| error.to_string())
        })
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
        loop {
            if self.reader.is_none() {
                let Some(piece) = self.ahead.pop_front() else { return Ok(None) };
                self.reader = Some(self.open_piece(&piece)?);
            }
            let reader = self.reader.as_mut().expect("it was opened above");
            match caught(&self.pages, || reader.next().transpose().map_err(|error| error.to_string())) {
                Ok(None) => self.reader = None,
                Ok(some) => return Ok(some),
                Err(error) => {
                    // What a decoder is after an error, nobody promises.
                    self.reader = None;
                    self.ahead.clear();
                    return Err(error);
                }
            }
        }
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
