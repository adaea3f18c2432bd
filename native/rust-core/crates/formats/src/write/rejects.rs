//! The quarantine: rejects of one chunk as a Parquet file, and back. `docs/records.md` names the file in the receipt.
//!
//! `errors` is a list of structs `{code, column, columnIndex, byte, line, message, expected, value}`; `raw` is binary because it holds the
//! record's bytes in their own encoding. `path` is the JSON Pointer of a nested value and null in this version.

use std::fs::File;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesBuilder};
use parquet::file::reader::ChunkReader;
use parquet::schema::types::ColumnPath;
use serde::Serialize;

use crate::error::Error;
use crate::position::known_number;
use crate::reject::{Reject, RejectError};
use crate::write::Sink;
use crate::write::parquet::{base_properties, close_writer, open_writer, parquet_error};

/// A row group is closed when its rejects hold this many bytes of `raw`.
const ROW_GROUP_RAW_BYTES: usize = 4 << 20;
/// Rows are handed to the encoder in pieces of this many, or when their `raw` fills a row group.
const PIECE_ROWS: usize = 1_024;

/// Whose rejects these are. `file_uri` and `etag` may differ from call to call, the rest belongs to the chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectContext {
    pub job_id: String,
    pub generation: u32,
    pub stage: String,
    pub chunk: u32,
    pub attempt_id: String,
    pub file_uri: String,
    pub etag: String,
}

/// Writes the rejects file of one chunk. A chunk without rejects has no file: open the writer with the first one.
pub struct RejectsWriter {
    writer: ArrowWriter<Sink>,
    schema: SchemaRef,
    columns: Columns,
    rows: u64,
    /// Bytes of `raw` in the open row group.
    group_raw_bytes: usize,
}

impl RejectsWriter {
    pub fn open(sink: Sink) -> Result<RejectsWriter, Error> {
        let schema = schema();
        let writer = open_writer(sink, &schema, properties(&schema))?;
        Ok(RejectsWriter { writer, schema, columns: Columns::default(), rows: 0, group_raw_bytes: 0 })
    }

    /// Takes rejects in record order. `rejectId` is `<jobId>.<stage>.<chunk>.r<n>` with `n` from 1 over all calls.
    pub fn write(&mut self, context: &RejectContext, rejects: &[Reject]) -> Result<(), Error> {
        for reject in rejects {
            self.rows += 1;
            self.columns.append(context, self.rows, reject);
            self.group_raw_bytes += reject.raw.len();
            let group_full = self.group_raw_bytes >= ROW_GROUP_RAW_BYTES;
            if group_full || self.columns.rows == PIECE_ROWS {
                self.encode()?;
            }
            if group_full {
                self.writer.flush().map_err(parquet_error)?;
                self.group_raw_bytes = 0;
            }
        }
        Ok(())
    }

    /// Rejects taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Encoded bytes so far; up to 1,023 rejects may not be encoded yet.
    pub fn written_bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Writes what is left and flushes the sink.
    pub fn finish(mut self) -> Result<(), Error> {
        self.encode()?;
        close_writer(self.writer)
    }

    fn encode(&mut self) -> Result<(), Error> {
        if self.columns.rows == 0 {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns).finish();
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::new("CORE_PANIC", format!("cannot gather rejects: {error}")))?;
        self.writer.write(&batch).map_err(parquet_error)
    }
}

fn properties(schema: &Schema) -> WriterPropertiesBuilder {
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let path = |name: &str| ColumnPath::new(vec![name.to_string()]);
    let mut properties =
        base_properties(Compression::ZSTD(level)).set_offset_index_disabled(false).set_statistics_enabled(EnabledStatistics::Chunk);
    for field in schema.fields() {
        let repeats = matches!(field.name().as_str(), "jobId" | "stage" | "attemptId" | "file" | "etag" | "column" | "code" | "expected");
        properties = properties.set_column_dictionary_enabled(path(field.name()), repeats);
    }
    for indexed in ["record", "code"] {
        properties = properties.set_column_statistics_enabled(path(indexed), EnabledStatistics::Page);
    }
    properties.set_column_statistics_enabled(path("raw"), EnabledStatistics::None)
}

fn error_fields() -> Fields {
    Fields::from(vec![
        Field::new("code", DataType::Utf8, false),
        Field::new("column", DataType::Utf8, true),
        Field::new("columnIndex", DataType::Int32, true),
        Field::new("byte", DataType::Int64, true),
        Field::new("line", DataType::Int64, true),
        Field::new("message", DataType::Utf8, false),
        Field::new("expected", DataType::Utf8, true),
        Field::new("value", DataType::Utf8, true),
    ])
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let optional = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let errors = DataType::List(Arc::new(Field::new("item", DataType::Struct(error_fields()), true)));
    Arc::new(Schema::new(vec![
        text("rejectId"),
        text("jobId"),
        Field::new("generation", DataType::Int32, false),
        text("stage"),
        Field::new("chunk", DataType::Int32, false),
        text("attemptId"),
        text("file"),
        text("etag"),
        number("record"),
        number("line"),
        number("byte"),
        number("byteEnd"),
        number("errorLine"),
        number("errorByte"),
        optional("column"),
        Field::new("columnIndex", DataType::Int32, true),
        optional("path"),
        text("code"),
        text("message"),
        optional("expected"),
        optional("value"),
        Field::new("raw", DataType::Binary, false),
        Field::new("rawTruncated", DataType::Boolean, false),
        Field::new("errors", errors, false),
    ]))
}

/// The columns of the rows that wait to be encoded, in the schema's order.
struct Columns {
    rows: usize,
    reject_id: StringBuilder,
    job_id: StringBuilder,
    generation: Int32Builder,
    stage: StringBuilder,
    chunk: Int32Builder,
    attempt_id: StringBuilder,
    file: StringBuilder,
    etag: StringBuilder,
    /// record, line, byte, byteEnd, errorLine, errorByte
    places: [Int64Builder; 6],
    column: StringBuilder,
    column_index: Int32Builder,
    path: StringBuilder,
    code: StringBuilder,
    message: StringBuilder,
    expected: StringBuilder,
    value: StringBuilder,
    raw: BinaryBuilder,
    raw_truncated: BooleanBuilder,
    errors: ListBuilder<StructBuilder>,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            rows: 0,
            reject_id: StringBuilder::new(),
            job_id: StringBuilder::new(),
            generation: Int32Builder::new(),
            stage: StringBuilder::new(),
            chunk: Int32Builder::new(),
            attempt_id: StringBuilder::new(),
            file: StringBuilder::new(),
            etag: StringBuilder::new(),
            places: Default::default(),
            column: StringBuilder::new(),
            column_index: Int32Builder::new(),
            path: StringBuilder::new(),
            code: StringBuilder::new(),
            message: StringBuilder::new(),
            expected: StringBuilder::new(),
            value: StringBuilder::new(),
            raw: BinaryBuilder::new(),
            raw_truncated: BooleanBuilder::new(),
            errors: ListBuilder::new(StructBuilder::from_fields(error_fields(), 0)),
        }
    }
}

impl Columns {
    fn append(&mut self, context: &RejectContext, number: u64, reject: &Reject) {
        let RejectContext { job_id, generation, stage, chunk, attempt_id, file_uri, etag } = context;
        self.rows += 1;
        self.reject_id.append_value(format!("{job_id}.{stage}.{chunk}.r{number}"));
        self.job_id.append_value(job_id);
        self.generation.append_value(*generation as i32);
        self.stage.append_value(stage);
        self.chunk.append_value(*chunk as i32);
        self.attempt_id.append_value(attempt_id);
        self.file.append_value(file_uri);
        self.etag.append_value(etag);
        let main = reject.errors.first().expect("a reject has at least one error");
        let place = &reject.place;
        let numbers = [place.record, place.line, place.byte, place.byte_end, main.line, main.byte];
        for (index, (builder, value)) in self.places.iter_mut().zip(numbers).enumerate() {
            // Only the number of a row is known where the file is no text, and only bytes where nobody has counted records and lines.
            let counted = matches!(index, 0 | 1 | 4);
            let known = (index == 0 || place.in_text()) && (!counted || known_number(value).is_some());
            builder.append_option(known.then_some(value as i64));
        }
        self.column.append_option(main.column.as_deref());
        self.column_index.append_option(main.column_index.map(|index| index as i32));
        self.path.append_option(main.path.as_deref());
        self.code.append_value(main.code);
        self.message.append_value(&main.message);
        self.expected.append_option(main.expected.as_deref());
        self.value.append_option(main.value.as_deref());
        self.raw.append_value(&reject.raw);
        self.raw_truncated.append_value(reject.raw_truncated);
        for error in &reject.errors {
            append_error(self.errors.values(), error, place.in_text());
        }
        self.errors.append(true);
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.reject_id.finish()),
            Arc::new(self.job_id.finish()),
            Arc::new(self.generation.finish()),
            Arc::new(self.stage.finish()),
            Arc::new(self.chunk.finish()),
            Arc::new(self.attempt_id.finish()),
            Arc::new(self.file.finish()),
            Arc::new(self.etag.finish()),
        ];
        columns.extend(self.places.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        let rest: [ArrayRef; 10] = [
            Arc::new(self.column.finish()),
            Arc::new(self.column_index.finish()),
            Arc::new(self.path.finish()),
            Arc::new(self.code.finish()),
            Arc::new(self.message.finish()),
            Arc::new(self.expected.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.raw.finish()),
            Arc::new(self.raw_truncated.finish()),
            Arc::new(self.errors.finish()),
        ];
        columns.extend(rest);
        columns
    }
}

fn append_error(item: &mut StructBuilder, error: &RejectError, in_text: bool) {
    let mut text = |index: usize, value: Option<&str>| {
        item.field_builder::<StringBuilder>(index).expect("errors are made of error_fields").append_option(value);
    };
    text(0, Some(error.code));
    text(1, error.column.as_deref());
    text(5, Some(&error.message));
    text(6, error.expected.as_deref());
    text(7, error.value.as_deref());
    let index = error.column_index.map(|index| index as i32);
    item.field_builder::<Int32Builder>(2).expect("errors are made of error_fields").append_option(index);
    for (index, value) in [(3, Some(error.byte)), (4, known_number(error.line))] {
        let value = value.filter(|_| in_text).map(|value| value as i64);
        item.field_builder::<Int64Builder>(index).expect("errors are made of error_fields").append_option(value);
    }
    item.append(true);
}

/// One reject as read back, with the names and order of the file's columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectRow {
    pub reject_id: String,
    pub job_id: String,
    pub generation: u32,
    pub stage: String,
    pub chunk: u32,
    pub attempt_id: String,
    pub file: String,
    pub etag: String,
    /// 0 where nobody has counted the records before it.
    #[serde(serialize_with = "serialize_known")]
    pub record: u64,
    /// None of these five where the file is no text.
    pub line: Option<u64>,
    pub byte: Option<u64>,
    pub byte_end: Option<u64>,
    pub error_line: Option<u64>,
    pub error_byte: Option<u64>,
    pub column: Option<String>,
    pub column_index: Option<u32>,
    pub path: Option<String>,
    pub code: String,
    pub message: String,
    pub expected: Option<String>,
    pub value: Option<String>,
    /// Serialised as text with invalid UTF-8 replaced.
    #[serde(serialize_with = "serialize_as_text")]
    pub raw: Vec<u8>,
    pub raw_truncated: bool,
    pub errors: Vec<RejectRowError>,
}

/// One of the things wrong with a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectRowError {
    pub code: String,
    pub column: Option<String>,
    pub column_index: Option<u32>,
    pub byte: Option<u64>,
    pub line: Option<u64>,
    pub message: String,
    pub expected: Option<String>,
    pub value: Option<String>,
}

fn serialize_known<S: serde::Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    known_number(*number).serialize(serializer)
}

fn serialize_as_text<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

/// Calls `each` for every reject of a file, in record order, until it answers false. A file of another shape is `PARQUET_FOOTER`.
pub fn read_rejects<R: ChunkReader + 'static>(file: R, mut each: impl FnMut(RejectRow) -> bool) -> Result<(), Error> {
    let options = ArrowReaderOptions::new().with_schema(schema());
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(read_error)?;
    let reader = builder.with_batch_size(PIECE_ROWS).build().map_err(read_error)?;
    for batch in reader {
        let batch = batch.map_err(|error| Error::new("PARQUET_PAGE", format!("cannot read a rejects file: {error}")))?;
        for row in 0..batch.num_rows() {
            if !each(reject_row(&Cells(batch.columns()), row)) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The same over bytes in memory.
pub fn read_rejects_bytes(file: Vec<u8>, each: impl FnMut(RejectRow) -> bool) -> Result<(), Error> {
    read_rejects(memory_file(<File as ChunkReader>::get_bytes, file), each)
}

fn read_error(error: ParquetError) -> Error {
    Error::new("PARQUET_FOOTER", format!("cannot read a rejects file: {error}"))
}

/// Typed access to the columns of one batch; the schema was checked when the file was opened.
struct Cells<'a>(&'a [ArrayRef]);

impl Cells<'_> {
    fn text(&self, column: usize, row: usize) -> String {
        self.0[column].as_string::<i32>().value(row).to_string()
    }

    fn optional(&self, column: usize, row: usize) -> Option<String> {
        self.0[column].is_valid(row).then(|| self.text(column, row))
    }

    fn number(&self, column: usize, row: usize) -> u64 {
        self.0[column].as_primitive::<Int64Type>().value(row) as u64
    }

    fn optional_number(&self, column: usize, row: usize) -> Option<u64> {
        self.0[column].is_valid(row).then(|| self.number(column, row))
    }

    fn small(&self, column: usize, row: usize) -> u32 {
        self.0[column].as_primitive::<Int32Type>().value(row) as u32
    }

    fn optional_small(&self, column: usize, row: usize) -> Option<u32> {
        self.0[column].is_valid(row).then(|| self.small(column, row))
    }
}

fn reject_row(cells: &Cells<'_>, row: usize) -> RejectRow {
    let errors = cells.0[23].as_list::<i32>().value(row);
    RejectRow {
        reject_id: cells.text(0, row),
        job_id: cells.text(1, row),
        generation: cells.small(2, row),
        stage: cells.text(3, row),
        chunk: cells.small(4, row),
        attempt_id: cells.text(5, row),
        file: cells.text(6, row),
        etag: cells.text(7, row),
        record: cells.optional_number(8, row).unwrap_or(0),
        line: cells.optional_number(9, row),
        byte: cells.optional_number(10, row),
        byte_end: cells.optional_number(11, row),
        error_line: cells.optional_number(12, row),
        error_byte: cells.optional_number(13, row),
        column: cells.optional(14, row),
        column_index: cells.optional_small(15, row),
        path: cells.optional(16, row),
        code: cells.text(17, row),
        message: cells.text(18, row),
        expected: cells.optional(19, row),
        value: cells.optional(20, row),
        raw: cells.0[21].as_binary::<i32>().value(row).to_vec(),
        raw_truncated: cells.0[22].as_boolean().value(row),
        errors: row_errors(errors.as_struct()),
    }
}

fn row_errors(errors: &StructArray) -> Vec<RejectRowError> {
    let cells = Cells(errors.columns());
    let error = |row| RejectRowError {
        code: cells.text(0, row),
        column: cells.optional(1, row),
        column_index: cells.optional_small(2, row),
        byte: cells.optional_number(3, row),
        line: cells.optional_number(4, row),
        message: cells.text(5, row),
        expected: cells.optional(6, row),
        value: cells.optional(7, row),
    };
    (0..errors.len()).map(error).collect()
}

/// The bytes as the type that `get_bytes` of the Parquet crate answers, which can be read like a file. Its crate is no dependency of ours, so
/// the type is taken from the function.
fn memory_file<T: From<Vec<u8>>>(_get_bytes: impl Fn(&File, u64, usize) -> Result<T, ParquetError>, bytes: Vec<u8>) -> T {
    bytes.into()
}
