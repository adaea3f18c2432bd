//! Parquet parts. Memory is bounded by one row group (`rowGroupSize` of encoded bytes) and the sample that decides the encodings.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;

use self::bounds::TEXT_BYTES;
use self::chunk::Chunk;
use self::codec::Codec;
use super::choose::{Choice, SAMPLE_ROWS, choose};
use super::intervals::{as_text, as_text_schema};
use super::recut::{Cuts, batch_bytes};
use super::{OutputOptions, PartWriter, Sink, sink_error};
use crate::error::Error;

mod bits;
mod blocks;
mod bounds;
mod chunk;
mod codec;
mod dictionary;
mod values;
mod views;

/// A row group never has more rows than this.
const MAX_ROW_GROUP_ROWS: usize = 1 << 20;
/// The sample that decides the encodings ends at this many bytes of values, or at `SAMPLE_ROWS`.
const SAMPLE_BYTES: usize = 8 << 20;
pub(super) const CREATED_BY: &str = "millrace";

pub(super) struct ParquetPart {
    schema: SchemaRef,
    row_group_bytes: usize,
    sample_bytes: usize,
    has_statistics: bool,
    compression: Compression,
    cuts: Cuts,
    state: State,
    rows: u64,
}

enum State {
    /// The first rows wait here until the encodings are chosen. The sink is taken when they are.
    Sampling {
        sink: Option<Sink>,
        batches: Vec<(RecordBatch, bool)>,
        bytes: usize,
    },
    Writing(Box<Writing>),
}

impl ParquetPart {
    pub(super) fn open(options: &OutputOptions, schema: SchemaRef, sink: Sink) -> Result<ParquetPart, Error> {
        let schema = as_text_schema(&schema);
        check_types(&schema)?;
        Ok(ParquetPart {
            schema,
            row_group_bytes: usize::try_from(options.parquet.row_group_size).unwrap_or(usize::MAX),
            // A part that is to be small must not be full before its first byte is encoded.
            sample_bytes: usize::try_from(options.part_size).unwrap_or(usize::MAX).min(SAMPLE_BYTES),
            has_statistics: options.parquet.statistics,
            compression: compression(options.compression.as_deref())?,
            cuts: Cuts::default(),
            state: State::Sampling { sink: Some(sink), batches: Vec::new(), bytes: 0 },
            rows: 0,
        })
    }

    /// Takes rows of which the last one stands before a cut, if `is_cut`. Only there anything is decided.
    fn append(&mut self, batch: RecordBatch, is_cut: bool) -> Result<(), Error> {
        match &mut self.state {
            State::Sampling { batches, bytes, .. } => {
                *bytes += batch_bytes(&batch);
                batches.push((batch, is_cut));
                let rows: usize = batches.iter().map(|(batch, _)| batch.num_rows()).sum();
                if is_cut && (rows >= SAMPLE_ROWS || *bytes >= self.sample_bytes) { self.begin() } else { Ok(()) }
            }
            State::Writing(writing) => writing.write(&batch, is_cut),
        }
    }

    /// Chooses the encodings from what was gathered, opens the file and writes the gathered rows.
    fn begin(&mut self) -> Result<(), Error> {
        let State::Sampling { sink, batches, .. } = &mut self.state else { return Ok(()) };
        let batches = std::mem::take(batches);
        let sink = sink.take().expect("the sink is taken once, when sampling ends");
        let choose_for = |(index, field): (usize, &Arc<Field>)| {
            let pieces: Vec<ArrayRef> = batches.iter().map(|(batch, _)| batch.column(index).clone()).collect();
            choose(field.data_type(), &pieces)
        };
        let choices = self.schema.fields().iter().enumerate().map(choose_for).collect();
        let mut writing = Box::new(Writing::open(sink, self, choices)?);
        for (batch, is_cut) in &batches {
            writing.write(batch, *is_cut)?;
        }
        self.state = State::Writing(writing);
        Ok(())
    }
}

impl PartWriter for ParquetPart {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let batch = as_text(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        let mut from = 0;
        while from < batch.num_rows() {
            let (rows, is_cut) = self.cuts.next(&batch.slice(from, batch.num_rows() - from));
            self.append(batch.slice(from, rows), is_cut)?;
            from += rows;
        }
        Ok(())
    }

    /// 0 while the sample is gathered, which ends before `partSize`.
    fn written_bytes(&self) -> u64 {
        match &self.state {
            State::Sampling { .. } => 0,
            State::Writing(writing) => writing.bytes() as u64,
        }
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn held_bytes(&self) -> u64 {
        match &self.state {
            State::Sampling { bytes, .. } => *bytes as u64,
            State::Writing(writing) => writing.group_bytes() as u64,
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.begin()?;
        match &mut self.state {
            State::Writing(writing) => writing.end_group(),
            State::Sampling { .. } => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        self.begin()?;
        match self.state {
            State::Writing(writing) => writing.finish(),
            State::Sampling { .. } => Ok(()),
        }
    }
}

/// The open file with its open row group.
struct Writing {
    file: SerializedFileWriter<Sink>,
    schema: SchemaRef,
    choices: Vec<Option<Choice>>,
    /// Makes the encoders of nested columns and of types that are rare.
    library: ArrowRowGroupWriterFactory,
    codec: Codec,
    has_statistics: bool,
    row_group_bytes: usize,
    /// One for each field; empty between row groups.
    columns: Vec<Column>,
    rows: usize,
}

enum Column {
    Own(Box<Chunk>),
    Library(Vec<ArrowColumnWriter>),
}

impl Column {
    fn bytes(&self) -> usize {
        match self {
            Column::Own(chunk) => chunk.bytes(),
            Column::Library(writers) => writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum(),
        }
    }
}

impl Writing {
    fn open(sink: Sink, part: &ParquetPart, choices: Vec<Option<Choice>>) -> Result<Writing, Error> {
        let statistics = if part.has_statistics { EnabledStatistics::Chunk } else { EnabledStatistics::None };
        let properties = base_properties(part.compression)
            .set_statistics_enabled(statistics)
            .set_key_value_metadata(Some(vec![stored_schema(&part.schema)]))
            .build();
        let parquet_schema = ArrowSchemaConverter::new().convert(&part.schema).map_err(parquet_error)?;
        let file = SerializedFileWriter::new(sink, parquet_schema.root_schema_ptr(), Arc::new(properties)).map_err(parquet_error)?;
        Ok(Writing {
            library: ArrowRowGroupWriterFactory::new(&file, part.schema.clone()),
            file,
            schema: part.schema.clone(),
            choices,
            codec: Codec::new(part.compression)?,
            has_statistics: part.has_statistics,
            row_group_bytes: part.row_group_bytes,
            columns: Vec::new(),
            rows: 0,
        })
    }

    /// Encoded bytes, those of the open row group included.
    fn bytes(&self) -> usize {
        self.file.bytes_written() + self.group_bytes()
    }

    fn group_bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    fn write(&mut self, batch: &RecordBatch, is_cut: bool) -> Result<(), Error> {
        if self.columns.is_empty() {
            self.columns = self.open_columns()?;
        }
        for ((column, array), field) in self.columns.iter_mut().zip(batch.columns()).zip(self.schema.fields()) {
            match column {
                Column::Own(chunk) => {
                    chunk.write(array, &mut self.codec)?;
                    if is_cut {
                        chunk.look_at_page(&mut self.codec)?;
                    }
                }
                Column::Library(writers) => {
                    let leaves = compute_leaves(field, array).map_err(parquet_error)?;
                    for (writer, leaf) in writers.iter_mut().zip(leaves) {
                        writer.write(&leaf).map_err(parquet_error)?;
                    }
                }
            }
        }
        self.rows += batch.num_rows();
        if is_cut && (self.rows >= MAX_ROW_GROUP_ROWS || self.group_bytes() >= self.row_group_bytes) { self.end_group() } else { Ok(()) }
    }

    fn open_columns(&self) -> Result<Vec<Column>, Error> {
        let descriptor = self.file.schema_descr();
        let is_own = |index: usize| values::is_own(self.schema.field(index).data_type());
        let mut from_library = Vec::new();
        if !(0..self.schema.fields().len()).all(is_own) {
            from_library = self.library.create_column_writers(self.file.flushed_row_groups().len()).map_err(parquet_error)?;
        }
        let mut from_library = from_library.into_iter();
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        let mut leaf = 0;
        for (index, field) in self.schema.fields().iter().enumerate() {
            let leaves = (leaf..descriptor.num_columns()).take_while(|leaf| descriptor.get_column_root_idx(*leaf) == index).count();
            let writers: Vec<_> = from_library.by_ref().take(leaves).collect();
            let choice = self.choices[index].unwrap_or(Choice::PLAIN);
            columns.push(match Chunk::new(field.data_type(), descriptor.column(leaf), choice, self.has_statistics) {
                Some(chunk) => Column::Own(Box::new(chunk)),
                None => Column::Library(writers),
            });
            leaf += leaves;
        }
        Ok(columns)
    }

    fn end_group(&mut self) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let mut group = self.file.next_row_group().map_err(parquet_error)?;
        for column in self.columns.drain(..) {
            match column {
                Column::Own(chunk) => {
                    let (bytes, close) = chunk.finish(&mut self.codec)?;
                    group.append_column(&bytes, close).map_err(parquet_error)?;
                }
                Column::Library(writers) => {
                    for writer in writers {
                        writer.close().and_then(|chunk| chunk.append_to_row_group(&mut group)).map_err(parquet_error)?;
                    }
                }
            }
        }
        group.close().map(|_| ()).map_err(parquet_error)
    }

    fn finish(mut self) -> Result<(), Error> {
        self.end_group()?;
        self.file.finish().map_err(parquet_error)?;
        self.file.inner_mut().flush().map_err(sink_error)
    }
}

/// Settings that every Parquet file of ours shares.
pub(super) fn base_properties(compression: Compression) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(MAX_ROW_GROUP_ROWS))
        .set_statistics_truncate_length(Some(TEXT_BYTES))
        .set_offset_index_disabled(true)
}

/// The Arrow schema as the file keeps it, with plain text types: older readers do not know views, which are ours alone.
fn stored_schema(schema: &Schema) -> KeyValue {
    KeyValue::new(ARROW_SCHEMA_META_KEY.to_string(), encode_arrow_schema(&without_views(schema)))
}

/// Opens a file that the library's own encoders write.
pub(super) fn open_writer(sink: Sink, schema: &SchemaRef, properties: WriterPropertiesBuilder) -> Result<ArrowWriter<Sink>, Error> {
    let properties = properties.set_key_value_metadata(Some(vec![stored_schema(schema)])).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(sink, schema.clone(), options).map_err(parquet_error)
}

pub(super) fn close_writer(mut writer: ArrowWriter<Sink>) -> Result<(), Error> {
    writer.finish().map_err(parquet_error)?;
    writer.inner_mut().flush().map_err(sink_error)
}

fn compression(name: Option<&str>) -> Result<Compression, Error> {
    match name {
        Some("none") => Ok(Compression::UNCOMPRESSED),
        Some("snappy") => Ok(Compression::SNAPPY),
        None | Some("zstd") => Ok(Codec::zstd()),
        Some("gzip") => Ok(Codec::gzip()),
        // The raw blocks of the format's newer definition: what older readers call LZ4 was never defined well.
        Some("lz4") => Ok(Compression::LZ4_RAW),
        Some(name) => Err(Error::new(
            "SPEC_CONFLICT",
            format!("cannot write parquet with compression {name}: expected none, snappy, gzip, zstd or lz4"),
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

/// The schema as other programs read it.
pub(super) fn without_views(schema: &Schema) -> Schema {
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
