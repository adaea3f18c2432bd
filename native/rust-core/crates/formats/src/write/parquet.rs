//! Parquet parts. Memory is bounded by one row group (`rowGroupSize` of encoded bytes) and the sample that decides the encodings.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::choose::{SAMPLE_ROWS, choose};
use super::recut::batch_bytes;
use super::{OutputOptions, PartWriter, Recut, Sink, sink_error};
use crate::error::Error;

/// A row group never has more rows than this.
const MAX_ROW_GROUP_ROWS: usize = 1 << 20;
/// Minimum and maximum of text are cut to this many bytes.
const STATISTICS_BYTES: usize = 64;
/// The sample that decides the encodings ends at this many bytes of values, or at `SAMPLE_ROWS`.
const SAMPLE_BYTES: usize = 8 << 20;
pub(super) const CREATED_BY: &str = "millrace";

pub(super) struct ParquetPart {
    schema: SchemaRef,
    row_group_bytes: usize,
    sample_bytes: usize,
    properties: WriterPropertiesBuilder,
    recut: Recut,
    state: State,
    rows: u64,
}

enum State {
    /// The first rows wait here until the encodings are chosen. The sink is taken when they are.
    Sampling {
        sink: Option<Sink>,
        batches: Vec<RecordBatch>,
        bytes: usize,
    },
    Writing(Box<ArrowWriter<Sink>>),
}

impl ParquetPart {
    pub(super) fn open(options: &OutputOptions, schema: SchemaRef, sink: Sink) -> Result<ParquetPart, Error> {
        let statistics = if options.parquet.statistics { EnabledStatistics::Chunk } else { EnabledStatistics::None };
        let properties = base_properties(compression(options.compression.as_deref())?).set_statistics_enabled(statistics);
        check_types(&schema)?;
        Ok(ParquetPart {
            recut: Recut::new(schema.clone()),
            schema,
            row_group_bytes: usize::try_from(options.parquet.row_group_size).unwrap_or(usize::MAX),
            // A part that is to be small must not be full before its first byte is encoded.
            sample_bytes: usize::try_from(options.part_size).unwrap_or(usize::MAX).min(SAMPLE_BYTES),
            properties,
            state: State::Sampling { sink: Some(sink), batches: Vec::new(), bytes: 0 },
            rows: 0,
        })
    }

    fn append(&mut self, batch: RecordBatch) -> Result<(), Error> {
        match &mut self.state {
            State::Sampling { batches, bytes, .. } => {
                *bytes += batch_bytes(&batch);
                batches.push(batch);
                let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                if rows >= SAMPLE_ROWS || *bytes >= self.sample_bytes { self.begin() } else { Ok(()) }
            }
            State::Writing(writer) => write_batch(writer, &batch, self.row_group_bytes),
        }
    }

    /// Chooses the encodings from what was gathered, opens the file and writes the gathered rows.
    fn begin(&mut self) -> Result<(), Error> {
        let State::Sampling { sink, batches, .. } = &mut self.state else { return Ok(()) };
        let batches = std::mem::take(batches);
        let sink = sink.take().expect("the sink is taken once, when sampling ends");
        let mut properties = self.properties.clone();
        for (index, field) in self.schema.fields().iter().enumerate() {
            let pieces: Vec<ArrayRef> = batches.iter().map(|batch| batch.column(index).clone()).collect();
            let Some(choice) = choose(field.data_type(), &pieces) else { continue };
            let path = ColumnPath::new(vec![field.name().clone()]);
            properties =
                properties.set_column_dictionary_enabled(path.clone(), choice.dictionary).set_column_encoding(path, choice.encoding);
        }
        let mut writer = Box::new(open_writer(sink, &self.schema, properties)?);
        for batch in &batches {
            write_batch(&mut writer, batch, self.row_group_bytes)?;
        }
        self.state = State::Writing(writer);
        Ok(())
    }
}

impl PartWriter for ParquetPart {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        self.recut.push(batch.clone())?;
        while let Some(full) = self.recut.next() {
            self.append(full)?;
        }
        Ok(())
    }

    /// 0 while the sample is gathered, which ends before `partSize`.
    fn written_bytes(&self) -> u64 {
        match &self.state {
            State::Sampling { .. } => 0,
            State::Writing(writer) => (writer.bytes_written() + writer.in_progress_size()) as u64,
        }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        if let Some(rest) = self.recut.rest()? {
            self.append(rest)?;
        }
        self.begin()?;
        match self.state {
            State::Writing(writer) => close_writer(*writer),
            State::Sampling { .. } => Ok(()),
        }
    }
}

/// Settings that every Parquet file of ours shares.
pub(super) fn base_properties(compression: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(MAX_ROW_GROUP_ROWS))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_offset_index_disabled(true)
}

/// Opens a file. The Arrow schema is stored with plain text types: older readers do not know views, which are ours alone.
pub(super) fn open_writer(sink: Sink, schema: &SchemaRef, properties: WriterPropertiesBuilder) -> Result<ArrowWriter<Sink>, Error> {
    let stored = KeyValue::new(ARROW_SCHEMA_META_KEY.to_string(), encode_arrow_schema(&without_views(schema)));
    let properties = properties.set_key_value_metadata(Some(vec![stored])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(sink, schema.clone(), options).map_err(parquet_error)
}

pub(super) fn close_writer(mut writer: ArrowWriter<Sink>) -> Result<(), Error> {
    writer.finish().map_err(parquet_error)?;
    writer.inner_mut().flush().map_err(sink_error)
}

fn write_batch(writer: &mut ArrowWriter<Sink>, batch: &RecordBatch, row_group_bytes: usize) -> Result<(), Error> {
    writer.write(batch).map_err(parquet_error)?;
    if writer.in_progress_size() >= row_group_bytes {
        writer.flush().map_err(parquet_error)?;
    }
    Ok(())
}

fn compression(name: Option<&str>) -> Result<Compression, Error> {
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    match name {
        Some("none") => Ok(Compression::UNCOMPRESSED),
        Some("snappy") => Ok(Compression::SNAPPY),
        None | Some("zstd") => Ok(Compression::ZSTD(level)),
        Some(name @ ("gzip" | "lz4")) => Err(Error::new(
            "SPEC_NOT_AVAILABLE",
            format!("cannot write parquet with compression {name}: it is not available in this version"),
        )),
        Some(name) => Err(Error::new(
            "SPEC_BAD_VALUE",
            format!("cannot write parquet: expected output.compression none, snappy or zstd, got {name:?}"),
        )),
    }
}

fn check_types(schema: &Schema) -> Result<(), Error> {
    for field in schema.fields() {
        if matches!(field.data_type(), DataType::Interval(_) | DataType::Union(..) | DataType::RunEndEncoded(..)) {
            return Err(Error::new(
                "SPEC_SQL_TYPE",
                format!("cannot write column {}: Parquet has no form for its type {}, cast it", field.name(), field.data_type()),
            ));
        }
    }
    Ok(())
}

fn without_views(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| field_without_views(field));
    Schema::new(fields.collect::<Vec<_>>())
}

fn field_without_views(field: &Field) -> Field {
    let inner = |field: &Arc<Field>| Arc::new(field_without_views(field));
    let data_type = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(inner(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable())
}

pub(super) fn parquet_error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => sink_error(*io),
            Err(other) => Error::new("CORE_PANIC", format!("cannot write Parquet: {other}")),
        },
        other => Error::new("CORE_PANIC", format!("cannot write Parquet: {other}")),
    }
}
