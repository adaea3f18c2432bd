//! How one column of a file feeds one field: what types fit, and how a value becomes the field's own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringViewArray, new_null_array};
use arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};

use crate::batch::MAX_BATCH_RECORDS;
use crate::column::{ColumnBuilder, Noticed, Texts, absent_column, type_column};
use crate::error::Error;
use crate::field::{FieldRules, Judged, Kind, compile_fields};
use crate::pins::{FilePlan, Format, InputPins};
use crate::reject::{MAX_ERRORS, RejectError};
use crate::report::shown;
use crate::schema::Field;
use crate::validate::Value;
use crate::values::ValueError;
use crate::values::json::JsonForm;
use crate::values::text::TextFormat;
use crate::write::column::Column;

/// First and last day of the years 0001 to 9999, counted from 1970-01-01.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const DAY_US: i64 = 86_400_000_000;

/// Whether a column of this type can feed a field of this kind at all: what its values look like decides the rest.
fn fits(kind: &Kind, data_type: &DataType) -> bool {
    use DataType as T;
    let is_integer = data_type.is_integer();
    match (data_type, kind) {
        (T::Null, _) | (_, Kind::Any) => is_known(data_type),
        (T::Dictionary(_, values), _) => fits(kind, values),
        (T::RunEndEncoded(_, values), _) => fits(kind, values.data_type()),
        // Text is typed by the field's own rules.
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, _) => true,
        (T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_), Kind::Text(_)) => true,
        (T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_), Kind::Binary) => true,
        (T::Struct(_), kind) if is_form(kind, JsonForm::Object) => is_known(data_type),
        (T::List(_) | T::LargeList(_) | T::FixedSizeList(..) | T::Map(..), kind) if is_form(kind, JsonForm::Array) => is_known(data_type),
        (T::Interval(_) | T::Duration(_), Kind::Duration) => is_known(data_type),
        (_, Kind::Integer(_)) => is_integer || is_whole_decimal(data_type),
        (_, Kind::Float(_) | Kind::Decimal { .. }) => is_integer || data_type.is_floating() || data_type.is_decimal(),
        (_, Kind::Year) => is_integer,
        (T::Boolean, Kind::Boolean(_)) => true,
        (T::Date32 | T::Date64, Kind::Date(_)) => true,
        (T::Time32(_) | T::Time64(_), Kind::Time(_)) => true,
        (T::Timestamp(..), Kind::Datetime(_)) => true,
        _ => false,
    }
}

fn is_form(kind: &Kind, form: JsonForm) -> bool {
    match kind {
        Kind::Json(known) => *known == form,
        Kind::Nested(shape) => shape.form() == form,
        _ => false,
    }
}

fn is_whole_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal32(_, ..=0) | DataType::Decimal64(_, ..=0) | DataType::Decimal128(_, ..=0) | DataType::Decimal256(_, ..=0)
    )
}

/// Values of this type have a form as text.
fn is_known(data_type: &DataType) -> bool {
    Column::of(&arrow_array::new_empty_array(data_type)).is_ok()
}

/// Refuses a column that cannot feed its field.
pub(crate) fn takes(field: &Field, rules: &FieldRules, column: &str, data_type: &DataType) -> Result<(), Error> {
    if fits(&rules.kind, data_type) {
        return Ok(());
    }
    Err(Error::new(
        "SCHEMA_TYPE_CHANGED",
        format!(
            "cannot feed field {:?}: column {column:?} has type {data_type}, expected a type that can be read as {}",
            field.name, rules.expected
        ),
    ))
}

/// The columns of one file, ready to feed the schema.
pub(crate) struct Feeds {
    schema: SchemaRef,
    rules: Vec<FieldRules>,
    /// For each field the column of the batches that feeds it, and that column's number in the file, from 1.
    columns: Vec<Option<(usize, u32)>>,
    /// For each field that is not read the nulls that stand for its values.
    nulls: Vec<Option<ArrayRef>>,
    format: Format,
}

/// Columns of a file, ascending, that need not be decoded: no value of them can be judged bad or be repaired, and nobody wants their fields.
/// `wanted`: the fields that somebody does.
pub(crate) fn late_columns(pins: &InputPins, file: &FilePlan, columns: &Schema, wanted: &[usize]) -> Result<Vec<usize>, Error> {
    let rules = compile_fields(&pins.schema)?;
    let mapped = file.mapping.iter().enumerate().filter_map(|(column, field)| Some((column, (*field)? as usize)));
    let is_late = |column: usize, field: usize| {
        let rules = rules.get(field).filter(|rules| rules.checks.is_empty() && !rules.required);
        !wanted.contains(&field)
            && rules.zip(columns.fields().get(column)).is_some_and(|(rules, own)| takes_any(&rules.kind, own.data_type()))
    };
    let mut late: Vec<usize> = mapped.clone().filter(|&(column, field)| is_late(column, field)).map(|(column, _)| column).collect();
    if mapped.count() == late.len() {
        // Something must say how many rows there are.
        late.pop();
    }
    Ok(late)
}

/// Whether every value of a column is one of its field as it is.
fn takes_any(kind: &Kind, data_type: &DataType) -> bool {
    use DataType as T;
    match kind {
        Kind::Text(TextFormat::Any) | Kind::Any => matches!(data_type, T::Utf8 | T::LargeUtf8 | T::Utf8View),
        Kind::Integer(_) => matches!(data_type, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32),
        Kind::Float(_) => matches!(data_type, T::Float16 | T::Float32 | T::Float64),
        Kind::Boolean(_) => data_type == &T::Boolean,
        _ => false,
    }
}

/// What became of a batch.
pub(crate) struct Fed {
    pub rows: RecordBatch,
    /// Rows that stay; none if all do.
    pub good: Option<BooleanArray>,
    /// Rows that do not, ascending, with everything wrong with them.
    pub errors: Vec<(usize, Vec<RejectError>)>,
    /// One a record and code.
    pub repairs: Vec<&'static str>,
}

impl Feeds {
    /// Batches will hold the mapped columns of the file, in its order and no others.
    pub(crate) fn compile(pins: &InputPins, file: &FilePlan) -> Result<Feeds, Error> {
        Feeds::without(pins, file, &[])
    }

    /// As `compile`, but batches lack the columns `late`, whose fields come as null.
    pub(crate) fn without(pins: &InputPins, file: &FilePlan, late: &[usize]) -> Result<Feeds, Error> {
        let rules = compile_fields(&pins.schema)?;
        let mut columns = vec![None; rules.len()];
        let mut nulls = vec![None; rules.len()];
        let schema = pins.schema.arrow_schema();
        let mut at = 0;
        for (column, field) in file.mapping.iter().enumerate().filter_map(|(column, field)| Some((column, (*field)? as usize))) {
            let no_field = || Error::new("PLAN_CONFLICT", format!("the schema has no field {field}"));
            let slot = columns.get_mut(field).ok_or_else(no_field)?;
            if late.contains(&column) {
                nulls[field] = Some(new_null_array(schema.field(field).data_type(), MAX_BATCH_RECORDS));
            } else {
                *slot = Some((at, column as u32 + 1));
                at += 1;
            }
        }
        Ok(Feeds { schema, rules, columns, nulls, format: pins.format })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The code of a file that does not hold what it promised.
    pub(crate) fn broken_code(&self) -> &'static str {
        if self.format == Format::Arrow { "ARROW_BATCH" } else { "PARQUET_PAGE" }
    }

    pub(crate) fn feed(&self, rows: &RecordBatch) -> Result<Fed, Error> {
        let count = rows.num_rows();
        let mut noticed = Noticed { bad: vec![false; count], repairs: Vec::new() };
        let mut sources: Vec<Option<Source>> = Vec::with_capacity(self.rules.len());
        let mut columns = Vec::with_capacity(self.rules.len());
        for ((rules, column), nulls) in self.rules.iter().zip(&self.columns).zip(&self.nulls) {
            if let Some(nulls) = nulls {
                columns.push(if count <= nulls.len() { nulls.slice(0, count) } else { new_null_array(nulls.data_type(), count) });
                sources.push(None);
                continue;
            }
            let source = column.map(|(at, _)| Source::of(rows.column(at), self.broken_code())).transpose()?;
            columns.push(match &source {
                None => absent_column(rules, count, &mut noticed),
                Some(source) => source.column(rules, &mut noticed),
            });
            sources.push(source);
        }
        let bad: Vec<usize> = (0..count).filter(|&row| noticed.bad[row]).collect();
        let errors = bad.iter().map(|&row| (row, self.errors_of(&sources, row))).collect();
        let repairs = one_a_record(noticed.repairs, &noticed.bad);
        let broken = |error: arrow_schema::ArrowError| Error::new("CORE_PANIC", format!("cannot build a batch: {error}"));
        let all = RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &arrow_array::RecordBatchOptions::new().with_row_count(Some(count)),
        )
        .map_err(broken)?;
        if bad.is_empty() {
            return Ok(Fed { rows: all, good: None, errors, repairs });
        }
        let good: BooleanArray = noticed.bad.iter().map(|bad| Some(!bad)).collect();
        let rows = arrow_select::filter::filter_record_batch(&all, &good).map_err(broken)?;
        Ok(Fed { rows, good: Some(good), errors, repairs })
    }

    /// Everything wrong with a row, in the order of the file's columns; fields without a column come last.
    fn errors_of(&self, sources: &[Option<Source>], row: usize) -> Vec<RejectError> {
        let mut order: Vec<usize> = (0..self.rules.len()).collect();
        order.sort_by_key(|&field| self.columns[field].map_or(u32::MAX, |(_, column)| column));
        let mut found = Vec::new();
        for field in order {
            let rules = &self.rules[field];
            if self.nulls[field].is_some() {
                continue;
            }
            let judged = sources[field].as_ref().map_or_else(|| rules.judge_prepared(None), |source| source.judge(rules, row));
            for error in judged.errors {
                let value = sources[field].as_ref().and_then(|source| source.shown(row));
                found.push(value_error(rules, error, self.columns[field].map(|(_, column)| column), value));
            }
        }
        found.truncate(MAX_ERRORS);
        found
    }
}

fn value_error(rules: &FieldRules, error: ValueError, column_index: Option<u32>, value: Option<String>) -> RejectError {
    let place = crate::position::Place::default();
    let spot = crate::report::Spot { raw: b"", place: &place, offset: 0, column_index };
    spot.value_error(rules, error, value.as_deref())
}

/// Repairs of rows that stay, one for each record and code.
fn one_a_record(mut repairs: Vec<(u32, &'static str)>, bad: &[bool]) -> Vec<&'static str> {
    repairs.retain(|(row, _)| !bad[*row as usize]);
    repairs.sort_unstable();
    repairs.dedup();
    repairs.into_iter().map(|(_, code)| code).collect()
}

/// A column of the file, cast without loss to one of few types.
enum Source {
    Null(usize),
    Text(StringViewArray),
    Bytes(arrow_array::BinaryViewArray, Column),
    Boolean(BooleanArray, Column),
    Integer(PrimitiveArray<Int64Type>, Column),
    Float(PrimitiveArray<Float64Type>, Column),
    Decimal(PrimitiveArray<Decimal128Type>, u8, i8, Column),
    Date(PrimitiveArray<Date32Type>, Column),
    /// Nanoseconds if the flag is set, else microseconds.
    Time(PrimitiveArray<Int64Type>, bool, Column),
    /// In `TimeUnit`; without a zone the field's own counts.
    Instant(PrimitiveArray<Int64Type>, TimeUnit, bool, Column),
    /// Whatever has a form as JSON only.
    Other(ArrayRef, Column),
}

impl Source {
    fn of(array: &ArrayRef, code: &'static str) -> Result<Source, Error> {
        use DataType as T;
        let cast = |to: &DataType| {
            arrow_cast::cast(array, to)
                .map_err(|error| Error::new(code, format!("cannot read a column of type {}: {error}", array.data_type())))
        };
        let shown = || Column::of(array).map_err(|error| Error::new(code, error.message));
        Ok(match array.data_type() {
            T::Null => Source::Null(array.len()),
            T::Dictionary(_, values) => Source::of(&cast(values)?, code)?,
            T::RunEndEncoded(_, values) => Source::of(&cast(values.data_type())?, code)?,
            T::Utf8View => Source::Text(array.as_string_view().clone()),
            T::Utf8 | T::LargeUtf8 => Source::Text(cast(&T::Utf8View)?.as_string_view().clone()),
            T::BinaryView => Source::Bytes(array.as_binary_view().clone(), shown()?),
            T::Binary | T::LargeBinary | T::FixedSizeBinary(_) => Source::Bytes(cast(&T::BinaryView)?.as_binary_view().clone(), shown()?),
            T::Boolean => Source::Boolean(array.as_boolean().clone(), shown()?),
            T::Int64 => Source::Integer(array.as_primitive().clone(), shown()?),
            T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 => {
                Source::Integer(cast(&T::Int64)?.as_primitive().clone(), shown()?)
            }
            T::UInt64 => Source::Decimal(cast(&T::Decimal128(20, 0))?.as_primitive().clone(), 20, 0, shown()?),
            T::Float64 => Source::Float(array.as_primitive().clone(), shown()?),
            T::Float16 | T::Float32 => Source::Float(cast(&T::Float64)?.as_primitive().clone(), shown()?),
            T::Decimal128(precision, scale) => Source::Decimal(array.as_primitive().clone(), *precision, *scale, shown()?),
            T::Decimal32(precision, scale) | T::Decimal64(precision, scale) => {
                Source::Decimal(cast(&T::Decimal128(*precision, *scale))?.as_primitive().clone(), *precision, *scale, shown()?)
            }
            T::Date32 => Source::Date(array.as_primitive().clone(), shown()?),
            T::Date64 => Source::Date(cast(&T::Date32)?.as_primitive().clone(), shown()?),
            T::Time32(_) => Source::Time(plain::<Time64MicrosecondType>(&cast(&T::Time64(TimeUnit::Microsecond))?), false, shown()?),
            T::Time64(TimeUnit::Nanosecond) => Source::Time(plain::<Time64NanosecondType>(array), true, shown()?),
            T::Time64(_) => Source::Time(plain::<Time64MicrosecondType>(array), false, shown()?),
            T::Timestamp(unit, zone) => {
                let values = match unit {
                    TimeUnit::Second => plain::<TimestampSecondType>(array),
                    TimeUnit::Millisecond => plain::<TimestampMillisecondType>(array),
                    TimeUnit::Microsecond => plain::<TimestampMicrosecondType>(array),
                    TimeUnit::Nanosecond => plain::<TimestampNanosecondType>(array),
                };
                // Far instants of whole seconds have no form in microseconds, and need none until one is shown.
                let column = Column::of(array).unwrap_or(Column::Int64(values.clone()));
                Source::Instant(values, *unit, zone.is_some(), column)
            }
            _ => Source::Other(Arc::clone(array), shown()?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Source::Null(rows) => *rows,
            Source::Text(array) => array.len(),
            Source::Bytes(array, _) => array.len(),
            Source::Boolean(array, _) => array.len(),
            Source::Integer(array, _) | Source::Time(array, ..) | Source::Instant(array, ..) => array.len(),
            Source::Float(array, _) => array.len(),
            Source::Decimal(array, ..) => array.len(),
            Source::Date(array, _) => array.len(),
            Source::Other(array, _) => array.len(),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Source::Null(_) => true,
            Source::Text(array) => array.is_null(row),
            Source::Bytes(array, _) => array.is_null(row),
            Source::Boolean(array, _) => array.is_null(row),
            Source::Integer(array, _) | Source::Time(array, ..) | Source::Instant(array, ..) => array.is_null(row),
            Source::Float(array, _) => array.is_null(row),
            Source::Decimal(array, ..) => array.is_null(row),
            Source::Date(array, _) => array.is_null(row),
            Source::Other(array, _) => array.is_null(row),
        }
    }

    /// The value as text in its one canonical form; nested values as JSON.
    fn text(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Source::Null(_) => {}
            Source::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Source::Bytes(_, column)
            | Source::Boolean(_, column)
            | Source::Integer(_, column)
            | Source::Float(_, column)
            | Source::Decimal(.., column)
            | Source::Date(_, column)
            | Source::Time(.., column)
            | Source::Instant(.., column)
            | Source::Other(_, column) => {
                column.append(row, out);
            }
        }
    }

    fn text_of(&self, row: usize) -> String {
        let mut out = Vec::new();
        self.text(row, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn shown(&self, row: usize) -> Option<String> {
        (!self.is_null(row)).then(|| shown(&self.text_of(row)))
    }

    /// Judges one value; the text of text fields is `text_of`.
    fn judge(&self, rules: &FieldRules, row: usize) -> Judged {
        if self.is_null(row) {
            return rules.judge_prepared(None);
        }
        match (self, &rules.kind) {
            (Source::Text(array), _) => rules.judge(array.value(row)),
            (Source::Bytes(array, _), Kind::Text(_)) => match std::str::from_utf8(array.value(row)) {
                Ok(text) => rules.judge(text),
                Err(_) => rules.settle_error(ValueError::new("ENCODING_INVALID_BYTES", "bytes that are no UTF-8")),
            },
            (Source::Boolean(array, _), Kind::Boolean(_)) => self.checked(rules, row, Ok(Value::Boolean(array.value(row)))),
            (Source::Integer(array, _), Kind::Integer(_)) => self.checked(rules, row, Ok(Value::Integer(array.value(row)))),
            (Source::Integer(array, _), Kind::Float(_)) => self.checked(rules, row, Ok(Value::Float(array.value(row) as f64))),
            (Source::Float(array, _), Kind::Float(_)) => self.checked(rules, row, Ok(Value::Float(array.value(row)))),
            (Source::Date(array, _), Kind::Date(_)) => self.checked(rules, row, day(array.value(row))),
            (Source::Time(array, nano, _), Kind::Time(_)) => self.checked(rules, row, time(array.value(row), *nano)),
            (Source::Instant(array, unit, zoned, _), Kind::Datetime(format)) => {
                let micros =
                    instant(array.value(row), *unit).and_then(|micros| if *zoned { Ok(micros) } else { format.instant_of_local(micros) });
                self.checked(rules, row, micros.map(Value::Instant))
            }
            (Source::Decimal(array, precision, scale, _), Kind::Decimal { precision: p, scale: s, .. })
                if scale == &(*s as i8) && precision <= p =>
            {
                self.checked(rules, row, Ok(Value::Decimal(array.value(row))))
            }
            (Source::Bytes(..), Kind::Binary) => self.checked(rules, row, Ok(Value::Bytes)),
            (_, Kind::Any | Kind::Json(_) | Kind::Nested(_) | Kind::Duration) => rules.judge(&self.text_of(row)),
            // Numbers of another form go by their text, which is exact.
            _ => rules.judge_json_number(&self.text_of(row)),
        }
    }

    fn checked(&self, rules: &FieldRules, row: usize, value: Result<Value, ValueError>) -> Judged {
        match value {
            Err(error) => rules.settle_error(error),
            Ok(value) if rules.checks.need_text() => rules.judge_value(value, &self.text_of(row)),
            Ok(value) => rules.judge_value(value, ""),
        }
    }

    fn column(&self, rules: &FieldRules, noticed: &mut Noticed) -> ArrayRef {
        match self {
            Source::Null(rows) => {
                return absent_column(rules, *rows, noticed);
            }
            Source::Text(array) => return type_column(rules, &ViewTexts(array), noticed),
            _ => {}
        }
        if rules.checks.is_empty()
            && let Some(array) = self.as_it_is(rules)
        {
            if rules.required && array.null_count() > 0 {
                (0..array.len()).filter(|&row| array.is_null(row)).for_each(|row| noticed.bad[row] = true);
            }
            return array;
        }
        self.value_by_value(rules, noticed)
    }

    /// The array itself where every value of it is one of the field's, checked at once.
    fn as_it_is(&self, rules: &FieldRules) -> Option<ArrayRef> {
        let retyped = |values: &PrimitiveArray<Int64Type>| values.reinterpret_cast::<TimestampMicrosecondType>().with_timezone("UTC");
        match (self, &rules.kind) {
            (Source::Boolean(array, _), Kind::Boolean(_)) => Some(Arc::new(array.clone())),
            (Source::Integer(array, _), Kind::Integer(_)) => Some(Arc::new(array.clone())),
            (Source::Float(array, _), Kind::Float(_)) => Some(Arc::new(array.clone())),
            (Source::Date(array, _), Kind::Date(_)) => {
                all(array.len(), |row| array.is_null(row) || DAYS.contains(&array.value(row))).then(|| Arc::new(array.clone()) as _)
            }
            (Source::Time(array, false, _), Kind::Time(_)) => {
                let legal = all(array.len(), |row| array.is_null(row) || (0..DAY_US).contains(&array.value(row)));
                legal.then(|| Arc::new(array.reinterpret_cast::<Time64MicrosecondType>()) as _)
            }
            (Source::Instant(array, TimeUnit::Microsecond, true, _), Kind::Datetime(_)) => {
                let legal = all(array.len(), |row| array.is_null(row) || in_years(array.value(row)));
                legal.then(|| Arc::new(retyped(array)) as _)
            }
            (Source::Decimal(array, precision, scale, _), Kind::Decimal { precision: p, scale: s, .. })
                if precision == p && *scale == *s as i8 =>
            {
                array.validate_decimal_precision(*precision).is_ok().then(|| Arc::new(array.clone()) as _)
            }
            _ => None,
        }
    }

    fn value_by_value(&self, rules: &FieldRules, noticed: &mut Noticed) -> ArrayRef {
        let mut builder = ColumnBuilder::new(&rules.kind);
        let is_text = rules.kind.keeps_text();
        for row in 0..self.len() {
            let judged = self.judge(rules, row);
            noticed.bad[row] |= !judged.errors.is_empty();
            noticed.repairs.extend(judged.repair.map(|code| (row as u32, code)));
            let text = if is_text && judged.value.is_some() { self.text_value(rules, row) } else { String::new() };
            builder.append(judged.value, rules.trimmed(&text));
        }
        builder.finish()
    }

    /// What a text field keeps.
    fn text_value(&self, rules: &FieldRules, row: usize) -> String {
        match self {
            Source::Bytes(array, _) if rules.kind.is_text() => match std::str::from_utf8(array.value(row)) {
                Ok(text) => text.to_owned(),
                Err(_) => self.text_of(row),
            },
            _ => self.text_of(row),
        }
    }
}

fn all(rows: usize, legal: impl FnMut(usize) -> bool) -> bool {
    (0..rows).all(legal)
}

fn plain<T: arrow_array::types::ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> PrimitiveArray<Int64Type> {
    array.as_primitive::<T>().reinterpret_cast()
}

fn day(day: i32) -> Result<Value, ValueError> {
    if DAYS.contains(&day) { Ok(Value::Date(day)) } else { Err(ValueError::new("TYPE_RANGE", "outside the years 0001 to 9999")) }
}

fn time(value: i64, nano: bool) -> Result<Value, ValueError> {
    if nano && value % 1_000 != 0 {
        return Err(ValueError::new("TYPE_PRECISION", "finer than a microsecond"));
    }
    let micros = if nano { value / 1_000 } else { value };
    if (0..DAY_US).contains(&micros) { Ok(Value::Time(micros)) } else { Err(ValueError::new("TYPE_RANGE", "no time of a day")) }
}

fn in_years(micros: i64) -> bool {
    DAYS.contains(&i32::try_from(micros.div_euclid(DAY_US)).unwrap_or(i32::MAX))
}

fn instant(value: i64, unit: TimeUnit) -> Result<i64, ValueError> {
    let micros = match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond if value % 1_000 != 0 => return Err(ValueError::new("TYPE_PRECISION", "finer than a microsecond")),
        TimeUnit::Nanosecond => Some(value / 1_000),
    };
    micros.filter(|micros| in_years(*micros)).ok_or(ValueError::new("TYPE_RANGE", "outside the years 0001 to 9999"))
}

struct ViewTexts<'a>(&'a StringViewArray);

impl Texts for ViewTexts<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn text(&self, row: usize) -> Option<&str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}
