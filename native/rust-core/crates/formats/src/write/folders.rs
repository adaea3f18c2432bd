//! Rows to folders: `partitionBy` gives each combination of values a folder `k=v/…` as Hive has it, and takes the columns out of the rows.
//!
//! Of names and values all bytes but `A–Z a–z 0–9 - _ .` are percent-encoded. Null is `__null__`; text that reads so keeps apart by its first `_`,
//! which is then encoded.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use arrow_select::interleave::interleave_record_batch;

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

/// Folders met so far, numbered from 0 in the order in which they first came.
#[derive(Clone, Debug, Default)]
pub struct FolderNames {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl FolderNames {
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Without a slash at its end.
    pub fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }

    fn number(&mut self, folder: &str) -> u32 {
        if let Some(number) = self.numbers.get(folder) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(folder.to_owned());
        self.numbers.insert(folder.to_owned(), number);
        number
    }
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

    /// The folder of each row, by its number in `names`, which takes up those that are new.
    pub fn assign(&self, rows: &RecordBatch, names: &mut FolderNames) -> Result<Vec<u32>, Error> {
        let columns = self.columns(rows)?;
        let (mut folder, mut before, mut value) = (String::new(), String::new(), Vec::new());
        let mut numbers: Vec<u32> = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            std::mem::swap(&mut folder, &mut before);
            folder.clear();
            self.append_folder(&columns, row, &mut value, &mut folder);
            let same = numbers.last().copied().filter(|_| folder == before);
            numbers.push(same.unwrap_or_else(|| names.number(&folder)));
        }
        Ok(numbers)
    }

    /// Rows as the files have them: without the columns that name folders.
    pub fn without_keys(&self, rows: &RecordBatch) -> Result<RecordBatch, Error> {
        rows.project(&self.kept).map_err(split_error)
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

/// The rows at these places, each a batch and a row in it. Text is copied, so that rows that wait for their part do not hold what they came from.
pub fn own_rows(batches: &[&RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch, Error> {
    let taken = interleave_record_batch(batches, places).map_err(split_error)?;
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
        let mut met = FolderNames::default();
        assert_eq!(folders.assign(&rows, &mut met).unwrap(), [0, 1, 2, 3, 0, 4]);
        let found: Vec<&str> = (0..met.len()).map(|number| met.name(number as u32)).collect();
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
        assert_eq!(folders.assign(&rows.slice(3, 2), &mut met).unwrap(), [3, 0]);
        let kept = folders.without_keys(&rows).unwrap();
        assert_eq!(kept.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["n"]);
        assert_eq!(&kept.schema(), folders.schema());
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
        fn every_row_gets_the_folder_of_its_value(values in prop::collection::vec(prop::option::of("[a-c/ ]{0,2}"), 0..60)) {
            let rows = rows(values.iter().map(Option::as_deref).collect());
            let folders = Folders::new(&rows.schema(), &names(&["the key"])).unwrap();
            let mut met = FolderNames::default();
            let numbers = folders.assign(&rows, &mut met).unwrap();
            prop_assert_eq!(numbers.len(), values.len());
            for (number, value) in numbers.into_iter().zip(values) {
                let found = met.name(number).strip_prefix("the%20key=").unwrap().replace("%2F", "/").replace("%20", " ");
                prop_assert_eq!(found.as_str(), value.as_deref().unwrap_or(NULL));
            }
        }
    }
}
