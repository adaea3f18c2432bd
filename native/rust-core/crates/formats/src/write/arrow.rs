//! Parts as Arrow IPC files: one record batch per 65,536 rows, no dictionaries, text without views, which older readers do not know.
//!
//! Columns are rebuilt before they are written: an array may hold anything where it is null, and bytes must depend on the rows alone.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, BinaryArray, BooleanArray, LargeBinaryArray, LargeStringArray, PrimitiveArray, RecordBatch,
    StringArray, downcast_primitive_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use arrow_select::concat::concat_batches;

use super::compress::Counted;
use super::parquet::without_views;
use super::recut::{Cuts, batch_bytes};
use super::{OutputOptions, PartWriter, Sink, sink_error};
use crate::error::Error;

/// Rows of a record batch in the file.
const IPC_BATCH_ROWS: usize = 65_536;
/// A record batch is also closed behind the cut with which its values reach this many bytes, so that large rows cannot fill the memory.
const IPC_BATCH_BYTES: usize = 32 << 20;
const ALIGNMENT: usize = 64;

pub(super) struct ArrowPart {
    file: FileWriter<Counted>,
    /// As the file has it.
    schema: SchemaRef,
    cuts: Cuts,
    /// Rows of the next record batch, with the bytes of their values.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    rows: u64,
}

impl ArrowPart {
    pub(super) fn open(options: &OutputOptions, schema: SchemaRef, sink: Sink) -> Result<ArrowPart, Error> {
        let schema = Arc::new(without_views(&schema));
        let compression = compression(options)?;
        let write_options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)
            .and_then(|plain| plain.try_with_compression(compression))
            .map_err(ipc_error)?;
        let file = FileWriter::try_new_with_options(Counted::new(sink), &schema, write_options).map_err(ipc_error)?;
        Ok(ArrowPart { file, schema, cuts: Cuts::default(), waiting: Vec::new(), waiting_rows: 0, waiting_bytes: 0, rows: 0 })
    }

    fn take(&mut self, batch: RecordBatch, is_cut: bool) -> Result<(), Error> {
        self.waiting_rows += batch.num_rows();
        self.waiting_bytes += batch_bytes(&batch);
        self.waiting.push(plain(&batch, &self.schema)?);
        let is_full = self.waiting_rows >= IPC_BATCH_ROWS || self.waiting_bytes >= IPC_BATCH_BYTES;
        if is_cut && is_full { self.put() } else { Ok(()) }
    }

    fn put(&mut self) -> Result<(), Error> {
        if self.waiting_rows == 0 {
            return Ok(());
        }
        let batch = concat_batches(&self.schema, &self.waiting).map_err(ipc_error)?;
        let columns = batch.columns().iter().map(canonical).collect::<Result<Vec<_>, _>>().map_err(ipc_error)?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(ipc_error)?;
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        self.waiting.clear();
        self.file.write(&batch).map_err(ipc_error)
    }
}

impl PartWriter for ArrowPart {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        let mut from = 0;
        while from < batch.num_rows() {
            let (rows, is_cut) = self.cuts.next(&batch.slice(from, batch.num_rows() - from));
            self.take(batch.slice(from, rows), is_cut)?;
            from += rows;
        }
        Ok(())
    }

    fn written_bytes(&self) -> u64 {
        self.file.get_ref().bytes() + self.waiting_bytes as u64
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn held_bytes(&self) -> u64 {
        self.waiting_bytes as u64
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.put()
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        self.put()?;
        self.file.finish().map_err(ipc_error)?;
        std::io::Write::flush(self.file.get_mut()).map_err(sink_error)
    }
}

fn compression(options: &OutputOptions) -> Result<Option<CompressionType>, Error> {
    match options.compression.as_deref() {
        Some("none") => Ok(None),
        Some("lz4") => Ok(Some(CompressionType::LZ4_FRAME)),
        None | Some("zstd") => Ok(Some(CompressionType::ZSTD)),
        Some(name) => Err(Error::new("SPEC_CONFLICT", format!("cannot write arrow with compression {name}: expected none, lz4 or zstd"))),
    }
}

/// The same rows with the column types of the file.
fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| arrow_cast::cast(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(ipc_error)?;
    RecordBatch::try_new(schema.clone(), columns).map_err(ipc_error)
}

/// The same values, and nothing else in the buffers: zeros, or no bytes, where a value is null.
fn canonical(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let array: ArrayRef = match array.data_type() {
        DataType::Utf8 => Arc::new(array.as_string::<i32>().iter().collect::<StringArray>()),
        DataType::LargeUtf8 => Arc::new(array.as_string::<i64>().iter().collect::<LargeStringArray>()),
        DataType::Binary => Arc::new(array.as_binary::<i32>().iter().collect::<BinaryArray>()),
        DataType::LargeBinary => Arc::new(array.as_binary::<i64>().iter().collect::<LargeBinaryArray>()),
        DataType::Boolean => Arc::new(canonical_booleans(array.as_boolean())),
        DataType::Null => array.clone(),
        _ => downcast_primitive_array! {
            array => Arc::new(canonical_numbers(array)),
            _ => canonical_nested(array)?,
        },
    };
    Ok(array)
}

/// Bits behind the last row are zero.
fn nulls_of(array: &dyn Array) -> Option<NullBuffer> {
    (array.null_count() > 0).then(|| NullBuffer::new(BooleanBuffer::collect_bool(array.len(), |row| array.is_valid(row))))
}

fn canonical_booleans(array: &BooleanArray) -> BooleanArray {
    let values = BooleanBuffer::collect_bool(array.len(), |row| array.is_valid(row) && array.value(row));
    BooleanArray::new(values, nulls_of(array))
}

fn canonical_numbers<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>) -> PrimitiveArray<T> {
    let nulls = nulls_of(array);
    let values = match &nulls {
        None => Buffer::from_slice_ref(array.values()),
        Some(nulls) => array.values().iter().zip(nulls).map(|(value, is_valid)| if is_valid { *value } else { T::Native::ZERO }).collect(),
    };
    PrimitiveArray::new(values.into(), nulls).with_data_type(array.data_type().clone())
}

/// By way of the row format, which has one form for each value.
fn canonical_nested(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(array))?;
    Ok(converter.convert_rows(&rows)?.remove(0))
}

fn ipc_error(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, io) => sink_error(io),
        other => Error::new("CORE_PANIC", format!("cannot write Arrow: {other}")),
    }
}
