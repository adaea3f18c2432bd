//! NDJSON: one object a line, keys in the schema's order, nulls written. Integers and decimals are JSON numbers in full, however long;
//! `NaN`, `INF` and `-INF`, which JSON cannot write as numbers, are strings.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::OutputOptions;
use super::column::{Column, append_json_object, check_type, json_key};
use super::text::RowFormat;
use crate::error::Error;

pub(super) struct NdjsonRows {
    keys: Vec<Vec<u8>>,
}

impl NdjsonRows {
    pub(super) fn new(_options: &OutputOptions, schema: &SchemaRef) -> Result<NdjsonRows, Error> {
        for field in schema.fields() {
            check_type(field.name(), field.data_type())?;
        }
        Ok(NdjsonRows { keys: schema.fields().iter().map(|field| json_key(field.name())).collect() })
    }
}

impl RowFormat for NdjsonRows {
    fn head(&self, _out: &mut Vec<u8>) {}

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Error> {
        let columns = self.keys.iter().zip(batch.columns()).map(|(key, array)| Ok((key.clone(), Column::of(array)?)));
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        for row in 0..batch.num_rows() {
            append_json_object(&columns, row, out);
            out.push(b'\n');
        }
        Ok(())
    }
}
