//! `unnest` in the select list: one row for each element of a list. Several lists of one row are taken side by side, the shorter ones
//! filled up with nulls.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, cast::AsArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_expr::Unnest;

use crate::error::{RowError, TOO_LARGE};
use crate::evaluate::Rows;
use crate::growth::check_rows;

/// Most rows that one record may become.
pub const MAX_ROWS_PER_RECORD: usize = 100_000;

/// Where an output column comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Repeated(usize),
    /// The elements of the list in this column.
    Elements(usize),
}

pub struct UnnestLists {
    sources: Vec<Source>,
    lists: Vec<usize>,
    /// Does a null list yield one row of null?
    keeps_nulls: bool,
    schema: SchemaRef,
}

impl UnnestLists {
    pub fn compile(node: &Unnest, input: &DFSchema) -> Result<(UnnestLists, DFSchema)> {
        if !node.struct_type_columns.is_empty() {
            return Err(DataFusionError::NotImplemented("unnest of a struct is not supported; name its fields".into()));
        }
        if node.list_type_columns.iter().any(|(_, list)| list.depth != 1) {
            return Err(DataFusionError::NotImplemented(
                "unnest of several levels at once is not supported; nest the calls in a WITH".into(),
            ));
        }
        let mut sources = Vec::with_capacity(node.dependency_indices.len());
        let mut fields = Vec::with_capacity(node.dependency_indices.len());
        for (output, input_index) in node.dependency_indices.iter().enumerate() {
            let (qualifier, field) = node.schema.qualified_field(output);
            let is_list =
                node.list_type_columns.iter().any(|(index, list)| index == input_index && list.output_column.name == *field.name());
            let from = input.field(*input_index).data_type();
            let (source, data_type) = if is_list {
                (Source::Elements(*input_index), element_type(from)?)
            } else {
                (Source::Repeated(*input_index), from.clone())
            };
            sources.push(source);
            fields.push((qualifier.cloned(), Arc::new(Field::new(field.name(), data_type, true))));
        }
        let lists = node.list_type_columns.iter().map(|(index, _)| *index).collect();
        let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
        let plain = Arc::new(schema.as_arrow().clone());
        Ok((UnnestLists { sources, lists, keeps_nulls: node.options.preserve_nulls(), schema: plain }, schema))
    }

    pub fn evaluate(&self, rows: Rows) -> Result<Rows> {
        let batch = &rows.batch;
        let lists = self.lists.iter().map(|index| Lengths::of(batch.column(*index))).collect::<Result<Vec<_>>>()?;
        let mut counts = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let longest = lists.iter().map(|list| list.length(row)).max().unwrap_or(0);
            let is_null = lists.iter().all(|list| list.array.is_null(row));
            counts.push(if is_null && self.keeps_nulls { 1 } else { longest });
        }
        check_counts(&counts, &rows)?;
        check_rows(batch)?;
        let repeated = repeat(&counts);
        let mut columns = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            columns.push(match source {
                Source::Repeated(index) => take(batch.column(*index), &repeated, None)?,
                Source::Elements(index) => Lengths::of(batch.column(*index))?.elements(&counts)?,
            });
        }
        let origin = match &rows.origin {
            None => repeated.clone(),
            Some(origin) => repeated.values().iter().map(|row| origin.value(*row as usize)).collect(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(repeated.len()));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(self.schema.fields().clone())), columns, &options)?;
        Ok(Rows { batch, origin: Some(origin) })
    }
}

fn element_type(list: &DataType) -> Result<DataType> {
    match list {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => Ok(field.data_type().clone()),
        DataType::Null => Ok(DataType::Null),
        other => Err(DataFusionError::Plan(format!("unnest takes a list, not {other}"))),
    }
}

/// Each row index as often as its count says.
pub fn repeat(counts: &[usize]) -> UInt32Array {
    counts.iter().enumerate().flat_map(|(row, count)| std::iter::repeat_n(row as u32, *count)).collect::<Vec<u32>>().into()
}

/// Refuses a record that becomes too many rows, before memory is taken for them.
pub fn check_counts(counts: &[usize], rows: &Rows) -> Result<()> {
    let origin = |row: usize| rows.origin.as_ref().map_or(row as u32, |origin| origin.value(row));
    let (mut record, mut total) = (None, 0usize);
    for (row, count) in counts.iter().enumerate() {
        if record != Some(origin(row)) {
            (record, total) = (Some(origin(row)), 0);
        }
        total = total.saturating_add(*count);
        if total > MAX_ROWS_PER_RECORD {
            let message = format!("the record becomes more than {MAX_ROWS_PER_RECORD} rows");
            return Err(RowError { code: TOO_LARGE, message }.into());
        }
    }
    Ok(())
}

/// A list column, whatever its layout.
struct Lengths {
    array: ArrayRef,
    values: ArrayRef,
    offsets: Vec<usize>,
}

impl Lengths {
    fn of(array: &ArrayRef) -> Result<Lengths> {
        let (values, offsets) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Arc::clone(list.values()), list.value_offsets().iter().map(|offset| *offset as usize).collect())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (Arc::clone(list.values()), list.value_offsets().iter().map(|offset| *offset as usize).collect())
            }
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                let first = list.value_offset(0) as usize;
                (Arc::clone(list.values()), (0..=array.len()).map(|row| first + row * *size as usize).collect())
            }
            DataType::Null => (new_null_array(&DataType::Null, 0), vec![0; array.len() + 1]),
            other => return Err(DataFusionError::Internal(format!("unnest of {other}"))),
        };
        Ok(Lengths { array: Arc::clone(array), values, offsets })
    }

    fn length(&self, row: usize) -> usize {
        if self.array.is_null(row) { 0 } else { self.offsets[row + 1] - self.offsets[row] }
    }

    /// The elements of each row, filled up with nulls to its count.
    fn elements(&self, counts: &[usize]) -> Result<ArrayRef> {
        let mut indices: Vec<Option<u32>> = Vec::with_capacity(counts.iter().sum());
        for (row, count) in counts.iter().enumerate() {
            let length = self.length(row);
            indices.extend((0..*count).map(|item| (item < length).then(|| (self.offsets[row] + item) as u32)));
        }
        Ok(take(&self.values, &UInt32Array::from(indices), None)?)
    }
}
