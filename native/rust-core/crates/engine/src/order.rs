//! The hidden order columns of rows on their way through an exchange, and rows as the order of the job sorts them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, RecordBatchOptions, StructArray, UInt32Array, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::error::Error;
use crate::program::{ORDER_COLUMNS, Order};

/// The columns of a stage's rows while they are exchanged: all nullable, the order columns last.
pub fn with_order(columns: &Schema) -> SchemaRef {
    let nullable = columns.fields().iter().map(|field| Field::new(field.name(), field.data_type().clone(), true));
    let order = ORDER_COLUMNS.into_iter().map(|(name, data_type)| Field::new(name, data_type, false));
    Arc::new(Schema::new(nullable.chain(order).collect::<Vec<_>>()))
}

/// Adds places to rows. `schema` is `with_order` of theirs.
pub fn add_order(schema: &SchemaRef, rows: &RecordBatch, first: Vec<u32>, second: Vec<u64>, third: Vec<u32>) -> Result<RecordBatch, Error> {
    let order: [ArrayRef; 3] =
        [Arc::new(UInt32Array::from(first)), Arc::new(UInt64Array::from(second)), Arc::new(UInt32Array::from(third))];
    let columns = rows.columns().iter().cloned().chain(order).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(gather_error)
}

/// The rows without their order columns.
pub fn without_order(rows: &RecordBatch) -> Result<RecordBatch, Error> {
    let columns: Vec<usize> = (0..rows.num_columns() - ORDER_COLUMNS.len()).collect();
    rows.project(&columns).map_err(gather_error)
}

/// The places of the rows of one batch.
pub struct Places<'a> {
    first: &'a [u32],
    second: &'a [u64],
    third: &'a [u32],
}

impl<'a> Places<'a> {
    /// `PLAN_CONFLICT` if the last three columns are no order columns.
    pub fn of(rows: &'a RecordBatch) -> Result<Places<'a>, Error> {
        let wrong = || Error::new("PLAN_CONFLICT", "exchanged rows came without their order columns");
        let start = rows.num_columns().checked_sub(ORDER_COLUMNS.len()).ok_or_else(wrong)?;
        Ok(Places {
            first: rows.column(start).as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?.values(),
            second: rows.column(start + 1).as_primitive_opt::<UInt64Type>().ok_or_else(wrong)?.values(),
            third: rows.column(start + 2).as_primitive_opt::<UInt32Type>().ok_or_else(wrong)?.values(),
        })
    }

    pub fn at(&self, row: usize) -> Order {
        (self.first[row], self.second[row], self.third[row])
    }

    /// How many rows from `start` on stand before `bound`, or at it.
    pub fn up_to(&self, start: usize, bound: Order) -> usize {
        let (mut low, mut high) = (start, self.first.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at(middle) <= bound {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - start
    }
}

/// Copies text that points into larger buffers, so that rows hold, and write, no more than their own bytes.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let columns = batch.columns().iter().map(compact_array).collect();
    RecordBatch::try_new(batch.schema(), columns).map_err(gather_error)
}

/// Copies text only where less than half of what it points into is its own. For rows that wait, and were compact when they were read.
pub fn released(batch: RecordBatch) -> Result<RecordBatch, Error> {
    let columns = batch.columns().iter().map(|column| if holds_little(column) { compact_array(column) } else { Arc::clone(column) });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options).map_err(gather_error)
}

fn holds_little(array: &ArrayRef) -> bool {
    let is_slack = |held: usize, used: usize| held > 2 * used;
    match array.data_type() {
        DataType::Utf8View => {
            let texts = array.as_string_view();
            is_slack(texts.data_buffers().iter().map(|buffer| buffer.capacity()).sum(), texts.total_buffer_bytes_used())
        }
        DataType::BinaryView => {
            let bytes = array.as_binary_view();
            is_slack(bytes.data_buffers().iter().map(|buffer| buffer.capacity()).sum(), bytes.total_buffer_bytes_used())
        }
        DataType::List(_) | DataType::Struct(_) => true,
        _ => false,
    }
}

pub fn compact_array(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            let values = compact_array(list.values());
            Arc::new(ListArray::new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned()))
        }
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            let columns = parts.columns().iter().map(compact_array).collect();
            Arc::new(StructArray::new(fields.clone(), columns, parts.nulls().cloned()))
        }
        _ => Arc::clone(array),
    }
}

pub fn gather_error(error: ArrowError) -> Error {
    Error::new("CORE_PANIC", format!("cannot gather rows: {error}"))
}
