//! A row as a JSON object, for rejects of reduce stages: the typed values, not the bytes they once came from.

use arrow_array::{Array, RecordBatch, cast::AsArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use datafusion_common::Result;
use serde_json::{Map, Value};

/// The first `columns` columns of one row. Numbers that JSON cannot hold exactly, dates and times are texts.
pub fn row_as_json(batch: &RecordBatch, columns: usize, row: usize) -> Result<String> {
    let mut object = Map::new();
    let schema = batch.schema();
    for (field, column) in schema.fields().iter().zip(batch.columns()).take(columns) {
        object.insert(field.name().clone(), value(column.as_ref(), row)?);
    }
    Ok(Value::Object(object).to_string())
}

fn value(array: &dyn Array, row: usize) -> Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let text = || -> Result<String> { Ok(ArrayFormatter::try_new(array, &FormatOptions::default())?.value(row).try_to_string()?) };
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        data_type if data_type.is_integer() => {
            text()?.parse::<i64>().map_or_else(|_| text().map(Value::String), |number| Ok(number.into()))?
        }
        DataType::Float64 => {
            let float = array.as_primitive::<arrow_array::types::Float64Type>().value(row);
            serde_json::Number::from_f64(float).map_or_else(|| Value::String(float.to_string()), Value::Number)
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| value(items.as_ref(), item)).collect::<Result<_>>()?)
        }
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            let pairs = fields.iter().zip(parts.columns()).map(|(field, part)| Ok((field.name().clone(), value(part.as_ref(), row)?)));
            Value::Object(pairs.collect::<Result<_>>()?)
        }
        _ => Value::String(text()?),
    })
}
