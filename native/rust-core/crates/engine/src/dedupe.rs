//! One row of each key stays: the first or the last by `orderBy`, ties by the order of the job. What stays keeps the order of the job.
//!
//! Without `orderBy` the first row is known when it comes, so the keys seen are enough, as long as they fit in memory; from then on, and in all
//! other cases, rows are sorted by key, the one that stays of each is picked, and those are sorted back. Both give the same.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{Field, Schema, SchemaRef, SortOptions};
use arrow_select::filter::filter_record_batch;

use crate::error::Error;
use crate::order::{gather_error, without_order};
use crate::program::{ORDER_COLUMNS, RowFailure, SortKeys};
use crate::slices::MergedSlices;
use crate::sort::{SortSpace, Sorter};

/// What a key in the set costs besides its bytes.
const SET_ENTRY_BYTES: usize = 64;

/// Which row of each key stays.
pub struct Dedupe<'a> {
    /// Columns whose values make the key.
    pub keys: Vec<String>,
    pub order_by: Option<&'a mut (dyn SortKeys + 'static)>,
    pub keep_last: bool,
}

/// Takes what a dedupe yields.
pub trait DedupeSink {
    /// Rows that stay, with their order columns, in their order.
    fn keep(&mut self, rows: RecordBatch) -> Result<(), Error>;
    /// Rows of a batch whose `orderBy` could not be evaluated. They are rejects, and neither stay nor go.
    fn fail(&mut self, batch: &RecordBatch, failures: &[RowFailure]) -> Result<(), Error>;
}

/// Runs over a partition.
pub fn dedupe(mut spec: Dedupe<'_>, rows: &mut MergedSlices, space: SortSpace<'_>, sink: &mut dyn DedupeSink) -> Result<(), Error> {
    let schema = crate::program::RowStream::schema(rows);
    let keys: Vec<usize> = spec.keys.iter().map(|key| column_of(&schema, key)).collect::<Result<_, _>>()?;
    let mut seen = Seen::new(&schema, &keys, space.memory_bytes / 2)?;
    let shortcut = spec.order_by.is_none() && !spec.keep_last;
    let mut picker = None;
    while let Some(batch) = rows.next_rows()? {
        let batch = if shortcut {
            let fresh = seen.take_new(&batch)?;
            sink.keep(fresh.kept)?;
            fresh.undecided
        } else {
            batch
        };
        if batch.num_rows() > 0 {
            if picker.is_none() {
                picker = Some(Picker::new(&schema, &keys, spec.order_by.as_deref(), space)?);
            }
            picker.as_mut().expect("it was made above").push(&batch, spec.order_by.as_deref_mut(), sink)?;
        }
    }
    drop(seen);
    picker.map_or(Ok(()), |picker| picker.finish(spec.keep_last, sink))
}

fn column_of(schema: &Schema, name: &str) -> Result<usize, Error> {
    schema.index_of(name).map_err(|_| Error::new("SPEC_SQL_UNKNOWN_COLUMN", format!("dedupe key {name}: there is no such column")))
}

/// The keys met so far, up to a bound.
struct Seen {
    columns: Vec<usize>,
    converter: RowConverter,
    keys: HashSet<Box<[u8]>>,
    bytes: usize,
    limit: usize,
}

struct Fresh {
    /// First rows of their keys.
    kept: RecordBatch,
    /// Rows of keys that were not met and could not be remembered.
    undecided: RecordBatch,
}

impl Seen {
    fn new(schema: &Schema, columns: &[usize], limit: usize) -> Result<Seen, Error> {
        let fields = columns.iter().map(|column| SortField::new(schema.field(*column).data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(gather_error)?;
        Ok(Seen { columns: columns.to_vec(), converter, keys: HashSet::new(), bytes: 0, limit })
    }

    fn take_new(&mut self, batch: &RecordBatch) -> Result<Fresh, Error> {
        let rows = rows_of(&self.converter, batch, &self.columns)?;
        let (mut kept, mut undecided) = (Vec::with_capacity(batch.num_rows()), Vec::with_capacity(batch.num_rows()));
        for row in 0..batch.num_rows() {
            let key = rows.row(row);
            let known = self.keys.contains(key.as_ref());
            let full = self.bytes >= self.limit;
            kept.push(!known && !full);
            undecided.push(!known && full);
            if !known && !full {
                self.bytes += key.as_ref().len() + SET_ENTRY_BYTES;
                self.keys.insert(key.as_ref().into());
            }
        }
        Ok(Fresh { kept: pick(batch, kept)?, undecided: pick(batch, undecided)? })
    }
}

fn rows_of(converter: &RowConverter, batch: &RecordBatch, columns: &[usize]) -> Result<Rows, Error> {
    let columns: Vec<ArrayRef> = columns.iter().map(|column| Arc::clone(batch.column(*column))).collect();
    converter.convert_columns(&columns).map_err(gather_error)
}

fn pick(batch: &RecordBatch, rows: Vec<bool>) -> Result<RecordBatch, Error> {
    filter_record_batch(batch, &BooleanArray::from(rows)).map_err(gather_error)
}

/// Sorts by key, then `orderBy`, then place, and picks.
struct Picker<'a> {
    /// Columns of the rows, order columns last.
    schema: SchemaRef,
    /// The same with the values of `orderBy` behind them.
    sorted_schema: SchemaRef,
    keys: Vec<usize>,
    space: SortSpace<'a>,
    sorter: Sorter<'a>,
}

impl<'a> Picker<'a> {
    fn new(
        schema: &SchemaRef,
        keys: &[usize],
        order_by: Option<&(dyn SortKeys + 'static)>,
        space: SortSpace<'a>,
    ) -> Result<Picker<'a>, Error> {
        let order_columns = order_by.map(SortKeys::columns).unwrap_or_default();
        let own = schema.fields().iter().map(|field| field.as_ref().clone());
        let added =
            order_columns.iter().enumerate().map(|(index, (data_type, _))| Field::new(format!("_s{index}"), data_type.clone(), true));
        let sorted_schema: SchemaRef = Arc::new(Schema::new(own.chain(added).collect::<Vec<_>>()));
        let by_key = keys.iter().map(|column| (*column, SortOptions::default()));
        let by_order = order_columns.iter().enumerate().map(|(index, (_, options))| (schema.fields().len() + index, *options));
        let columns = by_key.chain(by_order).chain(places(schema)).collect();
        // Two sorts follow one another, and the second begins while the first is read.
        let half = SortSpace { memory_bytes: space.memory_bytes / 2, scratch_bytes: space.scratch_bytes / 2, ..space };
        let sorter = Sorter::new(Arc::clone(&sorted_schema), columns, half)?;
        Ok(Picker { schema: Arc::clone(schema), sorted_schema, keys: keys.to_vec(), space: half, sorter })
    }

    fn push(
        &mut self,
        batch: &RecordBatch,
        order_by: Option<&mut (dyn SortKeys + 'static)>,
        sink: &mut dyn DedupeSink,
    ) -> Result<(), Error> {
        let Some(order_by) = order_by else { return self.sorter.push(batch) };
        let (values, failures) = order_by.evaluate(&without_order(batch)?)?;
        let columns = batch.columns().iter().cloned().chain(values).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.sorted_schema), columns).map_err(gather_error)?;
        if failures.is_empty() {
            return self.sorter.push(&rows);
        }
        sink.fail(batch, &failures)?;
        let mut good = vec![true; batch.num_rows()];
        failures.iter().for_each(|failure| good[failure.row as usize] = false);
        self.sorter.push(&pick(&rows, good)?)
    }

    fn finish(self, keep_last: bool, sink: &mut dyn DedupeSink) -> Result<(), Error> {
        let own: Vec<usize> = (0..self.schema.fields().len()).collect();
        let mut back = Sorter::new(Arc::clone(&self.schema), places(&self.schema).collect(), self.space)?;
        let mut ends = KeyEnds::new(&self.schema, &self.keys)?;
        let mut sorted = self.sorter.finish()?;
        while let Some(batch) = sorted.next_rows()? {
            let rows = batch.project(&own).map_err(gather_error)?;
            if let Some(picked) = ends.pick(rows, keep_last)? {
                back.push(&picked)?;
            }
        }
        if let Some(last) = ends.rest(keep_last) {
            back.push(&last)?;
        }
        let mut kept = back.finish()?;
        while let Some(rows) = kept.next_rows()? {
            sink.keep(rows)?;
        }
        Ok(())
    }
}

fn places(schema: &Schema) -> impl Iterator<Item = (usize, SortOptions)> + use<> {
    let end = schema.fields().len();
    (end - ORDER_COLUMNS.len()..end).map(|column| (column, SortOptions::default()))
}

/// Finds the first or last row of each key in rows that are sorted by it. The last row of a batch waits for the first of the next.
struct KeyEnds {
    keys: Vec<usize>,
    converter: RowConverter,
    waiting: Option<(RecordBatch, Box<[u8]>)>,
}

impl KeyEnds {
    fn new(schema: &Schema, keys: &[usize]) -> Result<KeyEnds, Error> {
        let fields = keys.iter().map(|column| SortField::new(schema.field(*column).data_type().clone())).collect();
        Ok(KeyEnds { keys: keys.to_vec(), converter: RowConverter::new(fields).map_err(gather_error)?, waiting: None })
    }

    fn pick(&mut self, batch: RecordBatch, keep_last: bool) -> Result<Option<RecordBatch>, Error> {
        let rows = rows_of(&self.converter, &batch, &self.keys)?;
        let count = batch.num_rows();
        let before = self.waiting.take();
        let same_as_before = |row: usize| match row {
            0 => before.as_ref().is_some_and(|(_, key)| key.as_ref() == rows.row(0).as_ref()),
            row => rows.row(row) == rows.row(row - 1),
        };
        let marked: Vec<bool> = if keep_last {
            (0..count).map(|row| row + 1 < count && !same_as_before(row + 1)).collect()
        } else {
            (0..count).map(|row| !same_as_before(row)).collect()
        };
        let held_over = keep_last && !same_as_before(0);
        let picked = pick(&batch, marked)?;
        let last = (batch.slice(count - 1, 1), rows.row(count - 1).as_ref().into());
        let kept = match before {
            Some((row, _)) if held_over => {
                Some(arrow_select::concat::concat_batches(&batch.schema(), [&row, &picked]).map_err(gather_error)?)
            }
            _ => Some(picked),
        };
        self.waiting = Some(last);
        Ok(kept)
    }

    fn rest(self, keep_last: bool) -> Option<RecordBatch> {
        self.waiting.filter(|_| keep_last).map(|(row, _)| row)
    }
}
