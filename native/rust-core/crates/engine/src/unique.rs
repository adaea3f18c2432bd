//! Uniqueness over a whole job: `unique` and `primaryKey`.
//!
//! A map stage `unique` reads every record leniently and hands on its keys; a reduce stage `owners` sorts them, and for each key that is there
//! twice names the records that do not own it; the stage that reads the records for good is planned behind it and rejects those. The first record
//! in the order of the job owns a key, even if it is rejected for another reason; one that cannot be cut or decoded owns nothing, and a key with
//! a null in it collides with none.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use arrow_select::filter::filter_record_batch;
use millrace_formats::batch::Batch;
use millrace_formats::pins::InputPins;
use millrace_formats::reject::{Reject, RejectError};
use millrace_formats::schema::{Constraints, OnError};

use crate::error::Error;
use crate::order::{Places, add_order, gather_error, with_order};
use crate::partition::{Key, KeyKind, encoded_keys, kind_of};
use crate::process::ExchangeTo;
use crate::program::Order;
use crate::replaced::Replaced;
use crate::slices::MergedSlices;
use crate::sort::{SortSpace, Sorter};

/// The columns of each constraint of a schema: its primary key, then its unique fields.
pub fn unique_keys(schema: &millrace_formats::schema::Schema) -> Vec<Vec<String>> {
    let mut keys: Vec<Vec<String>> = Vec::new();
    if !schema.primary_key.is_empty() {
        keys.push(schema.primary_key.clone());
    }
    for field in schema.fields.iter().filter(|field| field.constraints.unique) {
        let key = vec![field.name.clone()];
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The same input, read so that no value rejects a record: one that does not fit is null. Types stay, since they help to find where records begin.
pub fn lenient(pins: &InputPins) -> InputPins {
    let mut pins = pins.clone();
    pins.schema.primary_key.clear();
    for field in &mut pins.schema.fields {
        field.on_error = OnError::SetNull;
        field.constraints = Constraints::default();
    }
    pins
}

/// What `unique` hands to `owners`: keys as bytes, equal if and only if the keys are.
pub fn key_exchange(partitions: u32) -> ExchangeTo {
    let columns: SchemaRef = Arc::new(Schema::new(vec![Field::new("key", DataType::Binary, true)]));
    ExchangeTo { columns, keys: vec![Key { column: "key".into(), kind: KeyKind::Bytes }], partitions, folders: Vec::new() }
}

/// What `owners` hands to the stage behind it: who lost a key to whom, in one run for each chunk of `unique`. `chunks` is above all their numbers.
pub fn loser_exchange(chunks: u32) -> ExchangeTo {
    let columns: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("chunk", DataType::UInt32, true),
        Field::new("owner_file", DataType::UInt32, true),
        Field::new("owner_record", DataType::UInt64, true),
    ]));
    ExchangeTo { columns, keys: vec![Key { column: "chunk".into(), kind: KeyKind::Partition }], partitions: chunks, folders: Vec::new() }
}

/// Keys of the records of a batch, with the number of the constraint as last order column; and how many records have one.
pub fn key_rows(batch: &Batch, keys: &[Vec<String>], file: (u32, u64)) -> Result<(RecordBatch, u64), Error> {
    let mut found: Vec<(usize, u32, Vec<u8>)> = Vec::new();
    for (number, columns) in keys.iter().enumerate() {
        let columns = columns.iter().map(|name| key_column(&batch.rows, name)).collect::<Result<Vec<_>, _>>()?;
        encoded_keys(&columns, |row, bytes| {
            if columns.iter().all(|(column, _)| column.is_valid(row)) {
                let constraint = [number as u8];
                found.push((row, number as u32, constraint.iter().chain(bytes).copied().collect()));
            }
        })?;
    }
    found.sort_by_key(|(row, number, _)| (*row, *number));
    let mut records: Vec<usize> = found.iter().map(|(row, _, _)| *row).collect();
    records.dedup();
    let exchange = key_exchange(1);
    let values: BinaryArray = found.iter().map(|(_, _, bytes)| Some(bytes)).collect();
    let rows = RecordBatch::try_new(exchange.columns.clone(), vec![Arc::new(values)]).map_err(gather_error)?;
    let places = found.iter().map(|(row, _, _)| file.1 + batch.places[*row].record).collect();
    let numbers = found.iter().map(|(_, number, _)| *number).collect();
    let rows = add_order(&with_order(&exchange.columns), &rows, vec![file.0; found.len()], places, numbers)?;
    Ok((rows, records.len() as u64))
}

/// A column as it is compared. Floats are no keys of an exchange, but two records may well not have the same one: they are compared by their bits,
/// one zero and one NaN.
fn key_column(rows: &RecordBatch, name: &str) -> Result<(ArrayRef, KeyKind), Error> {
    let missing = || Error::new("PLAN_CONFLICT", format!("the schema has no field {name}, which a key names"));
    let column = rows.column_by_name(name).ok_or_else(missing)?;
    if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        let bits = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits() as i64;
        let numbers: Int64Array = floats.iter().map(|value| value.map(bits)).collect();
        return Ok((Arc::new(numbers), KeyKind::Integer));
    }
    let refused = || Error::new("SPEC_EXCHANGE_KEY", format!("{name}: values of the type {} cannot be unique", column.data_type()));
    Ok((Arc::clone(column), kind_of(column.data_type()).ok_or_else(refused)?))
}

/// A slice of keys, and the chunk of `unique` and the generation it comes from.
pub struct KeySlice {
    pub rows: MergedSlices,
    pub chunk: u32,
    pub generation: u32,
}

/// Finds for each key that several records have the one that owns it, and hands on the others, by chunk and place.
///
/// Records of an earlier generation come first whatever their place: what was decided then stays decided when a file is read later. An owner that
/// was rejected and is read again by a replay gives its key up in the generation of the replay: there the first record read has it, and who
/// lost it before stays a loser.
pub fn find_losers(
    slices: Vec<KeySlice>,
    replaced: &Replaced,
    space: SortSpace<'_>,
    mut take: impl FnMut(RecordBatch) -> Result<(), Error>,
) -> Result<(), Error> {
    let space = SortSpace { memory_bytes: space.memory_bytes / 2, scratch_bytes: space.scratch_bytes / 2, ..space };
    let mut by_key = Sorter::new(keyed_schema(), ascending(&[0, 2, 3, 4, 5]), space)?;
    for mut slice in slices {
        while let Some(rows) = slice.rows.next_rows()? {
            by_key.push(&keyed(&rows, slice.chunk, slice.generation)?)?;
        }
    }
    let lost = loser_exchange(1).columns;
    let lost = with_order(&lost);
    let mut by_chunk = Sorter::new(Arc::clone(&lost), ascending(&[0, 3, 4, 5]), space)?;
    let mut sorted = by_key.finish()?;
    let mut owner: Option<Owner> = None;
    while let Some(rows) = sorted.next_rows()? {
        by_chunk.push(&losers_of(&rows, replaced, &mut owner, &lost)?)?;
    }
    let mut sorted = by_chunk.finish()?;
    while let Some(rows) = sorted.next_rows()? {
        take(rows)?;
    }
    Ok(())
}

fn ascending(columns: &[usize]) -> Vec<(usize, SortOptions)> {
    columns.iter().map(|column| (*column, SortOptions::default())).collect()
}

/// key, chunk, generation, and the place.
fn keyed_schema() -> SchemaRef {
    with_order(&Schema::new(vec![
        Field::new("key", DataType::Binary, true),
        Field::new("chunk", DataType::UInt32, true),
        Field::new("generation", DataType::UInt32, true),
    ]))
}

fn keyed(rows: &RecordBatch, chunk: u32, generation: u32) -> Result<RecordBatch, Error> {
    let number = |value: u32| Arc::new(UInt32Array::from(vec![value; rows.num_rows()])) as ArrayRef;
    let mut columns = rows.columns().to_vec();
    columns.splice(1..1, [number(chunk), number(generation)]);
    RecordBatch::try_new(keyed_schema(), columns).map_err(gather_error)
}

/// Who has the key that is looked at, and the generation in which it was read.
struct Owner {
    key: Vec<u8>,
    place: Order,
    generation: u32,
}

impl Owner {
    /// The place, if the key is still its own when a record of `generation` asks for it.
    fn holds(&self, key: &[u8], generation: u32, replaced: &Replaced) -> Option<(u32, u64)> {
        let place = (self.place.0, self.place.1);
        (self.key == key && !replaced.is_replaced(place, self.generation, generation)).then_some(place)
    }
}

/// Of rows sorted by key and generation those that do not own theirs. `owner` goes on from batch to batch.
fn losers_of(rows: &RecordBatch, replaced: &Replaced, owner: &mut Option<Owner>, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let (keys, places) = (rows.column(0).as_binary::<i32>(), Places::of(rows)?);
    let generations = rows.column(2).as_primitive::<UInt32Type>();
    let (mut files, mut records, mut lost) = (Vec::new(), Vec::new(), Vec::with_capacity(rows.num_rows()));
    for row in 0..rows.num_rows() {
        let (key, generation) = (keys.value(row), generations.value(row));
        let standing = owner.as_ref().and_then(|owner| owner.holds(key, generation, replaced));
        match standing {
            Some((file, record)) => {
                files.push(file);
                records.push(record);
            }
            None => *owner = Some(Owner { key: key.to_vec(), place: places.at(row), generation }),
        }
        lost.push(standing.is_some());
    }
    let rows = filter_record_batch(rows, &BooleanArray::from(lost)).map_err(gather_error)?;
    let owners: [ArrayRef; 2] = [Arc::new(UInt32Array::from(files)), Arc::new(UInt64Array::from(records))];
    let columns = std::iter::once(Arc::clone(rows.column(1))).chain(owners).chain(rows.columns()[3..].iter().cloned()).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(gather_error)
}

/// A record that lost a key: its place without the constraint, which constraint, and who owns the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loser {
    place: (u32, u64),
    constraint: u32,
    owner: (u32, u64),
}

/// The losers of one chunk, in the order of their places.
pub struct Losers {
    keys: Vec<Vec<String>>,
    rows: MergedSlices,
    waiting: Vec<Loser>,
    next: usize,
    ended: bool,
}

impl Losers {
    pub fn new(keys: Vec<Vec<String>>, rows: MergedSlices) -> Losers {
        Losers { keys, rows, waiting: Vec::new(), next: 0, ended: false }
    }

    /// Takes the losers out of a batch and makes rejects of them. Batches must come in the order of the chunk.
    pub fn sift(&mut self, batch: Batch, file: (u32, u64)) -> Result<(Batch, Vec<Reject>), Error> {
        let mut stay = vec![true; batch.places.len()];
        let mut rejects = Vec::new();
        for (row, place) in batch.places.iter().enumerate() {
            let at = (file.0, file.1 + place.record);
            let mut errors = Vec::new();
            while let Some(loser) = self.due(at)? {
                if loser.place == at {
                    errors.push(self.error(&loser, place.byte, place.line));
                }
            }
            if !errors.is_empty() {
                stay[row] = false;
                rejects.push(Reject { place: *place, errors, raw: batch.raw(row)?.into_owned(), raw_truncated: false });
            }
        }
        if rejects.is_empty() {
            return Ok((batch, rejects));
        }
        let rows = filter_record_batch(&batch.rows, &BooleanArray::from(stay.clone())).map_err(gather_error)?;
        let places = batch.places.iter().zip(stay).filter_map(|(place, stays)| stays.then_some(*place)).collect();
        Ok((Batch { rows, places, ..batch }, rejects))
    }

    /// The next loser whose place is not behind `at`.
    fn due(&mut self, at: (u32, u64)) -> Result<Option<Loser>, Error> {
        while self.next == self.waiting.len() && !self.ended {
            match self.rows.next_rows()? {
                None => self.ended = true,
                Some(rows) => {
                    self.waiting = losers_in(&rows)?;
                    self.next = 0;
                }
            }
        }
        let found = self.waiting.get(self.next).copied().filter(|loser| loser.place <= at);
        self.next += usize::from(found.is_some());
        Ok(found)
    }

    fn error(&self, loser: &Loser, byte: u64, line: u64) -> RejectError {
        let columns = self.keys.get(loser.constraint as usize).map(Vec::as_slice).unwrap_or_default();
        let owner = match loser.owner {
            (file, record) if file >= crate::process::FIRST_PAYLOAD => {
                format!("record {} of payload {} of chunk {}", record as u32, record >> 32, file - crate::process::FIRST_PAYLOAD)
            }
            (file, record) => format!("record {record} of file {file}"),
        };
        RejectError {
            code: "CONSTRAINT_UNIQUE",
            column: columns.first().cloned(),
            column_index: None,
            path: None,
            byte,
            line,
            message: format!("{} is not unique: {owner} has the same and comes first", columns.join(", ")),
            expected: Some("a value that no record before it has".into()),
            value: None,
        }
    }
}

fn losers_in(rows: &RecordBatch) -> Result<Vec<Loser>, Error> {
    let places = Places::of(rows)?;
    let (files, records) = (rows.column(1).as_primitive::<UInt32Type>(), rows.column(2).as_primitive::<UInt64Type>());
    let loser = |row| {
        let (file, record, constraint) = places.at(row);
        Loser { place: (file, record), constraint, owner: (files.value(row), records.value(row)) }
    };
    Ok((0..rows.num_rows()).map(loser).collect())
}
