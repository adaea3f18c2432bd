//! How large rows may become. A row of more than 64 MiB is its record's failure; a batch of good rows that together are too large is taken apart,
//! and ends the attempt for want of memory if that does not help.

use arrow_array::{Array, ArrayRef, RecordBatch, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ColumnarValue;

use crate::error::{RowError, TOO_LARGE};

/// Most bytes of values in one row.
pub const MAX_ROW_BYTES: u64 = 64 << 20;
/// Most bytes of values in the rows of one batch.
pub const MAX_BATCH_BYTES: u64 = 256 << 20;

pub fn too_large() -> DataFusionError {
    RowError { code: TOO_LARGE, message: format!("the row would hold more than {} MiB", MAX_ROW_BYTES >> 20) }.into()
}

/// Refuses a value that an expression made if it is too large for a row, or all of them for a batch.
pub fn check_value(value: &ColumnarValue) -> Result<()> {
    match value {
        ColumnarValue::Array(array) => Made::default().add(array),
        ColumnarValue::Scalar(_) => Ok(()),
    }
}

/// Refuses rows of which one is too large. Together they may be: what is repeated for many rows is in memory once.
pub fn check_rows(rows: &RecordBatch) -> Result<()> {
    let mut sums = Vec::new();
    rows.columns().iter().for_each(|column| add_lengths(column, &mut sums));
    if sums.iter().any(|row| *row > MAX_ROW_BYTES) { Err(too_large()) } else { Ok(()) }
}

/// Columns that are made for the same rows, one after another.
#[derive(Default)]
pub struct Made {
    sums: Vec<u64>,
}

impl Made {
    /// Refuses a column that makes a row too large, or all of them together.
    pub fn add(&mut self, column: &ArrayRef) -> Result<()> {
        add_lengths(column, &mut self.sums);
        check(&self.sums)
    }
}

/// Bytes of all values.
pub fn bytes_of(rows: &RecordBatch) -> u64 {
    rows.columns().iter().filter(|column| is_open(column.data_type())).flat_map(lengths_of).sum()
}

fn check(rows: &[u64]) -> Result<()> {
    let is_too_many = rows.len() > 1 && rows.iter().fold(0u64, |all, row| all.saturating_add(*row)) > MAX_BATCH_BYTES;
    if is_too_many || rows.iter().any(|row| *row > MAX_ROW_BYTES) { Err(too_large()) } else { Ok(()) }
}

/// Adds the bytes of a column, unless they are few by its type.
fn add_lengths(column: &ArrayRef, sums: &mut Vec<u64>) {
    if is_open(column.data_type()) {
        sums.resize(column.len(), 0);
        sums.iter_mut().zip(lengths_of(column)).for_each(|(sum, length)| *sum = sum.saturating_add(length));
    }
}

/// Can values of this type be of any size?
fn is_open(data_type: &DataType) -> bool {
    !(data_type.is_primitive() || matches!(data_type, DataType::Boolean | DataType::Null))
}

/// Bytes of each row's value.
pub fn lengths_of(column: &ArrayRef) -> Vec<u64> {
    let rows = column.len();
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().lengths().map(u64::from).collect(),
        DataType::BinaryView => column.as_binary_view().lengths().map(u64::from).collect(),
        DataType::Utf8 => differences(column.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => differences(column.as_string::<i64>().value_offsets()),
        DataType::Binary => differences(column.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => differences(column.as_binary::<i64>().value_offsets()),
        DataType::List(_) => sums_between(column.as_list::<i32>().value_offsets(), column.as_list::<i32>().values()),
        DataType::LargeList(_) => sums_between(column.as_list::<i64>().value_offsets(), column.as_list::<i64>().values()),
        DataType::FixedSizeList(_, size) => {
            let list = column.as_fixed_size_list();
            let first = list.value_offset(0);
            let offsets: Vec<i32> = (0..=rows as i32).map(|row| first + row * size).collect();
            sums_between(&offsets, list.values())
        }
        DataType::Struct(_) => {
            let mut sums = vec![0u64; rows];
            for part in column.as_struct().columns() {
                sums.iter_mut().zip(lengths_of(part)).for_each(|(sum, length)| *sum = sum.saturating_add(length));
            }
            sums
        }
        other => vec![other.primitive_width().unwrap_or(1) as u64; rows],
    }
}

fn differences<T: Copy + Into<i64>>(offsets: &[T]) -> Vec<u64> {
    offsets.windows(2).map(|pair| (pair[1].into() - pair[0].into()).unsigned_abs()).collect()
}

fn sums_between<T: Copy + Into<i64>>(offsets: &[T], values: &ArrayRef) -> Vec<u64> {
    let lengths = lengths_of(values);
    let sum = |pair: &[T]| {
        let (start, end): (i64, i64) = (pair[0].into(), pair[1].into());
        lengths[start as usize..end as usize].iter().sum()
    };
    offsets.windows(2).map(sum).collect()
}
