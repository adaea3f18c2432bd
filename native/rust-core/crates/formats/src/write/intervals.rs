//! Durations in Parquet: its only form for them knows no nanoseconds and few readers know it, so they are written as ISO 8601 text.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::column::Column;
use crate::error::Error;

/// The schema with text in the place of durations, also as items of lists.
pub(super) fn as_text_schema(schema: &SchemaRef) -> SchemaRef {
    if !schema.fields().iter().any(|field| holds_duration(field.data_type())) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().map(|field| Field::new(field.name(), text_type(field.data_type()), field.is_nullable()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows in that schema.
pub(super) fn as_text<'b>(batch: &'b RecordBatch, schema: &SchemaRef) -> Result<Cow<'b, RecordBatch>, Error> {
    if batch.schema_ref() == schema || !batch.columns().iter().any(|column| holds_duration(column.data_type())) {
        return Ok(Cow::Borrowed(batch));
    }
    let columns = batch.columns().iter().map(text_of).collect::<Result<Vec<_>, Error>>()?;
    let batch = RecordBatch::try_new(Arc::clone(schema), columns);
    batch.map(Cow::Owned).map_err(|error| Error::new("CORE_PANIC", format!("cannot write durations as text: {error}")))
}

fn holds_duration(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) => true,
        DataType::List(item) => holds_duration(item.data_type()),
        _ => false,
    }
}

fn text_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) => DataType::Utf8,
        DataType::List(item) => DataType::List(Arc::new(Field::new(item.name(), text_type(item.data_type()), item.is_nullable()))),
        other => other.clone(),
    }
}

fn text_of(array: &ArrayRef) -> Result<ArrayRef, Error> {
    match array.data_type() {
        DataType::Interval(_) | DataType::Duration(_) => {
            let column = Column::of(array)?;
            let mut builder = StringBuilder::new();
            let mut text = Vec::new();
            for row in 0..array.len() {
                text.clear();
                if array.is_valid(row) {
                    column.append(row, &mut text);
                }
                builder.append_option(array.is_valid(row).then(|| String::from_utf8_lossy(&text)));
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::List(item) if holds_duration(item.data_type()) => {
            let list = array.as_list::<i32>();
            let items = text_of(list.values())?;
            let field = Arc::new(Field::new(item.name(), items.data_type().clone(), item.is_nullable()));
            Ok(Arc::new(ListArray::new(field, list.offsets().clone(), items, list.nulls().cloned())))
        }
        _ => Ok(Arc::clone(array)),
    }
}
