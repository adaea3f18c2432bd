//! Rows to folders: `partitionBy` gives each combination of values a folder `k=v/…` as Hive has it, and takes the columns out of the rows.
//!
//! Of names and values all bytes but `A–Z a–z 0–9 - _ .` are percent-encoded. Null is `__null__`; text that reads so keeps apart by its first `_`,
//! which is then encoded.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use arrow_select::take::take_record_batch;

use super::column::Column;
use crate::error::Error;

/// A value longer than this names no folder.
pub const MAX_VALUE_BYTES: usize = 256;
/// What file systems take as one name.
const MAX_NAME_BYTES: usize = 255;
const NULL: &str = "__null__";

/// A row whose value cannot name a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub row: usize,
    pub message: String,
}

/// Rows of one folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Without a slash at its end.
    pub folder: String,
    pub rows: RecordBatch,
    /// The last of them, in the batch that was split.
    pub last_row: usize,
}

/// How the rows of one schema are spread over folders.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Index of each column in `partitionBy` order, with its name.
    keys: Vec<(usize, String)>,
    kept: Vec<usize>,
    schema: SchemaRef,
}

impl Folders {
    /// `SPEC_SQL_UNKNOWN_COLUMN` for a column that the rows do not have, `SPEC_CONFLICT` if no column would be left, `SPEC_SQL_TYPE` for nested
    /// and binary ones.
    pub fn new(schema: &SchemaRef, partition_by: &[String]) -> Result<Folders, Error> {
        let key = |name: &String| {
            let found = schema.fields().iter().position(|field| field.name() == name);
            let names = || schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
            let index = found.ok_or_else(|| {
                let message = format!("cannot partition by {name:?}: expected a column of the output ({})", names());
                Error::new("SPEC_SQL_UNKNOWN_COLUMN", message)
            })?;
            check_type(name, schema.field(index).data_type())?;
            Ok((index, name.clone()))
        };
        let keys = partition_by.iter().map(key).collect::<Result<Vec<_>, Error>>()?;
        let kept: Vec<usize> = (0..schema.fields().len()).filter(|index| keys.iter().all(|(key, _)| key != index)).collect();
        if kept.is_empty() {
            return Err(Error::new("SPEC_CONFLICT", "cannot partition by every column of the output: none would be left in the files"));
        }
        let fields: Vec<_> = kept.iter().map(|index| Arc::clone(&schema.fields()[*index])).collect();
        Ok(Folders { keys, kept, schema: Arc::new(Schema::new(fields)) })
    }

    /// Rows that no folder can take: a value over 256 bytes, or one whose folder would have a name over 255.
    pub fn unfit(&self, rows: &RecordBatch) -> Result<Vec<Unfit>, Error> {
        let columns = self.columns(rows)?;
        let mut value = Vec::new();
        let mut found = Vec::new();
        for row in 0..rows.num_rows() {
            for ((_, name), column) in self.keys.iter().zip(&columns) {
                value.clear();
                if let Some(message) = unfit_value(name, column, row, &mut value) {
                    found.push(Unfit { row, message });
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Rows by folder, in the order in which folders first come; within one as they came. Text is copied, so that rows that wait for their part do
    /// not hold what they came from.
    pub fn split(&self, rows: &RecordBatch) -> Result<Vec<Group>, Error> {
        let columns = self.columns(rows)?;
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
        let mut folder = String::new();
        let mut value = Vec::new();
        let mut same = None;
        for row in 0..rows.num_rows() {
            let before = std::mem::take(&mut folder);
            self.append_folder(&columns, row, &mut value, &mut folder);
            let number = match same.filter(|_| before == folder) {
                Some(number) => number,
                None => *numbers.entry(folder.clone()).or_insert_with(|| {
                    groups.push((folder.clone(), Vec::new()));
                    groups.len() - 1
                }),
            };
            same = Some(number);
            groups[number].1.push(row as u32);
        }
        let kept = rows.project(&self.kept).map_err(split_error)?;
        let group = |(folder, rows): (String, Vec<u32>)| {
            let last_row = rows.last().copied().unwrap_or_default() as usize;
            Ok(Group { folder, rows: own_rows(&kept, rows)?, last_row })
        };
        groups.into_iter().map(group).collect()
    }

    /// Columns that stay in the files.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn columns(&self, rows: &RecordBatch) -> Result<Vec<Column>, Error> {
        self.keys.iter().map(|(index, _)| Column::of(rows.column(*index))).collect()
    }

    fn append_folder(&self, columns: &[Column], row: usize, value: &mut Vec<u8>, folder: &mut String) {
        for (number, ((_, name), column)) in self.keys.iter().zip(columns).enumerate() {
            if number > 0 {
                folder.push('/');
            }
            append_encoded(name.as_bytes(), folder);
            folder.push('=');
            if column.is_null(row) {
                folder.push_str(NULL);
                continue;
            }
            value.clear();
            column.append(row, value);
            append_value(value, folder);
        }
    }
}

fn check_type(name: &str, data_type: &DataType) -> Result<(), Error> {
    let is_plain =
        !data_type.is_nested() && !data_type.is_binary() && !matches!(data_type, DataType::BinaryView | DataType::FixedSizeBinary(_));
    if is_plain && Column::of(&arrow_array::new_empty_array(data_type)).is_ok() {
        return Ok(());
    }
    Err(Error::new("SPEC_SQL_TYPE", format!("cannot partition by {name}: values of type {data_type} name no folders, cast it")))
}

fn unfit_value(name: &str, column: &Column, row: usize, value: &mut Vec<u8>) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    column.append(row, value);
    if value.len() > MAX_VALUE_BYTES {
        return Some(format!("partition column {name}: expected a value of at most {MAX_VALUE_BYTES} bytes, got {}", value.len()));
    }
    // Three bytes for one is the most that encoding makes.
    if (value.len() + name.len()) * 3 < MAX_NAME_BYTES {
        return None;
    }
    let mut folder = String::new();
    append_encoded(name.as_bytes(), &mut folder);
    folder.push('=');
    append_value(value, &mut folder);
    let message = format!("partition column {name}: expected a folder name of at most {MAX_NAME_BYTES} bytes, got {}", folder.len());
    (folder.len() > MAX_NAME_BYTES).then_some(message)
}

fn append_value(value: &[u8], folder: &mut String) {
    if value == NULL.as_bytes() {
        folder.push_str("%5F_null__");
    } else {
        append_encoded(value, folder);
    }
}

/// `.` and `..` as whole names mean other folders, but a value always stands behind `k=`.
fn append_encoded(bytes: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
}

fn own_rows(rows: &RecordBatch, indices: Vec<u32>) -> Result<RecordBatch, Error> {
    let taken = take_record_batch(rows, &UInt32Array::from(indices)).map_err(split_error)?;
    let columns: Vec<ArrayRef> = taken.columns().iter().map(own_text).collect();
    RecordBatch::try_new(taken.schema(), columns).map_err(split_error)
}

/// Views hold on to all the text they once came from.
fn own_text(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView => Arc::new(array.as_binary_view().gc()),
        _ => Arc::clone(array),
    }
}

fn split_error(error: ArrowError) -> Error {
    Error::new("CORE_PANIC", format!("cannot spread rows over folders: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    fn rows(texts: Vec<Option<&str>>) -> RecordBatch {
        let count = texts.len() as i64;
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("n", Arc::new(Int64Array::from_iter_values(0..count)), true),
            ("the key", Arc::new(StringViewArray::from(texts)), true),
            ("day", Arc::new(Date32Array::from_iter_values((0..count).map(|n| n as i32 % 2))), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn names(partition_by: &[&str]) -> Vec<String> {
        partition_by.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn folders_are_named_by_encoded_values_and_their_columns_leave() {
        let rows = rows(vec![Some("DE"), None, Some("a/b c=ü%"), Some("__null__"), Some("DE"), Some("")]);
        let folders = Folders::new(&rows.schema(), &names(&["the key", "day"])).unwrap();
        let groups = folders.split(&rows).unwrap();
        let found: Vec<&str> = groups.iter().map(|group| group.folder.as_str()).collect();
        assert_eq!(
            found,
            [
                "the%20key=DE/day=1970-01-01",
                "the%20key=__null__/day=1970-01-02",
                "the%20key=a%2Fb%20c%3D%C3%BC%25/day=1970-01-01",
                "the%20key=%5F_null__/day=1970-01-02",
                "the%20key=/day=1970-01-02",
            ]
        );
        assert_eq!((groups[0].rows.num_rows(), groups[0].last_row), (2, 4));
        assert_eq!(groups[0].rows.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["n"]);
        assert_eq!(&groups[0].rows.schema(), folders.schema());
    }

    #[test]
    fn columns_that_name_no_folder_are_refused() {
        let rows = rows(vec![]);
        let code = |by: &[&str]| Folders::new(&rows.schema(), &names(by)).unwrap_err().code;
        assert_eq!(code(&["no"]), "SPEC_SQL_UNKNOWN_COLUMN");
        assert_eq!(code(&["n", "the key", "day"]), "SPEC_CONFLICT");
        let binary = Arc::new(Schema::new(vec![arrow_schema::Field::new("b", DataType::Binary, true)]));
        assert_eq!(Folders::new(&binary, &names(&["b"])).unwrap_err().code, "SPEC_SQL_TYPE");
    }

    #[test]
    fn values_that_are_too_long_are_found() {
        let (long, fits, umlauts) = ("x".repeat(257), "x".repeat(243), "ü".repeat(60));
        let rows = rows(vec![Some(&long), Some(&fits), Some(&umlauts), Some("x"), None]);
        let unfit = Folders::new(&rows.schema(), &names(&["the key"])).unwrap().unfit(&rows).unwrap();
        assert_eq!(unfit.iter().map(|unfit| unfit.row).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(unfit[0].message, "partition column the key: expected a value of at most 256 bytes, got 257");
    }

    proptest! {
        #[test]
        fn every_row_is_in_exactly_one_folder_and_in_order(values in prop::collection::vec(prop::option::of("[a-c/ ]{0,2}"), 0..60)) {
            let rows = rows(values.iter().map(Option::as_deref).collect());
            let groups = Folders::new(&rows.schema(), &names(&["the key"])).unwrap().split(&rows).unwrap();
            let mut seen: Vec<(i64, String)> = Vec::new();
            for group in &groups {
                let numbers = group.rows.column(0).as_primitive::<arrow_array::types::Int64Type>();
                prop_assert!(numbers.values().is_sorted());
                seen.extend(numbers.values().iter().map(|number| (*number, group.folder.clone())));
            }
            seen.sort();
            prop_assert_eq!(seen.len(), values.len());
            for (number, folder) in seen {
                let value = folder.strip_prefix("the%20key=").unwrap().replace("%2F", "/").replace("%20", " ");
                prop_assert_eq!(value.as_str(), values[number as usize].as_deref().unwrap_or(NULL));
            }
        }
    }
}
