//! How rows lie in an exchange object. Whole numbers, dates, instants and decimals are stored as what they exceed the smallest of their run by,
//! in as few bytes as hold the largest; texts end where the next begins, without views. It is half the bytes or less to compress, to store and
//! to read, and says which smallest value to add in the fields of the run's own schema, so any reader of Arrow IPC can follow.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::GenericByteBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, BinaryType, BinaryViewType, ByteArrayType, ByteViewType, Date32Type, Decimal128Type, Int16Type, Int32Type,
    Int64Type, StringViewType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, Utf8Type,
};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, BinaryViewArray, PrimitiveArray, RecordBatch, StringViewArray};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

/// The name under which a field's metadata holds the smallest value.
const SMALLEST: &str = "smallest";
/// Texts of a run that hold more keep their views: offsets have 31 bits.
const MAX_OFFSET_BYTES: usize = 1 << 30;

/// The form of the rows of some runs.
pub struct Form {
    /// Columns as they are stored.
    pub schema: SchemaRef,
    /// For each column the smallest of its numbers, where it is stored as such.
    smallest: Vec<Option<i128>>,
}

impl Form {
    /// The form for rows that are gathered, whose values have `bytes` bytes together.
    pub fn of(schema: &Schema, batches: &[RecordBatch], bytes: usize) -> Form {
        let mut fields = Vec::with_capacity(schema.fields().len());
        let mut smallest = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let arrays = batches.iter().map(|batch| batch.column(index));
            let (stored, base) = match (numbers(field.data_type()), field.data_type()) {
                (Some(numbers), own) => narrowest(own, (numbers.range)(&mut arrays.into_iter())),
                (None, DataType::Utf8View) if bytes < MAX_OFFSET_BYTES => (DataType::Utf8, None),
                (None, DataType::BinaryView) if bytes < MAX_OFFSET_BYTES => (DataType::Binary, None),
                (None, own) => (own.clone(), None),
            };
            let metadata: HashMap<String, String> = base.iter().map(|base| (SMALLEST.to_owned(), base.to_string())).collect();
            fields.push(Field::new(field.name(), stored, field.is_nullable()).with_metadata(metadata));
            smallest.push(base);
        }
        Form { schema: Arc::new(Schema::new(fields)), smallest }
    }

    /// Rows among those that the form was made for, as they are stored.
    pub fn store(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let store = |(index, column): (usize, &ArrayRef)| match (self.smallest[index], numbers(column.data_type())) {
            (Some(smallest), Some(numbers)) => (numbers.store)(column, smallest, self.schema.field(index).data_type()),
            _ => match (column.data_type(), self.schema.field(index).data_type()) {
                (DataType::Utf8View, DataType::Utf8) => with_offsets::<StringViewType, Utf8Type>(column),
                (DataType::BinaryView, DataType::Binary) => with_offsets::<BinaryViewType, BinaryType>(column),
                _ => crate::order::compact_array(column),
            },
        };
        RecordBatch::try_new(Arc::clone(&self.schema), rows.columns().iter().enumerate().map(store).collect())
    }
}

/// Stored rows as `schema` has them. Errors: the columns are others.
pub fn restore(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(rows.num_columns());
    for ((column, stored), wanted) in rows.columns().iter().zip(rows.schema_ref().fields()).zip(schema.fields()) {
        columns.push(match (stored.metadata().get(SMALLEST), numbers(wanted.data_type())) {
            (Some(smallest), Some(numbers)) => {
                let smallest = smallest.parse().map_err(|_| other(stored, wanted))?;
                (numbers.restore)(column, smallest, wanted.data_type()).ok_or_else(|| other(stored, wanted))?
            }
            _ => match (column.data_type(), wanted.data_type()) {
                (DataType::Utf8, DataType::Utf8View) => Arc::new(StringViewArray::from(column.as_string::<i32>())) as ArrayRef,
                (DataType::Binary, DataType::BinaryView) => Arc::new(BinaryViewArray::from(column.as_binary::<i32>())),
                _ => Arc::clone(column),
            },
        });
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
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
    store: fn(&ArrayRef, i128, &DataType) -> ArrayRef,
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
    let mut take = |value: T::Native| {
        found = Some(found.map_or((value, value), |(smallest, largest)| (smallest.min(value), largest.max(value))));
    };
    for array in arrays {
        let array = array.as_primitive::<T>();
        if array.null_count() == 0 {
            array.values().iter().min().into_iter().for_each(|smallest| take(*smallest));
            array.values().iter().max().into_iter().for_each(|largest| take(*largest));
        } else {
            array.iter().flatten().for_each(&mut take);
        }
    }
    found.map(|(smallest, largest)| (smallest.into(), largest.into()))
}

fn store<T>(column: &ArrayRef, smallest: i128, stored: &DataType) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let column = column.as_primitive::<T>();
    // It is one of the column's own values, or zero.
    let smallest = T::Native::try_from(smallest).unwrap_or_default();
    // What stands under a null may be anything, and is cut to something.
    let excess = |value: &T::Native| value.sub_wrapping(smallest).as_usize();
    let nulls = column.nulls().cloned();
    match stored {
        DataType::UInt8 => {
            Arc::new(PrimitiveArray::<UInt8Type>::new(column.values().iter().map(|value| excess(value) as u8).collect(), nulls))
        }
        DataType::UInt16 => {
            Arc::new(PrimitiveArray::<UInt16Type>::new(column.values().iter().map(|value| excess(value) as u16).collect(), nulls))
        }
        _ => Arc::new(PrimitiveArray::<UInt32Type>::new(column.values().iter().map(|value| excess(value) as u32).collect(), nulls)),
    }
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

fn with_offsets<V, T>(column: &ArrayRef) -> ArrayRef
where
    V: ByteViewType,
    T: ByteArrayType<Native = V::Native>,
{
    let views = column.as_byte_view::<V>();
    let bytes = views.lengths().map(|length| length as usize).sum();
    let mut builder = GenericByteBuilder::<T>::with_capacity(views.len(), bytes);
    views.iter().for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Date32Array, Decimal128Array, Int64Array, TimestampMicrosecondArray, UInt64Array};
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
            for batch in &batches {
                let stored = form.store(batch).unwrap();
                prop_assert_eq!(stored.schema(), Arc::clone(&form.schema));
                prop_assert_eq!(&restore(&stored, &schema).unwrap(), batch);
            }
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
        assert!(restore(&form.store(&batch).unwrap(), &text).is_err());
    }
}
