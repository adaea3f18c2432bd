//! How rows lie in an exchange object. Whole numbers, dates, instants and decimals are stored as what they exceed the smallest of their run by,
//! in as few bytes as hold the largest; texts end where the next begins, without views. It is half the bytes or less to compress, to store and
//! to read, and says which smallest value to add in the fields of the run's own schema, so any reader of Arrow IPC can follow.
//!
//! Places of rows ascend, and those of one partition stand few records apart: each is stored as its step from the one before, in a byte or two,
//! where fewer hold all steps of the run than hold the places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow_array::builder::GenericByteBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, BinaryType, BinaryViewType, ByteArrayType, ByteViewType, Date32Type, Decimal128Type, Float64Type, Int16Type,
    Int32Type, Int64Type, StringViewType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, Utf8Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, BinaryViewArray, PrimitiveArray, RecordBatch, StringViewArray, UInt8Array, UInt16Array, UInt64Array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, NullBufferBuilder};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave;

use crate::program::ORDER_COLUMNS;

/// The name under which a field's metadata holds the smallest value.
const SMALLEST: &str = "smallest";
/// The name under which a field's metadata holds the number from which the first step is taken.
const STEPS_FROM: &str = "stepsFrom";
/// Texts of a run that hold more keep their views: offsets have 31 bits.
const MAX_OFFSET_BYTES: usize = 1 << 30;

/// The form of the rows of some runs.
pub struct Form {
    /// Columns as they are stored.
    pub schema: SchemaRef,
    /// For each column the smallest of its numbers, where it is stored as such.
    smallest: Vec<Option<i128>>,
    /// All numbers of a column are the same, and none is null: the order columns are often so.
    is_constant: Vec<bool>,
    /// The column of places that ascend, and the smallest of them.
    places: Option<(usize, u64)>,
}

impl Form {
    /// The form for rows that are gathered, whose values have `bytes` bytes together.
    pub fn of(schema: &Schema, batches: &[RecordBatch], bytes: usize) -> Form {
        let mut fields = Vec::with_capacity(schema.fields().len());
        let mut smallest = Vec::with_capacity(schema.fields().len());
        let mut is_constant = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let mut arrays = batches.iter().map(|batch| batch.column(index));
            let range = numbers(field.data_type()).map(|numbers| (numbers.range)(&mut arrays));
            let is_single = matches!(range, Some(Some((smallest, largest))) if smallest == largest);
            is_constant.push(is_single && batches.iter().all(|batch| batch.column(index).null_count() == 0));
            let (stored, base) = match (range, field.data_type()) {
                (Some(range), own) => narrowest(own, range),
                (None, DataType::Utf8View) if bytes < MAX_OFFSET_BYTES => (DataType::Utf8, None),
                (None, DataType::BinaryView) if bytes < MAX_OFFSET_BYTES => (DataType::Binary, None),
                (None, own) => (own.clone(), None),
            };
            let metadata: HashMap<String, String> = base.iter().map(|base| (SMALLEST.to_owned(), base.to_string())).collect();
            fields.push(Field::new(field.name(), stored, field.is_nullable()).with_metadata(metadata));
            smallest.push(base);
        }
        let places = schema.index_of(ORDER_COLUMNS[1].0).ok().and_then(|index| Some((index, u64::try_from(smallest[index]?).ok()?)));
        let places = places.filter(|(index, _)| fields[*index].data_type() != &DataType::UInt8);
        Form { schema: Arc::new(Schema::new(fields)), smallest, is_constant, places }
    }

    /// The form of one run, whose rows are given.
    pub fn of_run(&self, rows: &[Rows<'_>]) -> RunForm<'_> {
        let steps = self.places.and_then(|(index, from)| Some((index, from, steps(index, from, rows)?)));
        let width = |data_type: &DataType| data_type.primitive_width();
        let steps = steps.filter(|(index, _, steps)| width(steps.data_type()) < width(self.schema.field(*index).data_type()));
        let Some((index, from, steps)) = steps else {
            return RunForm { form: self, schema: Arc::clone(&self.schema), steps: None, stored: 0 };
        };
        let mut fields: Vec<Arc<Field>> = self.schema.fields().iter().cloned().collect();
        let metadata = HashMap::from([(STEPS_FROM.to_owned(), from.to_string())]);
        fields[index] =
            Arc::new(Field::new(fields[index].name(), steps.data_type().clone(), fields[index].is_nullable()).with_metadata(metadata));
        RunForm { form: self, schema: Arc::new(Schema::new(fields)), steps: Some((index, steps)), stored: 0 }
    }
}

/// Steps from each place to the next, the first from `from`; None if two bytes do not hold them all.
fn steps(index: usize, from: u64, rows: &[Rows<'_>]) -> Option<ArrayRef> {
    let (mut before, mut all) = (from, 0);
    let mut steps: Vec<u16> = Vec::with_capacity(count(rows));
    for Rows { batch, rows } in rows {
        let places = batch.column(index).as_primitive_opt::<UInt64Type>()?.values();
        steps.extend(rows.iter().map(|row| {
            let place = places[*row as usize];
            let step = place.wrapping_sub(std::mem::replace(&mut before, place));
            all |= step;
            step as u16
        }));
    }
    if all <= u64::from(u8::MAX) {
        return Some(Arc::new(UInt8Array::from_iter_values(steps.into_iter().map(|step| step as u8))));
    }
    (all <= u64::from(u16::MAX)).then(|| Arc::new(UInt16Array::from(steps)) as ArrayRef)
}

/// The form of the rows of one run.
pub struct RunForm<'a> {
    form: &'a Form,
    /// Columns as they are stored.
    pub schema: SchemaRef,
    /// The column that is stored as steps, and those of the whole run.
    steps: Option<(usize, ArrayRef)>,
    /// Rows stored already.
    stored: usize,
}

impl RunForm<'_> {
    /// The next rows of the run, as they are stored.
    pub fn store(&mut self, rows: &[Rows<'_>]) -> Result<RecordBatch, ArrowError> {
        let stored = |(index, field): (usize, &Arc<Field>)| match (self.form.smallest[index], &self.steps) {
            (_, Some((places, steps))) if *places == index => Ok(steps.slice(self.stored, count(rows))),
            (Some(_), _) if self.form.is_constant[index] => Ok(Arc::new(UInt8Array::from(vec![0; count(rows)])) as ArrayRef),
            (Some(smallest), _) => {
                let own = rows.first().map_or(&DataType::Null, |rows| rows.batch.column(index).data_type());
                let other = || ArrowError::SchemaError(format!("{} is {own}, not a number", field.name()));
                Ok((numbers(own).ok_or_else(other)?.store)(index, rows, smallest, field.data_type()))
            }
            (None, _) => gathered(index, rows, field.data_type()),
        };
        let columns = self.schema.fields().iter().enumerate().map(stored).collect::<Result<_, _>>()?;
        self.stored += count(rows);
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// Some rows of a batch.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub batch: &'a RecordBatch,
    pub rows: &'a [u32],
}

fn count(rows: &[Rows<'_>]) -> usize {
    rows.iter().map(|rows| rows.rows.len()).sum()
}

/// A column of some rows that is not stored by its smallest value.
fn gathered(index: usize, rows: &[Rows<'_>], stored: &DataType) -> Result<ArrayRef, ArrowError> {
    let own = rows.first().map_or(&DataType::Null, |rows| rows.batch.column(index).data_type());
    Ok(match (own, stored) {
        (DataType::Utf8View, DataType::Utf8) => with_offsets::<StringViewType, Utf8Type>(index, rows),
        (DataType::BinaryView, DataType::Binary) => with_offsets::<BinaryViewType, BinaryType>(index, rows),
        (DataType::Int64, _) => whole::<Int64Type>(index, rows, stored),
        (DataType::UInt64, _) => whole::<UInt64Type>(index, rows, stored),
        (DataType::Float64, _) => whole::<Float64Type>(index, rows, stored),
        (DataType::Timestamp(TimeUnit::Microsecond, _), _) => whole::<TimestampMicrosecondType>(index, rows, stored),
        (DataType::Decimal128(..), _) => whole::<Decimal128Type>(index, rows, stored),
        _ => {
            let sources: Vec<&dyn Array> = rows.iter().map(|rows| rows.batch.column(index).as_ref()).collect();
            let places = rows.iter().enumerate().flat_map(|(source, rows)| rows.rows.iter().map(move |row| (source, *row as usize)));
            crate::order::compact_array(&interleave(&sources, &places.collect::<Vec<_>>())?)
        }
    })
}

/// Which of the rows are null; none if no row of their batches is.
fn nulls_of(index: usize, rows: &[Rows<'_>]) -> Option<NullBuffer> {
    if rows.iter().all(|rows| rows.batch.column(index).null_count() == 0) {
        return None;
    }
    let mut nulls = NullBufferBuilder::new(count(rows));
    for Rows { batch, rows } in rows {
        let column = batch.column(index);
        rows.iter().for_each(|row| nulls.append(column.is_valid(*row as usize)));
    }
    nulls.finish()
}

/// Makes the rows of one run what they were.
pub struct Restoring {
    schema: SchemaRef,
    /// For each column that is stored as steps, where the last one led.
    reached: HashMap<usize, u64>,
}

impl Restoring {
    /// Rows will be as `schema` has them.
    pub fn new(schema: SchemaRef) -> Restoring {
        Restoring { schema, reached: HashMap::new() }
    }

    /// The next stored rows of the run. Errors: the columns are others.
    pub fn restore(&mut self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::clone(&self.schema);
        let mut columns = Vec::with_capacity(rows.num_columns());
        for (index, ((column, stored), wanted)) in rows.columns().iter().zip(rows.schema_ref().fields()).zip(schema.fields()).enumerate() {
            columns.push(match stored.metadata().get(STEPS_FROM) {
                Some(from) => self.walked(index, from, column).ok_or_else(|| other(stored, wanted))?,
                None => restored_column(column, stored, wanted)?,
            });
        }
        RecordBatch::try_new(schema, columns)
    }

    /// The places to which steps lead; none if these are no steps.
    fn walked(&mut self, index: usize, from: &str, column: &ArrayRef) -> Option<ArrayRef> {
        let reached = match self.reached.entry(index) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(from.parse().ok()?),
        };
        let places = if let Some(steps) = column.as_primitive_opt::<UInt8Type>() {
            walk(reached, steps.values().iter().map(|step| u64::from(*step)))
        } else {
            walk(reached, column.as_primitive_opt::<UInt16Type>()?.values().iter().map(|step| u64::from(*step)))
        };
        Some(Arc::new(places))
    }
}

/// The places that steps lead to, from `reached` on, which then is the last of them.
fn walk(reached: &mut u64, steps: impl ExactSizeIterator<Item = u64>) -> UInt64Array {
    let places: Vec<u64> = steps
        .map(|step| {
            *reached = reached.wrapping_add(step);
            *reached
        })
        .collect();
    UInt64Array::from(places)
}

fn restored_column(column: &ArrayRef, stored: &Field, wanted: &Field) -> Result<ArrayRef, ArrowError> {
    if let (Some(smallest), Some(numbers)) = (stored.metadata().get(SMALLEST), numbers(wanted.data_type())) {
        let smallest = smallest.parse().map_err(|_| other(stored, wanted))?;
        return (numbers.restore)(column, smallest, wanted.data_type()).ok_or_else(|| other(stored, wanted));
    }
    Ok(match (column.data_type(), wanted.data_type()) {
        (DataType::Utf8, DataType::Utf8View) => Arc::new(StringViewArray::from(column.as_string::<i32>())) as ArrayRef,
        (DataType::Binary, DataType::BinaryView) => Arc::new(BinaryViewArray::from(column.as_binary::<i32>())),
        _ => Arc::clone(column),
    })
}

fn other(stored: &Field, wanted: &Field) -> ArrowError {
    ArrowError::SchemaError(format!("{} is stored as {}, which is no form of {}", wanted.name(), stored.data_type(), wanted.data_type()))
}

/// The type that holds a range of numbers, and its smallest; the type itself where no other is narrower.
fn narrowest(own: &DataType, range: Option<(i128, i128)>) -> (DataType, Option<i128>) {
    let (smallest, largest) = range.unwrap_or((0, 0));
    // Two decimals may lie farther apart than any number says.
    let Some(reach) = largest.checked_sub(smallest) else { return (own.clone(), None) };
    let narrow = [DataType::UInt8, DataType::UInt16, DataType::UInt32];
    let found = narrow.into_iter().find(|narrow| reach < 1 << (8 * narrow.primitive_width().unwrap_or_default()));
    match found.filter(|narrow| narrow.primitive_width() < own.primitive_width()) {
        Some(narrow) => (narrow, Some(smallest)),
        None => (own.clone(), None),
    }
}

/// What can be done with columns of one type of numbers.
struct Numbers {
    range: fn(&mut dyn Iterator<Item = &ArrayRef>) -> Option<(i128, i128)>,
    store: fn(usize, &[Rows<'_>], i128, &DataType) -> ArrayRef,
    restore: fn(&ArrayRef, i128, &DataType) -> Option<ArrayRef>,
}

fn of<T>() -> Numbers
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128> + TryFrom<i128> + Ord,
{
    Numbers { range: range::<T>, store: store::<T>, restore: restored::<T> }
}

fn numbers(data_type: &DataType) -> Option<Numbers> {
    Some(match data_type {
        DataType::Int16 => of::<Int16Type>(),
        DataType::Int32 => of::<Int32Type>(),
        DataType::Int64 => of::<Int64Type>(),
        DataType::UInt16 => of::<UInt16Type>(),
        DataType::UInt32 => of::<UInt32Type>(),
        DataType::UInt64 => of::<UInt64Type>(),
        DataType::Date32 => of::<Date32Type>(),
        DataType::Time64(TimeUnit::Microsecond) => of::<Time64MicrosecondType>(),
        DataType::Time64(TimeUnit::Nanosecond) => of::<Time64NanosecondType>(),
        DataType::Timestamp(TimeUnit::Second, _) => of::<TimestampSecondType>(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => of::<TimestampMillisecondType>(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => of::<TimestampNanosecondType>(),
        DataType::Decimal128(..) => of::<Decimal128Type>(),
        _ => return None,
    })
}

fn range<T>(arrays: &mut dyn Iterator<Item = &ArrayRef>) -> Option<(i128, i128)>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i128> + Ord,
{
    let mut found: Option<(T::Native, T::Native)> = None;
    for array in arrays {
        let array = array.as_primitive::<T>();
        let of_array = if array.null_count() == 0 { range_of(array.values().iter().copied()) } else { range_of(array.iter().flatten()) };
        found = match (found, of_array) {
            (Some((smallest, largest)), Some((low, high))) => Some((smallest.min(low), largest.max(high))),
            (known, of_array) => known.or(of_array),
        };
    }
    found.map(|(smallest, largest)| (smallest.into(), largest.into()))
}

fn range_of<N: Ord + Copy>(mut values: impl Iterator<Item = N>) -> Option<(N, N)> {
    let first = values.next()?;
    Some(values.fold((first, first), |(smallest, largest), value| (smallest.min(value), largest.max(value))))
}

fn store<T>(index: usize, rows: &[Rows<'_>], smallest: i128, stored: &DataType) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    // It is one of the column's own values, or zero.
    let smallest = T::Native::try_from(smallest).unwrap_or_default();
    // What stands under a null may be anything, and is cut to something.
    let excess = |value: T::Native| value.sub_wrapping(smallest).as_usize();
    match stored {
        DataType::UInt8 => picked::<T, UInt8Type>(index, rows, |value| excess(value) as u8, stored),
        DataType::UInt16 => picked::<T, UInt16Type>(index, rows, |value| excess(value) as u16, stored),
        _ => picked::<T, UInt32Type>(index, rows, |value| excess(value) as u32, stored),
    }
}

fn whole<T: ArrowPrimitiveType>(index: usize, rows: &[Rows<'_>], stored: &DataType) -> ArrayRef {
    picked::<T, T>(index, rows, |value| value, stored)
}

fn picked<T: ArrowPrimitiveType, S: ArrowPrimitiveType>(
    index: usize,
    rows: &[Rows<'_>],
    store: impl Fn(T::Native) -> S::Native,
    stored: &DataType,
) -> ArrayRef {
    let mut values: Vec<S::Native> = Vec::with_capacity(count(rows));
    for Rows { batch, rows } in rows {
        let column = batch.column(index).as_primitive::<T>().values();
        values.extend(rows.iter().map(|row| store(column[*row as usize])));
    }
    Arc::new(PrimitiveArray::<S>::new(values.into(), nulls_of(index, rows)).with_data_type(stored.clone()))
}

/// None if the column is not stored as numbers are.
fn restored<T>(column: &ArrayRef, smallest: i128, wanted: &DataType) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let smallest = T::Native::try_from(smallest).ok()?;
    let whole = |excess: usize| smallest.add_wrapping(T::Native::usize_as(excess));
    let values = if let Some(column) = column.as_primitive_opt::<UInt8Type>() {
        column.values().iter().map(|excess| whole(usize::from(*excess))).collect()
    } else if let Some(column) = column.as_primitive_opt::<UInt16Type>() {
        column.values().iter().map(|excess| whole(usize::from(*excess))).collect()
    } else {
        column.as_primitive_opt::<UInt32Type>()?.values().iter().map(|excess| whole(*excess as usize)).collect()
    };
    Some(Arc::new(PrimitiveArray::<T>::new(values, column.nulls().cloned()).with_data_type(wanted.clone())))
}

fn with_offsets<V, T>(index: usize, rows: &[Rows<'_>]) -> ArrayRef
where
    V: ByteViewType,
    T: ByteArrayType<Native = V::Native>,
{
    let texts = |rows: &Rows<'_>| rows.batch.column(index).as_byte_view::<V>().clone();
    let length = |rows: &Rows<'_>| {
        let texts = texts(rows);
        let views = texts.views();
        rows.rows.iter().map(|row| views[*row as usize] as u32 as usize).sum::<usize>()
    };
    let mut builder = GenericByteBuilder::<T>::with_capacity(count(rows), rows.iter().map(length).sum());
    for rows in rows {
        let texts = texts(rows);
        if texts.null_count() == 0 {
            rows.rows.iter().for_each(|row| builder.append_value(texts.value(*row as usize)));
        } else {
            rows.rows.iter().for_each(|row| builder.append_option(texts.is_valid(*row as usize).then(|| texts.value(*row as usize))));
        }
    }
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Date32Array, Decimal128Array, Float64Array, Int64Array, Time64MicrosecondArray, TimestampMicrosecondArray};
    use arrow_select::interleave::interleave_record_batch;
    use proptest::prelude::*;

    fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
    }

    fn batches(values: &[(Option<i64>, Option<String>, i128)], cut: usize) -> Vec<RecordBatch> {
        let batch = |values: &[(Option<i64>, Option<String>, i128)]| {
            let numbers = || values.iter().map(|(number, _, _)| *number);
            let texts = || values.iter().map(|(_, text, _)| text.as_deref());
            let decimals: Decimal128Array = values.iter().map(|(_, _, decimal)| Some(*decimal)).collect();
            rows(vec![
                ("n", Arc::new(numbers().collect::<Int64Array>())),
                ("u", Arc::new(numbers().map(|number| number.map(|number| number as u64)).collect::<UInt64Array>())),
                ("at", Arc::new(numbers().collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
                ("day", Arc::new(numbers().map(|number| number.map(|number| number as i32)).collect::<Date32Array>())),
                ("time", Arc::new(numbers().collect::<Time64MicrosecondArray>())),
                ("f", Arc::new(numbers().map(|number| number.map(|number| number as f64)).collect::<Float64Array>())),
                ("d", Arc::new(decimals.with_precision_and_scale(38, 2).unwrap())),
                ("t", Arc::new(texts().collect::<StringViewArray>())),
                ("b", Arc::new(texts().map(|text| text.map(str::as_bytes)).collect::<BinaryViewArray>())),
            ])
        };
        values.chunks(cut).map(batch).collect()
    }

    fn number() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![
            prop::option::of(0i64..300),
            prop::option::of(-70_000i64..70_000),
            any::<Option<i64>>(),
            Just(Some(i64::MIN)),
            Just(None)
        ]
    }

    proptest! {
        #[test]
        fn what_is_stored_comes_back(
            values in prop::collection::vec((number(), prop::option::of("[a-zäß]{0,20}"), -(10i128.pow(38) - 1)..10i128.pow(38)), 1..60),
            cut in 1usize..20,
            are_wide: bool,
        ) {
            let batches = batches(&values, cut);
            let schema = batches[0].schema();
            let form = Form::of(&schema, &batches, if are_wide { MAX_OFFSET_BYTES } else { 0 });
            // Every other row of each batch, then the rest.
            let rows: Vec<Vec<u32>> = [0, 1].into_iter().flat_map(|first| {
                batches.iter().map(move |batch| (first..batch.num_rows() as u32).step_by(2).collect())
            }).collect();
            let of_batches = batches.iter().cycle().zip(&rows).map(|(batch, rows)| Rows { batch, rows });
            let of_batches: Vec<Rows> = of_batches.collect();
            let mut run = form.of_run(&of_batches);
            let stored = run.store(&of_batches).unwrap();
            prop_assert_eq!(stored.schema(), Arc::clone(&run.schema));
            let places = rows.iter().enumerate().flat_map(|(at, rows)| rows.iter().map(move |row| (at, *row as usize)));
            let sources: Vec<&RecordBatch> = batches.iter().cycle().take(rows.len()).collect();
            let wanted = interleave_record_batch(&sources, &places.collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(Restoring::new(schema).restore(&stored).unwrap(), wanted);
        }
    }

    #[test]
    fn numbers_take_as_few_bytes_as_hold_them() {
        let stored = |values: Vec<i64>| {
            let batch = rows(vec![("n", Arc::new(Int64Array::from(values)))]);
            Form::of(&batch.schema(), &[batch], 0).schema.field(0).data_type().clone()
        };
        assert_eq!(stored(vec![7, 7]), DataType::UInt8);
        assert_eq!(stored(vec![1_000_000, 1_000_255]), DataType::UInt8);
        assert_eq!(stored(vec![0, 256]), DataType::UInt16);
        assert_eq!(stored(vec![-1, i64::from(u32::MAX) - 1]), DataType::UInt32);
        assert_eq!(stored(vec![-1, i64::from(u32::MAX)]), DataType::Int64);
        assert_eq!(stored(vec![i64::MIN, i64::MAX]), DataType::Int64);
    }

    #[test]
    fn columns_of_another_stage_are_refused() {
        let batch = rows(vec![("n", Arc::new(Int64Array::from(vec![1, 2])))]);
        let form = Form::of(&batch.schema(), std::slice::from_ref(&batch), 0);
        let text = Arc::new(Schema::new(vec![Field::new("n", DataType::Utf8View, true)]));
        let rows = [Rows { batch: &batch, rows: &[0, 1] }];
        assert!(Restoring::new(text).restore(&form.of_run(&rows).store(&rows).unwrap()).is_err());
    }

    /// A run of rows at these places, stored and restored in pieces of two rows; and the type in which places were stored.
    fn through(places: &[u64]) -> (Vec<u64>, DataType) {
        let batch = rows(vec![(ORDER_COLUMNS[1].0, Arc::new(UInt64Array::from(places.to_vec())))]);
        let form = Form::of(&batch.schema(), std::slice::from_ref(&batch), 0);
        let all: Vec<u32> = (0..places.len() as u32).collect();
        let mut run = form.of_run(&[Rows { batch: &batch, rows: &all }]);
        let mut restoring = Restoring::new(batch.schema());
        let mut found = Vec::new();
        for piece in all.chunks(2) {
            let stored = run.store(&[Rows { batch: &batch, rows: piece }]).unwrap();
            let restored = restoring.restore(&stored).unwrap();
            found.extend_from_slice(restored.column(0).as_primitive::<UInt64Type>().values());
        }
        (found, run.schema.field(0).data_type().clone())
    }

    #[test]
    fn places_are_stored_as_steps_where_a_byte_holds_them() {
        let far = u64::MAX - 1_000;
        for (places, stored) in [
            (vec![1_000, 1_000, 1_255, 1_500, 1_501], DataType::UInt8),
            (vec![far, far + 255, far + 510, far + 765], DataType::UInt8),
            (vec![1_000, 1_256, 1_300], DataType::UInt16),
            // They begin anew with another file.
            (vec![5_000, 5_001, 5_002, 1, 2], DataType::UInt16),
            (vec![0, 40_000, 70_000, 70_001], DataType::UInt16),
            (vec![0, 70_000, 70_001], DataType::UInt32),
            (vec![70_000, 70_001, 3], DataType::UInt32),
        ] {
            assert_eq!(through(&places), (places.clone(), stored), "{places:?}");
        }
    }

    /// A core that knows nothing of steps must not take them for places.
    #[test]
    fn steps_are_no_numbers_above_the_smallest() {
        let batch = rows(vec![(ORDER_COLUMNS[1].0, Arc::new(UInt64Array::from(vec![1_000, 1_200, 1_400])))]);
        let form = Form::of(&batch.schema(), std::slice::from_ref(&batch), 0);
        let run = form.of_run(&[Rows { batch: &batch, rows: &[0, 1, 2] }]);
        assert_eq!(run.schema.field(0).data_type(), &DataType::UInt8);
        assert_eq!(run.schema.field(0).metadata().get(SMALLEST), None);
    }
}
