//! One column of a batch as text: the canonical forms that CSV and NDJSON share.
//!
//! | type | form |
//! | --- | --- |
//! | integers, decimals | plain digits, decimals with all digits of their scale |
//! | floats | the shortest text that reads back the same; `NaN`, `INF`, `-INF` |
//! | date, time, timestamp | `YYYY-MM-DD`, `hh:mm:ss[.f]`, `YYYY-MM-DDThh:mm:ss[.f]`, with `Z` where the type has a zone; f has 6 digits (9 of nanoseconds) and is left out when zero |
//! | binary | base64 |
//! | lists, structs | JSON |

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, IntervalMonthDayNanoArray, LargeStringArray, ListArray, PrimitiveArray, RecordBatch,
    StringArray, StringViewArray, StructArray,
};
use arrow_schema::{DECIMAL128_MAX_PRECISION, DataType, IntervalUnit, TimeUnit};

use crate::error::Error;
use crate::values::duration::{self, Duration};

/// What a value is, as far as quoting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Free text.
    Text,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Text of a fixed form that holds no quote, blank or control character: a date, a time, `NaN`, base64.
    Fixed,
    /// JSON text of a nested value.
    Json,
}

/// A column, cast to the few types that are rendered here.
pub(crate) enum Column {
    Null,
    Boolean(BooleanArray),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    Float32(PrimitiveArray<Float32Type>),
    Float64(PrimitiveArray<Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, i8),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Int64Type>, Fraction),
    Timestamp(PrimitiveArray<Int64Type>, Fraction, bool),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Binary(BinaryArray),
    Duration(IntervalMonthDayNanoArray),
    List(ListArray, Box<Column>),
    Struct(StructArray, Vec<(Vec<u8>, Column)>),
}

/// Parts of a second that an instant counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fraction {
    Micro,
    Nano,
}

impl Fraction {
    fn per_second(self) -> i64 {
        match self {
            Fraction::Micro => 1_000_000,
            Fraction::Nano => 1_000_000_000,
        }
    }

    fn digits(self) -> usize {
        match self {
            Fraction::Micro => 6,
            Fraction::Nano => 9,
        }
    }
}

/// Whether `Column::of` can render columns of this type.
pub(super) fn check_type(name: &str, data_type: &DataType) -> Result<(), Error> {
    Column::of(&arrow_array::new_empty_array(data_type))
        .map(drop)
        .map_err(|_| Error::new("SPEC_SQL_TYPE", format!("cannot write column {name}: its type {data_type} has no form as text, cast it")))
}

impl Column {
    pub(crate) fn of(array: &ArrayRef) -> Result<Column, Error> {
        Ok(match array.data_type() {
            DataType::Null => Column::Null,
            DataType::Boolean => Column::Boolean(array.as_boolean().clone()),
            DataType::Int32 => Column::Int32(array.as_primitive().clone()),
            DataType::Int64 => Column::Int64(array.as_primitive().clone()),
            DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => Column::of(&cast(array, &DataType::Int32)?)?,
            DataType::UInt32 => Column::of(&cast(array, &DataType::Int64)?)?,
            DataType::UInt64 => Column::of(&cast(array, &DataType::Decimal128(20, 0))?)?,
            DataType::Float32 => Column::Float32(array.as_primitive().clone()),
            DataType::Float64 => Column::Float64(array.as_primitive().clone()),
            DataType::Float16 => Column::of(&cast(array, &DataType::Float32)?)?,
            // A file may declare any two numbers.
            DataType::Decimal128(precision, scale)
                if i16::from(*scale) <= i16::from(*precision) && *precision <= DECIMAL128_MAX_PRECISION =>
            {
                Column::Decimal(array.as_primitive().clone(), *scale)
            }
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                Column::of(&cast(array, &DataType::Decimal128(*precision, *scale))?)?
            }
            DataType::Date32 => Column::Date(array.as_primitive().clone()),
            DataType::Date64 => Column::of(&cast(array, &DataType::Date32)?)?,
            DataType::Time32(_) => Column::of(&cast(array, &DataType::Time64(TimeUnit::Microsecond))?)?,
            DataType::Time64(TimeUnit::Nanosecond) => Column::Time(plain::<Time64NanosecondType>(array), Fraction::Nano),
            DataType::Time64(_) => Column::Time(plain::<Time64MicrosecondType>(array), Fraction::Micro),
            DataType::Timestamp(unit, zone) => timestamp(array, *unit, zone.is_some())?,
            DataType::Utf8 => Column::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Column::LargeText(array.as_string().clone()),
            DataType::Utf8View => Column::TextView(array.as_string_view().clone()),
            DataType::Binary => Column::Binary(array.as_binary().clone()),
            DataType::Interval(IntervalUnit::MonthDayNano) => Column::Duration(array.as_primitive().clone()),
            DataType::Interval(_) | DataType::Duration(_) => Column::of(&cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?)?,
            DataType::Map(entries, _) => {
                let map = array.as_map();
                let list = ListArray::new(entries.clone(), map.offsets().clone(), Arc::new(map.entries().clone()), map.nulls().cloned());
                Column::of(&(Arc::new(list) as ArrayRef))?
            }
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Column::of(&cast(array, &DataType::Binary)?)?,
            DataType::Dictionary(_, values) => Column::of(&cast(array, values)?)?,
            DataType::List(_) => {
                let list = array.as_list::<i32>().clone();
                let items = Column::of(list.values())?;
                Column::List(list, Box::new(items))
            }
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Column::of(&cast(array, &DataType::List(item.clone()))?)?,
            DataType::Struct(fields) => {
                let parts = array.as_struct().clone();
                let columns = fields.iter().zip(parts.columns());
                let columns = columns.map(|(field, column)| Ok((json_key(field.name()), Column::of(column)?)));
                let columns = columns.collect::<Result<Vec<_>, Error>>()?;
                Column::Struct(parts, columns)
            }
            other => return Err(Error::new("SPEC_SQL_TYPE", format!("cannot write values of type {other} as text"))),
        })
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Null => true,
            Column::Boolean(array) => array.is_null(row),
            Column::Int32(array) => array.is_null(row),
            Column::Int64(array) | Column::Time(array, _) | Column::Timestamp(array, ..) => array.is_null(row),
            Column::Float32(array) => array.is_null(row),
            Column::Float64(array) => array.is_null(row),
            Column::Decimal(array, _) => array.is_null(row),
            Column::Date(array) => array.is_null(row),
            Column::Text(array) => array.is_null(row),
            Column::LargeText(array) => array.is_null(row),
            Column::TextView(array) => array.is_null(row),
            Column::Binary(array) => array.is_null(row),
            Column::Duration(array) => array.is_null(row),
            Column::List(array, _) => array.is_null(row),
            Column::Struct(array, _) => array.is_null(row),
        }
    }

    /// The bytes of a text value, without a copy.
    pub(crate) fn text(&self, row: usize) -> Option<&[u8]> {
        match self {
            Column::Text(array) => Some(array.value(row).as_bytes()),
            Column::LargeText(array) => Some(array.value(row).as_bytes()),
            Column::TextView(array) => Some(array.value(row).as_bytes()),
            _ => None,
        }
    }

    /// Appends the value, which must not be null, unquoted.
    pub(crate) fn append(&self, row: usize, out: &mut Vec<u8>) -> Kind {
        match self {
            Column::Null => Kind::Json,
            Column::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
                Kind::Boolean
            }
            Column::Int32(array) => append_integer(i128::from(array.value(row)), out),
            Column::Int64(array) => append_integer(i128::from(array.value(row)), out),
            Column::Float32(array) => append_float(array.value(row).into(), format_args!("{:?}", array.value(row)), out),
            Column::Float64(array) => append_float(array.value(row), format_args!("{:?}", array.value(row)), out),
            Column::Decimal(array, scale) => append_decimal(array.value(row), *scale, out),
            Column::Date(array) => append_date(i64::from(array.value(row)), out),
            Column::Time(array, fraction) => append_time(array.value(row), *fraction, out),
            Column::Timestamp(array, fraction, zoned) => append_timestamp(array.value(row), *fraction, *zoned, out),
            Column::Text(_) | Column::LargeText(_) | Column::TextView(_) => {
                out.extend_from_slice(self.text(row).unwrap_or_default());
                Kind::Text
            }
            Column::Binary(array) => append_base64(array.value(row), out),
            Column::Duration(array) => {
                let value = array.value(row);
                duration::append(Duration { months: value.months, days: value.days, nanos: value.nanoseconds }, out);
                Kind::Fixed
            }
            Column::List(..) | Column::Struct(..) => {
                self.append_json(row, out);
                Kind::Json
            }
        }
    }

    /// Appends the value as JSON, `null` for null.
    pub(crate) fn append_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match self {
            Column::Text(_) | Column::LargeText(_) | Column::TextView(_) => append_json_text(self.text(row).unwrap_or_default(), out),
            Column::List(array, items) => {
                out.push(b'[');
                let range = array.value_offsets()[row]..array.value_offsets()[row + 1];
                for (index, item) in range.enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    items.append_json(item as usize, out);
                }
                out.push(b']');
            }
            Column::Struct(_, columns) => append_json_object(columns, row, out),
            _ => self.append_json_scalar(row, out),
        }
    }

    /// Numbers and booleans stand bare, everything of fixed form in quotes.
    fn append_json_scalar(&self, row: usize, out: &mut Vec<u8>) {
        let start = out.len();
        if self.append(row, out) == Kind::Fixed {
            out.insert(start, b'"');
            out.push(b'"');
        }
    }
}

/// The first rows of a batch as text, in the forms above; a longer value ends behind so many characters.
///
/// Errors: `SPEC_SQL_TYPE` for a column without a form as text.
pub fn text_rows(rows: &RecordBatch, most: usize, characters: usize) -> Result<Vec<Vec<Option<String>>>, Error> {
    let columns = rows.columns().iter().map(Column::of).collect::<Result<Vec<_>, Error>>()?;
    let text = |column: &Column, row: usize| {
        let mut out = Vec::new();
        column.append(row, &mut out);
        String::from_utf8_lossy(&out).chars().take(characters).collect()
    };
    let cells = |row: usize| columns.iter().map(|column| (!column.is_null(row)).then(|| text(column, row))).collect();
    Ok((0..rows.num_rows().min(most)).map(cells).collect())
}

/// Appends `{"key":value,…}`; the keys come from `json_key`.
pub(crate) fn append_json_object(columns: &[(Vec<u8>, Column)], row: usize, out: &mut Vec<u8>) {
    for (index, (key, column)) in columns.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        out.extend_from_slice(key);
        column.append_json(row, out);
    }
    if columns.is_empty() {
        out.push(b'{');
    }
    out.push(b'}');
}

/// A name as it stands in an object, with its quotes and the colon.
pub(crate) fn json_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 3);
    append_json_text(name.as_bytes(), &mut key);
    key.push(b':');
    key
}

/// Appends a JSON string. Only what RFC 8259 demands is escaped.
pub(super) fn append_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut copied = 0;
    for (index, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[copied..index]);
        copied = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => append_format(format_args!("\\u{byte:04x}"), out),
        }
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Error> {
    arrow_cast::cast(array, to)
        .map_err(|error| Error::new("SPEC_SQL_TYPE", format!("cannot write values of type {} as text: {error}", array.data_type())))
}

/// The array's numbers without their meaning.
fn plain<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> PrimitiveArray<Int64Type> {
    array.as_primitive::<T>().reinterpret_cast()
}

fn timestamp(array: &ArrayRef, unit: TimeUnit, zoned: bool) -> Result<Column, Error> {
    let scaled = |numbers: PrimitiveArray<Int64Type>, factor: i64| {
        numbers.try_unary::<_, Int64Type, Error>(|value| {
            value.checked_mul(factor).ok_or_else(|| Error::new("TRANSFORM_OVERFLOW", "cannot write a timestamp: it is out of range"))
        })
    };
    Ok(match unit {
        TimeUnit::Second => Column::Timestamp(scaled(plain::<TimestampSecondType>(array), 1_000_000)?, Fraction::Micro, zoned),
        TimeUnit::Millisecond => Column::Timestamp(scaled(plain::<TimestampMillisecondType>(array), 1_000)?, Fraction::Micro, zoned),
        TimeUnit::Microsecond => Column::Timestamp(plain::<TimestampMicrosecondType>(array), Fraction::Micro, zoned),
        TimeUnit::Nanosecond => Column::Timestamp(plain::<TimestampNanosecondType>(array), Fraction::Nano, zoned),
    })
}

fn append_format(arguments: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    struct Text<'a>(&'a mut Vec<u8>);
    impl Write for Text<'_> {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    Text(out).write_fmt(arguments).expect("writing to memory does not fail");
}

fn append_integer(value: i128, out: &mut Vec<u8>) -> Kind {
    if value < 0 {
        out.push(b'-');
    }
    append_digits(value.unsigned_abs(), 1, out);
    Kind::Number
}

/// At least `width` digits.
fn append_digits(value: u128, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 40];
    let mut start = digits.len();
    let mut rest = value;
    // Division of 128 bits is slow, and nearly no value needs it.
    while rest > u128::from(u64::MAX) {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut rest = rest as u64;
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    start = start.min(digits.len() - width);
    out.extend_from_slice(&digits[start..]);
}

/// `shortest` is the value's `Debug` form, which is the shortest that reads back the same, with an exponent where plain notation is long.
fn append_float(value: f64, shortest: std::fmt::Arguments<'_>, out: &mut Vec<u8>) -> Kind {
    if !value.is_finite() {
        out.extend_from_slice(if value.is_nan() {
            b"NaN"
        } else if value > 0.0 {
            b"INF"
        } else {
            b"-INF"
        });
        return Kind::Fixed;
    }
    append_format(shortest, out);
    if out.ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
    Kind::Number
}

fn append_decimal(value: i128, scale: i8, out: &mut Vec<u8>) -> Kind {
    if value < 0 {
        out.push(b'-');
    }
    let start = out.len();
    let scale_digits = usize::try_from(scale).unwrap_or(0);
    append_digits(value.unsigned_abs(), scale_digits + 1, out);
    if scale_digits > 0 {
        let point = out.len() - scale_digits;
        out.insert(point, b'.');
    } else if scale < 0 && &out[start..] != b"0" {
        out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
    }
    Kind::Number
}

/// Year, month and day of a day number counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil(day: i64) -> (i64, u32, u32) {
    // Days are counted from 0000-03-01, so that a leap day ends a year; 146,097 days make 400 years.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = (of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_month)
}

fn append_date(day: i64, out: &mut Vec<u8>) -> Kind {
    let (year, month, day_of_month) = civil(day);
    if year < 0 {
        out.push(b'-');
    } else if year > 9_999 {
        out.push(b'+');
    }
    append_digits(u128::from(year.unsigned_abs()), 4, out);
    out.push(b'-');
    append_digits(month.into(), 2, out);
    out.push(b'-');
    append_digits(day_of_month.into(), 2, out);
    Kind::Fixed
}

fn append_time(value: i64, fraction: Fraction, out: &mut Vec<u8>) -> Kind {
    let second = value.div_euclid(fraction.per_second());
    let part = value.rem_euclid(fraction.per_second());
    for (index, number) in [second / 3_600, second / 60 % 60, second % 60].into_iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        append_digits(number.unsigned_abs().into(), 2, out);
    }
    if part != 0 {
        out.push(b'.');
        append_digits(part.unsigned_abs().into(), fraction.digits(), out);
    }
    Kind::Fixed
}

fn append_timestamp(value: i64, fraction: Fraction, zoned: bool, out: &mut Vec<u8>) -> Kind {
    let per_day = 86_400 * fraction.per_second();
    append_date(value.div_euclid(per_day), out);
    out.push(b'T');
    append_time(value.rem_euclid(per_day), fraction, out);
    if zoned {
        out.push(b'Z');
    }
    Kind::Fixed
}

fn append_base64(bytes: &[u8], out: &mut Vec<u8>) -> Kind {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0u32, |bits, (index, byte)| bits | u32::from(*byte) << (16 - 8 * index));
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index)) as usize & 63];
            out.push(if index <= group.len() { letter } else { b'=' });
        }
    }
    Kind::Fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>) -> Kind) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_rows_as_text_are_bounded_in_rows_and_characters() {
        let numbers: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from(vec![Some(7), None, Some(-1)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("äöüß"), None]));
        let rows = RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap();
        let owned = |cells: &[Option<&str>]| cells.iter().map(|cell| cell.map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(text_rows(&rows, 2, 3).unwrap(), [owned(&[Some("7"), Some("a")]), owned(&[None, Some("äöü")])]);
        assert_eq!(text_rows(&rows, 9, 9).unwrap().len(), 3);
        assert!(text_rows(&rows, 0, 9).unwrap().is_empty());
    }

    #[test]
    fn values_have_one_canonical_form() {
        for (value, want) in [(1.0, "1"), (-0.0, "-0"), (0.1, "0.1"), (1e300, "1e300"), (123456.75, "123456.75"), (1e-7, "1e-7")] {
            assert_eq!(text(|out| append_float(value, format_args!("{value:?}"), out)), want);
        }
        for (value, want) in [(f64::NAN, "NaN"), (f64::INFINITY, "INF"), (f64::NEG_INFINITY, "-INF")] {
            assert_eq!(text(|out| append_float(value, format_args!("{value:?}"), out)), want);
        }
        for (value, scale, want) in [
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (0, 2, "0.00"),
            (12345, 0, "12345"),
            (12, -2, "1200"),
            (0, -2, "0"),
            (i128::MAX, 0, "170141183460469231731687303715884105727"),
        ] {
            assert_eq!(text(|out| append_decimal(value, scale, out)), want);
        }
        for (value, want) in [(i64::MIN, "-9223372036854775808"), (i64::MAX, "9223372036854775807"), (0, "0"), (10, "10")] {
            assert_eq!(text(|out| append_integer(value.into(), out)), want);
        }
        for (value, want) in
            [(0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59.999999Z"), (1_600_000_000_000_500, "2020-09-13T12:26:40.000500Z")]
        {
            assert_eq!(text(|out| append_timestamp(value, Fraction::Micro, true, out)), want);
        }
        for (bytes, want) in [(&b""[..], ""), (b"a", "YQ=="), (b"ab", "YWI="), (b"abc", "YWJj"), (b"\xff\xfe\xfd\xfc", "//79/A==")] {
            assert_eq!(text(|out| append_base64(bytes, out)), want);
        }
    }

    #[test]
    fn a_decimal_with_more_places_than_digits_has_no_form() {
        for (precision, scale, has_form) in [(38, 38, true), (10, -3, true), (2, 3, false), (10, 66, false), (200, 60, false)] {
            let empty = arrow_array::new_empty_array(&DataType::Decimal128(precision, scale));
            assert_eq!(Column::of(&empty).is_ok(), has_form, "decimal({precision}, {scale})");
        }
    }

    #[test]
    fn dates_agree_with_chrono() {
        let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for day in (-719_162..2_932_896i64).step_by(37) {
            let want = epoch + chrono::Duration::days(day);
            assert_eq!(text(|out| append_date(day, out)), want.format("%Y-%m-%d").to_string());
        }
    }
}
