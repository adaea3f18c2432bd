//! The footer: found, measured, walked, decoded, and checked against the file, in this order. Nothing it says is believed before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, Type as PhysicalType};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::thrift::{Fault, Walk, wire};
use crate::error::Error;
use crate::source::ByteSource;

const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8; 4] = b"PARE";
/// Length of the footer and the magic at the end of a file.
const TAIL_BYTES: u64 = 8;
const MAX_FOOTER_BYTES: u64 = 64 << 20;
const MAX_GROUPS: u64 = 100_000;
const MAX_COLUMN_CHUNKS: u64 = 20_000_000;
const MAX_COLUMNS: usize = 20_000;
/// Nesting of the schema.
const MAX_SCHEMA_DEPTH: usize = 16;

/// Rows that are stored together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub rows: u64,
    /// As stored.
    pub bytes: u64,
    pub decoded_bytes: u64,
}

/// A footer that agrees with its file.
pub(crate) struct Footer {
    pub metadata: ArrowReaderMetadata,
    /// The top-level columns in the types they are read as.
    pub schema: SchemaRef,
    pub groups: Vec<Group>,
    pub rows: u64,
    pub leaves: usize,
}

impl Footer {
    /// Errors: `PARQUET_MAGIC`, `PARQUET_FOOTER`, `PARQUET_UNSUPPORTED`, `OVER_LIMIT`, and what the source says.
    pub(crate) fn read(source: &mut dyn ByteSource) -> Result<Footer, Error> {
        let bytes = read_bytes(source)?;
        check_structure(&bytes)?;
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(&bytes).map_err(|error| broken(error.to_string())))?;
        let footer_start = source.size() - TAIL_BYTES - bytes.len() as u64;
        let groups = check_groups(&metadata, footer_start)?;
        let rows = groups.iter().try_fold(0u64, |sum, group| sum.checked_add(group.rows)).filter(|rows| i64::try_from(*rows).is_ok());
        let rows = rows.ok_or_else(|| broken("it counts more rows than there can be"))?;
        if u64::try_from(metadata.file_metadata().num_rows()) != Ok(rows) {
            return Err(broken(format!("it counts {} rows, its row groups {rows}", metadata.file_metadata().num_rows())));
        }
        check_types(&metadata)?;
        let leaves = metadata.file_metadata().schema_descr().num_columns();
        let metadata = guarded(|| arrow_metadata(Arc::new(metadata)))?;
        Ok(Footer { schema: Arc::clone(metadata.schema()), metadata, groups, rows, leaves })
    }
}

fn broken(why: impl std::fmt::Display) -> Error {
    Error::new("PARQUET_FOOTER", format!("cannot use the footer of the file: {why}"))
}

fn over(what: &str, value: u64, limit: u64) -> Error {
    Error::new("OVER_LIMIT", format!("cannot read the file: its footer declares {what} {value}, the limit is {limit}"))
}

fn unsupported(why: impl std::fmt::Display) -> Error {
    Error::new("PARQUET_UNSUPPORTED", format!("cannot read the file: {why}"))
}

/// Third-party decoders may panic on hostile bytes; here that is an error of the file.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(broken("the decoder gave up on it")))
}

/// The bytes of the footer itself.
fn read_bytes(source: &mut dyn ByteSource) -> Result<Vec<u8>, Error> {
    let size = source.size();
    let magic = |what: &str| Error::new("PARQUET_MAGIC", format!("cannot read the file as Parquet: {what}"));
    if size < 4 {
        return Err(magic("it is shorter than 4 bytes"));
    }
    let head = super::pages::read_exactly(source, 0, 4)?;
    if head == ENCRYPTED_MAGIC {
        return Err(unsupported("its footer is encrypted"));
    }
    if head != MAGIC {
        return Err(magic("it does not begin with PAR1"));
    }
    if size < 4 + TAIL_BYTES {
        return Err(broken("the file ends before it"));
    }
    let tail = super::pages::read_exactly(source, size - TAIL_BYTES, TAIL_BYTES as usize)?;
    if &tail[4..] != MAGIC {
        return Err(broken("the file does not end with PAR1; perhaps it was cut off"));
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if length > MAX_FOOTER_BYTES {
        return Err(over("a footer of bytes", length, MAX_FOOTER_BYTES));
    }
    if length > size - 4 - TAIL_BYTES {
        return Err(broken(format!("it is said to have {length} bytes, the file has {size}")));
    }
    super::pages::read_exactly(source, size - TAIL_BYTES - length, length as usize)
}

/// Walks the footer: counts and lengths fit, limits hold, the schema is a tree of bounded depth.
fn check_structure(bytes: &[u8]) -> Result<(), Error> {
    let (mut groups, mut leaves) = (0, 0);
    let mut children: Vec<i64> = Vec::new();
    let mut encrypted = false;
    let walked = Walk::new(bytes).structure(0, &mut |walk, number, kind| match (number, kind) {
        (2, wire::LIST) => {
            let (kind, count) = walk.list()?;
            if kind != wire::STRUCT {
                return Err(Fault::Wrong);
            }
            for _ in 0..count {
                let mut own = 0;
                walk.structure(2, &mut |walk, number, kind| {
                    let is_children = number == 5 && kind == wire::I32;
                    if is_children {
                        own = walk.integer()?;
                    }
                    Ok(is_children)
                })?;
                children.push(own);
                leaves += u64::from(own == 0);
                if leaves > MAX_COLUMNS as u64 {
                    return Ok(true);
                }
            }
            Ok(true)
        }
        (4, wire::LIST) => {
            let (kind, count) = walk.list()?;
            groups = count;
            if kind != wire::STRUCT {
                return Err(Fault::Wrong);
            }
            if groups > MAX_GROUPS {
                return Ok(true);
            }
            (0..count).try_for_each(|_| walk.skip(kind, 2, false)).map(|()| true)
        }
        (8, _) => {
            encrypted = true;
            Ok(false)
        }
        _ => Ok(false),
    });
    // A limit is told before a fault: the walk may have stopped because of it.
    if leaves > MAX_COLUMNS as u64 {
        return Err(over("columns", leaves, MAX_COLUMNS as u64));
    }
    if groups > MAX_GROUPS {
        return Err(over("row groups", groups, MAX_GROUPS));
    }
    if groups * leaves > MAX_COLUMN_CHUNKS {
        return Err(over("columns times row groups", groups * leaves, MAX_COLUMN_CHUNKS));
    }
    walked.map_err(|fault| match fault {
        Fault::Cut => broken("it ends inside its structure"),
        Fault::Wrong => broken("a count or length in it is larger than the footer"),
        Fault::Deep => broken("it is nested too deeply"),
    })?;
    if encrypted {
        return Err(unsupported("its columns are encrypted"));
    }
    check_depth(&children)
}

/// The schema is listed depth first, each entry with its number of children.
fn check_depth(children: &[i64]) -> Result<(), Error> {
    let mut open: Vec<i64> = Vec::new();
    for (index, &own) in children.iter().enumerate() {
        if own < 0 || own > children.len() as i64 {
            return Err(broken("a group of its schema has no such number of children"));
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        } else if index > 0 {
            return Err(broken("its schema is no tree"));
        }
        if own > 0 {
            open.push(own);
            if open.len() > MAX_SCHEMA_DEPTH + 2 {
                return Err(over("a nesting of columns of", open.len() as u64, MAX_SCHEMA_DEPTH as u64));
            }
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    if children.is_empty() || !open.is_empty() { Err(broken("its schema is no tree")) } else { Ok(()) }
}

/// Every column chunk lies between the head and the footer, and none over another.
fn check_groups(metadata: &ParquetMetaData, footer_start: u64) -> Result<Vec<Group>, Error> {
    let leaves = metadata.file_metadata().schema_descr().num_columns();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    let mut groups = Vec::new();
    for (number, group) in metadata.row_groups().iter().enumerate() {
        if group.columns().len() != leaves {
            return Err(broken(format!("row group {number} has {} columns, the schema has {leaves}", group.columns().len())));
        }
        groups.push(check_group(number, group, footer_start, &mut ranges)?);
    }
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        None => Ok(groups),
        Some(pair) => Err(broken(format!("two of its columns share the bytes {} to {}", pair[1].0, pair[0].1))),
    }
}

fn check_group(number: usize, group: &RowGroupMetaData, footer_start: u64, ranges: &mut Vec<(u64, u64)>) -> Result<Group, Error> {
    let rows = u64::try_from(group.num_rows()).map_err(|_| broken(format!("row group {number} has {} rows", group.num_rows())))?;
    let (mut bytes, mut decoded_bytes) = (0, 0u64);
    for column in group.columns() {
        let (start, end) = range_of(column)
            .filter(|(start, end)| *start >= 4 && start <= end && *end <= footer_start)
            .ok_or_else(|| broken(format!("column {} of row group {number} lies outside the file", column.column_path())))?;
        let flat = column.column_descr().max_rep_level() == 0;
        if column.num_values() < 0 || (flat && column.num_values() as u64 != rows) {
            return Err(broken(format!(
                "column {} of row group {number} has {} values for {rows} rows",
                column.column_path(),
                column.num_values()
            )));
        }
        check_codec(column)?;
        if end > start {
            ranges.push((start, end));
        }
        bytes += end - start;
        decoded_bytes = decoded_bytes.saturating_add(u64::try_from(column.uncompressed_size()).unwrap_or(0));
    }
    Ok(Group { rows, bytes, decoded_bytes })
}

/// The dictionary, if there is one, stands before the data.
fn range_of(column: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = column.dictionary_page_offset().filter(|offset| *offset > 0).unwrap_or(column.data_page_offset());
    let (start, length) = (u64::try_from(start).ok()?, u64::try_from(column.compressed_size()).ok()?);
    Some((start, start.checked_add(length)?))
}

fn check_codec(column: &ColumnChunkMetaData) -> Result<(), Error> {
    let codec = column.compression();
    if is_read(codec) {
        return Ok(());
    }
    Err(unsupported(format!("column {} is compressed with {codec}; expected snappy, gzip, zstd or lz4", column.column_path())))
}

fn is_read(codec: Compression) -> bool {
    use Compression as C;
    matches!(codec, C::UNCOMPRESSED | C::SNAPPY | C::GZIP(_) | C::ZSTD(_) | C::LZ4 | C::LZ4_RAW)
}

fn check_types(metadata: &ParquetMetaData) -> Result<(), Error> {
    let columns = metadata.file_metadata().schema_descr().root_schema().get_fields().len();
    if columns > MAX_COLUMNS { Err(over("columns", columns as u64, MAX_COLUMNS as u64)) } else { Ok(()) }
}

/// Types follow from Parquet's own annotations: a stored Arrow schema is a hint that others wrote, and may be anything. Text and bytes are
/// read as views; instants of the old 96-bit form as microseconds, which reach further than the nanoseconds that are the library's choice.
fn arrow_metadata(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, Error> {
    let wrong = |error: parquet::errors::ParquetError| unsupported(format!("a column has a type that is not known: {error}"));
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let plain = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options).map_err(wrong)?;
    let roots = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let fields = plain.schema().fields().iter().zip(roots).map(|(field, root)| {
        let is_int96 = root.is_primitive() && root.get_physical_type() == PhysicalType::INT96;
        let data_type = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            DataType::Binary => DataType::BinaryView,
            DataType::Timestamp(..) if is_int96 => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => other.clone(),
        };
        Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(schema)).map_err(wrong)
}
