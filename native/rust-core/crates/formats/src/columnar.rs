//! Rows of files that hold columns (Parquet, Arrow): each column of the file feeds a field of the schema, and every value goes through the field's
//! checks like a text would. Such a record has a number and no line or byte; its `raw` is the row as JSON.

use arrow_array::ArrayRef;
#[cfg(test)]
use arrow_array::RecordBatch;
use arrow_schema::FieldRef;

use crate::write::column::{Column, append_json_object, json_key};

mod feed;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use feed::{Feeds, late_columns, takes};
pub use reader::FileRecords;
pub(crate) use reader::{FileRows, LateColumns, RowsReader, batch_rows, selected_rows};

/// A row of a batch as one JSON object.
#[cfg(test)]
pub(crate) fn json_of_row(rows: &RecordBatch, row: usize) -> Vec<u8> {
    let one = rows.slice(row, 1);
    json_of_columns(one.schema_ref().fields().iter().zip(one.columns()))
}

/// Columns of one row as one JSON object, in their order. A value that has no JSON form stands as the name of its type.
fn json_of_columns<'a>(columns: impl Iterator<Item = (&'a FieldRef, &'a ArrayRef)>) -> Vec<u8> {
    // Of one row only: a column may have to be cast, and that of thousands of rows for each row would be dear.
    let columns: Vec<(Vec<u8>, Column)> =
        columns.filter_map(|(field, array)| Some((json_key(field.name()), Column::of(array).ok()?))).collect();
    let mut out = Vec::new();
    append_json_object(&columns, 0, &mut out);
    out
}

/// The fields of a reject's `raw` as text, in the order of `header`; a column that was not read stands empty.
pub(crate) fn cut_fields(header: &[String], raw: &[u8]) -> Vec<String> {
    let Ok(serde_json::Value::Object(values)) = serde_json::from_slice(raw) else { return Vec::new() };
    let text = |name: &String| match values.get(name) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    header.iter().map(text).collect()
}
