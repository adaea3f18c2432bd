//! Which partition a row belongs to: XXH3-64, seed 0, over its key columns, modulo the number of partitions. Part of the result version.
//!
//! Equal values hash alike whatever column they stand in: each key is encoded as the widest type that any stage gives it. A null is `00`; any
//! other value is `01` and then: integers as i64, decimals as i128 at the common scale, booleans as one byte, dates as i32 days, times and
//! instants as i64 microseconds, all little-endian; text and binary as u32 length and bytes. `schemas/vectors/exchange.json` holds examples.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Decimal256Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, TimeUnit};
use twox_hash::XxHash3_64;

use crate::error::Error;

const MS_PER_DAY: i64 = 86_400_000;
const US_PER_DAY: i64 = MS_PER_DAY * 1_000;

/// How the values of a key are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Only nulls: any other kind takes them in.
    Null,
    Integer,
    /// With the common scale.
    Decimal(i8),
    Boolean,
    Date,
    Time,
    Datetime,
    Bytes,
    /// An unsigned 32-bit number that *is* the partition; only alone.
    Partition,
}

/// A key of an exchange: its column, and how it is encoded in every stage that feeds the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub column: String,
    pub kind: KeyKind,
}

/// The kind of a column; none for floats and nested columns.
pub fn kind_of(data_type: &DataType) -> Option<KeyKind> {
    use DataType::*;
    match data_type {
        Null => Some(KeyKind::Null),
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Some(KeyKind::Integer),
        Decimal128(_, scale) | Decimal256(_, scale) => Some(KeyKind::Decimal(*scale)),
        Boolean => Some(KeyKind::Boolean),
        Date32 | Date64 => Some(KeyKind::Date),
        Time32(_) | Time64(_) => Some(KeyKind::Time),
        Timestamp(_, _) => Some(KeyKind::Datetime),
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => Some(KeyKind::Bytes),
        _ => None,
    }
}

/// The kind that holds the values of both; none if their values can never be equal.
fn wider(a: KeyKind, b: KeyKind) -> Option<KeyKind> {
    use KeyKind::*;
    match (a, b) {
        (a, b) if a == b => Some(a),
        (Null, other) | (other, Null) => Some(other),
        (Decimal(a), Decimal(b)) => Some(Decimal(a.max(b))),
        (Integer, Decimal(scale)) | (Decimal(scale), Integer) => Some(Decimal(scale.max(0))),
        (Date, Datetime) | (Datetime, Date) => Some(Datetime),
        _ => None,
    }
}

/// The keys of an exchange over the columns of all stages that feed it. Errors: `SPEC_SQL_UNKNOWN_COLUMN`, and `SPEC_EXCHANGE_KEY` for floats,
/// nested columns and columns whose types have no common one.
pub fn keys_of(columns: &[String], stages: &[(&str, &Schema)]) -> Result<Vec<Key>, Error> {
    columns.iter().map(|column| Ok(Key { column: column.clone(), kind: common_kind(column, stages)? })).collect()
}

fn common_kind(column: &str, stages: &[(&str, &Schema)]) -> Result<KeyKind, Error> {
    let mut common: Option<(KeyKind, &str)> = None;
    for (stage, schema) in stages {
        let Ok(field) = schema.field_with_name(column) else {
            let message = format!("exchange key {column}: stage {stage} has no such column; it has {}", names(schema));
            return Err(Error::new("SPEC_SQL_UNKNOWN_COLUMN", message));
        };
        let kind = kind_of(field.data_type()).ok_or_else(|| {
            let message = format!(
                "exchange key {column} has the type {} in stage {stage}; expected an integer, decimal, boolean, date, time, datetime or text, \
                 for example by a CAST in that stage",
                field.data_type()
            );
            Error::new("SPEC_EXCHANGE_KEY", message)
        })?;
        common = match common {
            None => Some((kind, stage)),
            Some((before, first)) => Some((wider(before, kind).ok_or_else(|| unlike(column, first, stage))?, first)),
        };
    }
    Ok(common.map_or(KeyKind::Null, |(kind, _)| kind))
}

fn unlike(column: &str, first: &str, stage: &str) -> Error {
    let message = format!("exchange key {column}: its types in the stages {first} and {stage} have no values in common; CAST one of them");
    Error::new("SPEC_EXCHANGE_KEY", message)
}

fn names(schema: &Schema) -> String {
    let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.truncate(20);
    names.join(", ")
}

/// Finds the partition of each row of batches of one schema.
#[derive(Clone, Debug)]
pub struct Partitioner {
    keys: Vec<(usize, KeyKind)>,
    partitions: u32,
}

impl Partitioner {
    pub fn new(schema: &Schema, keys: &[Key], partitions: u32) -> Result<Partitioner, Error> {
        let find = |key: &Key| match schema.index_of(&key.column) {
            Ok(index) => Ok((index, key.kind)),
            Err(_) => Err(Error::new("SPEC_SQL_UNKNOWN_COLUMN", format!("exchange key {}: there is no such column", key.column))),
        };
        Ok(Partitioner { keys: keys.iter().map(find).collect::<Result<_, _>>()?, partitions: partitions.max(1) })
    }

    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// The partition of each row.
    pub fn assign(&self, batch: &RecordBatch) -> Result<Vec<u32>, Error> {
        if self.partitions == 1 {
            return Ok(vec![0; batch.num_rows()]);
        }
        if let [(column, KeyKind::Partition)] = self.keys.as_slice() {
            return self.numbered(batch.column(*column));
        }
        if let [(column, kind)] = self.keys.as_slice()
            && let Some(partitions) = self.assign_by_one(batch.column(*column), *kind)
        {
            return Ok(partitions);
        }
        let encoders = self.encoders(batch)?;
        let mut bytes = Vec::new();
        let partition_of = |row| {
            encode_row(&encoders, row, &mut bytes);
            self.of(&bytes)
        };
        Ok((0..batch.num_rows()).map(partition_of).collect())
    }

    fn of(&self, key: &[u8]) -> u32 {
        self.of_hash(XxHash3_64::oneshot(key))
    }

    #[inline(always)]
    fn of_hash(&self, hash: u64) -> u32 {
        // The same, without a division.
        let rest =
            if self.partitions.is_power_of_two() { hash & u64::from(self.partitions - 1) } else { hash % u64::from(self.partitions) };
        rest as u32
    }

    /// The commonest keys, a number or a text alone, without a call for each value.
    fn assign_by_one(&self, column: &ArrayRef, kind: KeyKind) -> Option<Vec<u32>> {
        let null = self.of(&[0]);
        if let (KeyKind::Integer, Some(numbers)) = (kind, column.as_primitive_opt::<Int64Type>()) {
            let of = |number: i64| self.of_hash(hash_of_integer(number));
            if numbers.null_count() == 0 {
                return Some(numbers.values().iter().map(|number| of(*number)).collect());
            }
            return Some(numbers.iter().map(|number| number.map_or(null, of)).collect());
        }
        if let (KeyKind::Bytes, Some(texts)) = (kind, column.as_string_view_opt()) {
            let mut bytes = Vec::new();
            let mut of = |text: &str| {
                bytes.clear();
                bytes.push(1);
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
                self.of(&bytes)
            };
            return Some(texts.iter().map(|text| text.map_or(null, &mut of)).collect());
        }
        None
    }

    fn numbered(&self, column: &ArrayRef) -> Result<Vec<u32>, Error> {
        let numbers = column.as_primitive_opt::<UInt32Type>().ok_or_else(|| mismatch(column))?.values();
        if numbers.iter().any(|number| *number >= self.partitions) {
            return Err(Error::new("PLAN_CONFLICT", format!("a row belongs to a partition behind the last of {}", self.partitions)));
        }
        Ok(numbers.to_vec())
    }

    fn encoders<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<Encoder<'a>>, Error> {
        self.keys.iter().map(|(column, kind)| Encoder::new(batch.column(*column), *kind)).collect()
    }
}

/// XXH3-64 of an integer key alone, that is of `01` and eight bytes: what the algorithm comes to for nine bytes and the seed 0.
#[inline(always)]
fn hash_of_integer(number: i64) -> u64 {
    // Bytes 24 to 32 of the algorithm's secret xor those behind them, and 40 to 48 in the same way.
    const LOW: u64 = 0x6782_737b_ea42_39b9;
    const HIGH: u64 = 0xaf56_bc3b_0996_523a;
    let number = number as u64;
    // The first eight of the nine bytes, and the last eight.
    let (low, high) = ((number << 8 | 1) ^ LOW, number ^ HIGH);
    let product = u128::from(low) * u128::from(high);
    let mixed = 9u64.wrapping_add(low.swap_bytes()).wrapping_add(high).wrapping_add(product as u64 ^ (product >> 64) as u64);
    let mixed = (mixed ^ mixed >> 37).wrapping_mul(0x1656_6791_9E37_79F9);
    mixed ^ mixed >> 32
}

/// The bytes of each row's keys, as they are hashed and compared.
pub fn encoded_keys(columns: &[(ArrayRef, KeyKind)], mut take: impl FnMut(usize, &[u8])) -> Result<(), Error> {
    let encoders = columns.iter().map(|(column, kind)| Encoder::new(column, *kind)).collect::<Result<Vec<_>, _>>()?;
    let mut bytes = Vec::new();
    for row in 0..columns.first().map_or(0, |(column, _)| column.len()) {
        encode_row(&encoders, row, &mut bytes);
        take(row, &bytes);
    }
    Ok(())
}

fn encode_row(encoders: &[Encoder<'_>], row: usize, bytes: &mut Vec<u8>) {
    bytes.clear();
    for encoder in encoders {
        if encoder.column.is_null(row) {
            bytes.push(0);
        } else {
            bytes.push(1);
            (encoder.encode)(row, bytes);
        }
    }
}

/// Appends the value of a row.
type Encode<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

struct Encoder<'a> {
    column: &'a ArrayRef,
    encode: Encode<'a>,
}

impl<'a> Encoder<'a> {
    fn new(column: &'a ArrayRef, kind: KeyKind) -> Result<Encoder<'a>, Error> {
        let encode: Encode<'a> = match kind {
            KeyKind::Null => Box::new(|_, _| {}),
            KeyKind::Partition => return Err(mismatch(column)),
            KeyKind::Bytes => bytes_encoder(column)?,
            KeyKind::Boolean => {
                let values = column.as_boolean_opt().ok_or_else(|| mismatch(column))?;
                Box::new(move |row, out| out.push(u8::from(values.value(row))))
            }
            KeyKind::Decimal(scale) => decimal_encoder(column, scale)?,
            KeyKind::Date => {
                let micros = whole_numbers(column, KeyKind::Date)?;
                Box::new(move |row, out| out.extend_from_slice(&(micros(row) as i32).to_le_bytes()))
            }
            KeyKind::Integer | KeyKind::Time | KeyKind::Datetime => {
                let number = whole_numbers(column, kind)?;
                Box::new(move |row, out| out.extend_from_slice(&number(row).to_le_bytes()))
            }
        };
        Ok(Encoder { column, encode })
    }
}

type Number<'a> = Box<dyn Fn(usize) -> i64 + 'a>;

/// Values as the whole number that stands for them under `kind`.
fn whole_numbers<'a>(column: &'a ArrayRef, kind: KeyKind) -> Result<Number<'a>, Error> {
    macro_rules! values {
        ($type:ty, $convert:expr) => {{
            let values = column.as_primitive::<$type>();
            let convert = $convert;
            Box::new(move |row| convert(values.value(row) as i64))
        }};
    }
    let days_in = if kind == KeyKind::Datetime { US_PER_DAY } else { 1 };
    let same = |value: i64| value;
    Ok(match column.data_type() {
        DataType::Null => Box::new(|_| 0),
        DataType::Int8 => values!(Int8Type, same),
        DataType::Int16 => values!(Int16Type, same),
        DataType::Int32 => values!(Int32Type, same),
        DataType::Int64 => values!(Int64Type, same),
        DataType::UInt8 => values!(UInt8Type, same),
        DataType::UInt16 => values!(UInt16Type, same),
        DataType::UInt32 => values!(UInt32Type, same),
        DataType::UInt64 => values!(UInt64Type, same),
        DataType::Date32 => values!(Date32Type, move |days: i64| days.wrapping_mul(days_in)),
        DataType::Date64 => values!(Date64Type, move |ms: i64| ms.div_euclid(MS_PER_DAY).wrapping_mul(days_in)),
        DataType::Time32(TimeUnit::Second) => values!(Time32SecondType, |seconds: i64| seconds * 1_000_000),
        DataType::Time32(_) => values!(Time32MillisecondType, |ms: i64| ms * 1_000),
        DataType::Time64(TimeUnit::Microsecond) => values!(Time64MicrosecondType, same),
        DataType::Time64(_) => values!(Time64NanosecondType, |ns: i64| ns.div_euclid(1_000)),
        DataType::Timestamp(TimeUnit::Second, _) => values!(TimestampSecondType, |seconds: i64| seconds.wrapping_mul(1_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => values!(TimestampMillisecondType, |ms: i64| ms.wrapping_mul(1_000)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => values!(TimestampMicrosecondType, same),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => values!(TimestampNanosecondType, |ns: i64| ns.div_euclid(1_000)),
        _ => return Err(mismatch(column)),
    })
}

/// Values as i128 at the common scale. What does not fit wraps: equal values stay equal, and that is all a hash needs.
fn decimal_encoder<'a>(column: &'a ArrayRef, scale: i8) -> Result<Encode<'a>, Error> {
    let factor = |own: i8| 10i128.wrapping_pow(u32::from(scale.saturating_sub(own).max(0).unsigned_abs()));
    Ok(match column.data_type() {
        DataType::Decimal128(_, own) => {
            let (values, factor) = (column.as_primitive::<Decimal128Type>(), factor(*own));
            Box::new(move |row, out| out.extend_from_slice(&values.value(row).wrapping_mul(factor).to_le_bytes()))
        }
        DataType::Decimal256(_, own) => {
            let (values, factor) = (column.as_primitive::<Decimal256Type>(), factor(*own));
            Box::new(move |row, out| {
                let low = values.value(row).to_parts().0 as i128;
                out.extend_from_slice(&low.wrapping_mul(factor).to_le_bytes());
            })
        }
        _ => {
            let (number, factor) = (whole_numbers(column, KeyKind::Integer)?, factor(0));
            Box::new(move |row, out| out.extend_from_slice(&i128::from(number(row)).wrapping_mul(factor).to_le_bytes()))
        }
    })
}

fn bytes_encoder<'a>(column: &'a ArrayRef) -> Result<Encode<'a>, Error> {
    macro_rules! values {
        ($array:expr) => {{
            let values = $array;
            Box::new(move |row, out: &mut Vec<u8>| {
                let value: &[u8] = values.value(row).as_ref();
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                out.extend_from_slice(value);
            })
        }};
    }
    Ok(match column.data_type() {
        DataType::Null => Box::new(|_, _| {}),
        DataType::Utf8 => values!(column.as_string::<i32>()),
        DataType::LargeUtf8 => values!(column.as_string::<i64>()),
        DataType::Utf8View => values!(column.as_string_view()),
        DataType::Binary => values!(column.as_binary::<i32>()),
        DataType::LargeBinary => values!(column.as_binary::<i64>()),
        DataType::BinaryView => values!(column.as_binary_view()),
        _ => return Err(mismatch(column)),
    })
}

fn mismatch(column: &ArrayRef) -> Error {
    Error::new("PLAN_CONFLICT", format!("an exchange key came as {}, which is not what its stage was planned with", column.data_type()))
}

#[cfg(test)]
mod tests;
