//! One row of each key stays: the first or the last by `orderBy`, ties by the order of the job. What stays keeps the order of the job.
//!
//! Without `orderBy` the first row is known when it comes, so the keys seen are enough. Otherwise the rows are held, with the one that wins of
//! each key so far. Both as long as they fit in memory: from then on rows are sorted by key, the one that stays of each is picked, and those
//! are sorted back. All three give the same.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{Field, Schema, SchemaRef, SortOptions};
use arrow_select::filter::filter_record_batch;

use crate::error::Error;
use crate::key_table::KeyTable;
use crate::order::{compact, gather_error, released, without_order};
use crate::program::{ORDER_COLUMNS, RowFailure, SortKeys};
use crate::slices::MergedSlices;
use crate::sort::{SortSpace, Sorter};

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
pub fn dedupe(spec: Dedupe<'_>, rows: &mut MergedSlices, space: SortSpace<'_>, sink: &mut dyn DedupeSink) -> Result<(), Error> {
    let schema = crate::program::RowStream::schema(rows);
    let columns = Columns::new(schema, &spec.keys, spec.order_by.as_deref())?;
    match spec.order_by {
        None if !spec.keep_last => first_met(&columns, rows, space, sink),
        order_by => held(&columns, order_by, spec.keep_last, rows, space, sink),
    }
}

/// The first row of each key, handed on as it comes.
fn first_met(columns: &Columns, rows: &mut MergedSlices, space: SortSpace<'_>, sink: &mut dyn DedupeSink) -> Result<(), Error> {
    let mut seen = Seen::new(columns, space.memory_bytes / 2)?;
    let mut picker = None;
    while let Some(batch) = rows.next_rows()? {
        let fresh = seen.take_new(&batch)?;
        sink.keep(fresh.kept)?;
        if fresh.undecided.num_rows() > 0 {
            if picker.is_none() {
                picker = Some(Picker::new(columns, space)?);
            }
            picker.as_mut().expect("it was made above").push(&fresh.undecided)?;
        }
    }
    drop(seen);
    picker.map_or(Ok(()), |picker| picker.finish(false, sink))
}

/// The row of each key that wins in the end.
fn held(
    columns: &Columns,
    mut order_by: Option<&mut (dyn SortKeys + 'static)>,
    keep_last: bool,
    rows: &mut MergedSlices,
    space: SortSpace<'_>,
    sink: &mut dyn DedupeSink,
) -> Result<(), Error> {
    let mut winners = Winners::new(columns, keep_last)?;
    while let Some(batch) = rows.next_rows()? {
        winners.push(columns.with_values(&batch, order_by.as_deref_mut(), sink)?)?;
        if winners.bytes() > space.memory_bytes && !winners.forget_losers(space.memory_bytes / 2)? {
            let mut picker = Picker::new(columns, space)?;
            winners.finish(|rows| picker.push(&rows))?;
            while let Some(batch) = rows.next_rows()? {
                picker.push(&columns.with_values(&batch, order_by.as_deref_mut(), sink)?)?;
            }
            return picker.finish(keep_last, sink);
        }
    }
    winners.finish(|rows| sink.keep(columns.own(&rows)?))
}

/// Which columns are what.
struct Columns {
    /// Columns of the rows, order columns last.
    schema: SchemaRef,
    /// The same with the values of `orderBy` behind them.
    sorted_schema: SchemaRef,
    keys: Vec<usize>,
    /// The values of `orderBy`.
    order: Vec<(usize, SortOptions)>,
}

impl Columns {
    fn new(schema: SchemaRef, keys: &[String], order_by: Option<&(dyn SortKeys + 'static)>) -> Result<Columns, Error> {
        let keys = keys.iter().map(|key| column_of(&schema, key)).collect::<Result<_, _>>()?;
        let values = order_by.map(SortKeys::columns).unwrap_or_default();
        let own = schema.fields().iter().map(|field| field.as_ref().clone());
        let added = values.iter().enumerate().map(|(index, (data_type, _))| Field::new(format!("_s{index}"), data_type.clone(), true));
        let sorted_schema: SchemaRef = Arc::new(Schema::new(own.chain(added).collect::<Vec<_>>()));
        let width = schema.fields().len();
        let order = values.iter().enumerate().map(|(index, (_, options))| (width + index, *options)).collect();
        Ok(Columns { schema, sorted_schema, keys, order })
    }

    /// Rows with the values of `orderBy` behind them, without those that have none.
    fn with_values(
        &self,
        batch: &RecordBatch,
        order_by: Option<&mut (dyn SortKeys + 'static)>,
        sink: &mut dyn DedupeSink,
    ) -> Result<RecordBatch, Error> {
        let Some(order_by) = order_by else { return Ok(batch.clone()) };
        let (values, failures) = order_by.evaluate(&without_order(batch)?)?;
        let columns = batch.columns().iter().cloned().chain(values).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.sorted_schema), columns).map_err(gather_error)?;
        if failures.is_empty() {
            return Ok(rows);
        }
        sink.fail(batch, &failures)?;
        let mut good = vec![true; batch.num_rows()];
        failures.iter().for_each(|failure| good[failure.row as usize] = false);
        pick(&rows, good)
    }

    /// Rows without the values of `orderBy`.
    fn own(&self, rows: &RecordBatch) -> Result<RecordBatch, Error> {
        let own: Vec<usize> = (0..self.schema.fields().len()).collect();
        rows.project(&own).map_err(gather_error)
    }

    fn key_converter(&self) -> Result<RowConverter, Error> {
        let fields = self.keys.iter().map(|column| SortField::new(self.schema.field(*column).data_type().clone())).collect();
        RowConverter::new(fields).map_err(gather_error)
    }
}

fn column_of(schema: &Schema, name: &str) -> Result<usize, Error> {
    schema.index_of(name).map_err(|_| Error::new("SPEC_SQL_UNKNOWN_COLUMN", format!("dedupe key {name}: there is no such column")))
}

/// The keys met so far, up to a bound.
struct Seen {
    columns: Vec<usize>,
    converter: RowConverter,
    keys: KeyTable,
    limit: usize,
}

struct Fresh {
    /// First rows of their keys.
    kept: RecordBatch,
    /// Rows of keys that were not met and could not be remembered.
    undecided: RecordBatch,
}

impl Seen {
    fn new(columns: &Columns, limit: usize) -> Result<Seen, Error> {
        Ok(Seen { columns: columns.keys.clone(), converter: columns.key_converter()?, keys: KeyTable::default(), limit })
    }

    fn take_new(&mut self, batch: &RecordBatch) -> Result<Fresh, Error> {
        let rows = rows_of(&self.converter, batch, &self.columns)?;
        let (mut kept, mut undecided) = (Vec::with_capacity(batch.num_rows()), Vec::with_capacity(batch.num_rows()));
        let hashes = self.keys.hashes(rows.iter().map(|key| key.data()));
        for (key, hash) in rows.iter().map(|key| key.data()).zip(hashes) {
            if self.keys.bytes() < self.limit {
                let (_, is_new) = self.keys.insert(hash, key);
                kept.push(is_new);
                undecided.push(false);
            } else {
                kept.push(false);
                undecided.push(self.keys.find(hash, key).is_none());
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
    let rows = BooleanArray::from(rows);
    match rows.true_count() {
        0 => Ok(batch.slice(0, 0)),
        all if all == rows.len() => Ok(batch.clone()),
        _ => filter_record_batch(batch, &rows).map_err(gather_error),
    }
}

/// For each row how many rows before it are marked.
fn running_count(marked: &[bool]) -> Vec<u32> {
    let before = marked.iter().scan(0, |count, is_marked| Some(std::mem::replace(count, *count + u32::from(*is_marked))));
    before.collect()
}

/// All rows, and which of each key wins among them.
struct Winners {
    keys: Vec<usize>,
    key_converter: RowConverter,
    order: Vec<usize>,
    /// None without `orderBy`: then only the place counts.
    order_converter: Option<RowConverter>,
    keep_last: bool,
    table: KeyTable,
    /// For each key the batch and the row that wins so far.
    best: Vec<(u32, u32)>,
    batches: Vec<(RecordBatch, Option<Rows>)>,
    /// Of batches and their order.
    bytes: usize,
}

impl Winners {
    fn new(columns: &Columns, keep_last: bool) -> Result<Winners, Error> {
        let field = |(column, options): &(usize, SortOptions)| {
            SortField::new_with_options(columns.sorted_schema.field(*column).data_type().clone(), *options)
        };
        let fields: Vec<SortField> = columns.order.iter().map(field).collect();
        let order_converter = if fields.is_empty() { None } else { Some(RowConverter::new(fields).map_err(gather_error)?) };
        Ok(Winners {
            keys: columns.keys.clone(),
            key_converter: columns.key_converter()?,
            order: columns.order.iter().map(|(column, _)| *column).collect(),
            order_converter,
            keep_last,
            table: KeyTable::default(),
            best: Vec::new(),
            batches: Vec::new(),
            bytes: 0,
        })
    }

    fn bytes(&self) -> usize {
        self.bytes + self.table.bytes() + self.best.len() * size_of::<(u32, u32)>()
    }

    fn push(&mut self, batch: RecordBatch) -> Result<(), Error> {
        let batch = released(batch)?;
        let keys = rows_of(&self.key_converter, &batch, &self.keys)?;
        let order = self.order_converter.as_ref().map(|converter| rows_of(converter, &batch, &self.order)).transpose()?;
        self.bytes += batch.get_array_memory_size() + order.as_ref().map_or(0, Rows::size);
        let at = self.batches.len() as u32;
        self.batches.push((batch, order));
        let hashes = self.table.hashes(keys.iter().map(|key| key.data()));
        for ((row, key), hash) in (0u32..).zip(keys.iter()).zip(hashes) {
            let own = (at, row);
            let (number, is_new) = self.table.insert(hash, key.data());
            if is_new {
                self.best.push(own);
            } else if self.wins(own, self.best[number]) {
                self.best[number] = own;
            }
        }
        Ok(())
    }

    /// Does a row win against one of an earlier place?
    fn wins(&self, own: (u32, u32), other: (u32, u32)) -> bool {
        let order = |(batch, row): (u32, u32)| self.batches[batch as usize].1.as_ref().map(|order| order.row(row as usize));
        let (own, other) = (order(own), order(other));
        if self.keep_last { own >= other } else { own < other }
    }

    /// For each batch which of its rows win so far.
    fn won(&self) -> Vec<Vec<bool>> {
        let mut won: Vec<Vec<bool>> = self.batches.iter().map(|(batch, _)| vec![false; batch.num_rows()]).collect();
        for (batch, row) in &self.best {
            won[*batch as usize][*row as usize] = true;
        }
        won
    }

    /// Makes room by the rows that have lost already. False, and nothing done, if less than half of the rows would go; false as well if what
    /// is left needs more than `limit`.
    fn forget_losers(&mut self, limit: usize) -> Result<bool, Error> {
        let rows: usize = self.batches.iter().map(|(batch, _)| batch.num_rows()).sum();
        if 2 * self.best.len() > rows {
            return Ok(false);
        }
        let won = self.won();
        let number_at: Vec<Vec<u32>> = won.iter().map(|won| running_count(won)).collect();
        for (batch, row) in &mut self.best {
            *row = number_at[*batch as usize][*row as usize];
        }
        drop(number_at);
        self.bytes = 0;
        for ((batch, order), won) in self.batches.iter_mut().zip(won) {
            *batch = compact(&pick(batch, won)?)?;
            *order = self.order_converter.as_ref().map(|converter| rows_of(converter, batch, &self.order)).transpose()?;
            self.bytes += batch.get_array_memory_size() + order.as_ref().map_or(0, Rows::size);
        }
        Ok(self.bytes() <= limit)
    }

    /// Hands over the rows that won, in their order.
    fn finish(self, mut take: impl FnMut(RecordBatch) -> Result<(), Error>) -> Result<(), Error> {
        let won = self.won();
        drop((self.table, self.best));
        for ((batch, _), won) in self.batches.into_iter().zip(won) {
            take(pick(&batch, won)?)?;
        }
        Ok(())
    }
}

/// Sorts by key, then `orderBy`, then place, and picks.
struct Picker<'a> {
    columns: &'a Columns,
    space: SortSpace<'a>,
    sorter: Sorter<'a>,
}

impl<'a> Picker<'a> {
    fn new(columns: &'a Columns, space: SortSpace<'a>) -> Result<Picker<'a>, Error> {
        let by_key = columns.keys.iter().map(|column| (*column, SortOptions::default()));
        let sort = by_key.chain(columns.order.iter().copied()).chain(places(&columns.schema)).collect();
        // Two sorts follow one another, and the second begins while the first is read.
        let half = SortSpace { memory_bytes: space.memory_bytes / 2, scratch_bytes: space.scratch_bytes / 2, ..space };
        let sorter = Sorter::new(Arc::clone(&columns.sorted_schema), sort, half)?;
        Ok(Picker { columns, space: half, sorter })
    }

    /// Takes rows with the values of `orderBy`.
    fn push(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        self.sorter.push(rows)
    }

    fn finish(self, keep_last: bool, sink: &mut dyn DedupeSink) -> Result<(), Error> {
        let columns = self.columns;
        let mut back = Sorter::new(Arc::clone(&columns.schema), places(&columns.schema).collect(), self.space)?;
        let mut ends = KeyEnds::new(columns)?;
        let mut sorted = self.sorter.finish()?;
        while let Some(batch) = sorted.next_rows()? {
            if let Some(picked) = ends.pick(columns.own(&batch)?, keep_last)? {
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
    fn new(columns: &Columns) -> Result<KeyEnds, Error> {
        Ok(KeyEnds { keys: columns.keys.clone(), converter: columns.key_converter()?, waiting: None })
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
