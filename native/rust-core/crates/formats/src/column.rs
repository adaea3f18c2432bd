//! Typed columns: the fast way down one column of many records, and builders that take one value at a time.
//!
//! Both ways MUST make the same array of the same texts; `csv` and `ndjson` tests hold them against each other.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder,
    IntervalMonthDayNanoBuilder, StringViewBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, ListArray, PrimitiveArray, new_null_array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use millrace_texts::TextColumn;

use crate::field::{FieldRules, Kind, ListRules};
use crate::nested::NestedColumn;
use crate::validate::Value;
use crate::values::text::TextFormat;
use crate::values::{ValueError, base64, boolean, date, datetime, integer, number, time, year, yearmonth};

/// The Arrow type of a compiled field; `Field::arrow_type` of the same field is equal.
pub(crate) fn arrow_type(kind: &Kind) -> DataType {
    match kind {
        Kind::Text(_) | Kind::Any | Kind::Json(_) => DataType::Utf8View,
        Kind::Integer(_) => DataType::Int64,
        Kind::Float(_) => DataType::Float64,
        Kind::Decimal { precision, scale, .. } => DataType::Decimal128(*precision, *scale as i8),
        Kind::Boolean(_) => DataType::Boolean,
        Kind::Date(_) => DataType::Date32,
        Kind::Time(_) => DataType::Time64(arrow_schema::TimeUnit::Microsecond),
        Kind::Datetime(_) => DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Year => DataType::Int32,
        Kind::Yearmonth => DataType::Date32,
        Kind::Duration => DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano),
        Kind::Binary => DataType::Binary,
        Kind::List(list) => DataType::new_list(arrow_type(&list.item.kind), true),
        Kind::Nested(shape) => shape.arrow_type(),
    }
}

/// The texts of one field in a run of records; row `i` is null (no text at all) where `text` says so.
pub(crate) trait Texts {
    fn rows(&self) -> usize;
    fn text(&self, row: usize) -> Option<&str>;
    /// What the text of a row is a part of, where that is known: what stands behind it may be read with it.
    #[inline(always)]
    fn around(&self, _row: usize) -> &str {
        ""
    }
}

/// What typing a column noticed besides the values.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// Rows that must be judged one by one because something is wrong with them.
    pub bad: Vec<bool>,
    /// Rows whose value `onError: setNull` dropped, with the code. Several columns may name the same row and code.
    pub repairs: Vec<(u32, &'static str)>,
}

/// Types one field of all rows. A bad row has a null in the result, and is marked.
pub(crate) fn type_column(rules: &FieldRules, texts: &impl Texts, noticed: &mut Noticed) -> ArrayRef {
    match &rules.kind {
        Kind::Text(format) => text_column(rules, *format, texts, noticed),
        Kind::Any => text_column(rules, TextFormat::Any, texts, noticed),
        Kind::Integer(format) if format.is_plain() => primitive::<Int64Type>(rules, texts, noticed, integer::parse_plain, Value::Integer),
        Kind::Integer(format) => primitive::<Int64Type>(rules, texts, noticed, |text| integer::parse(text, format), Value::Integer),
        Kind::Float(format) => primitive::<Float64Type>(rules, texts, noticed, |text| number::parse_float(text, format), Value::Float),
        Kind::Decimal { format, precision, scale } => primitive::<Decimal128Type>(
            rules,
            texts,
            noticed,
            |text| number::parse_decimal(text, format, *precision, *scale),
            Value::Decimal,
        ),
        Kind::Boolean(format) => boolean_column(rules, texts, noticed, |text| boolean::parse(text, format)),
        Kind::Date(date::DateFormat::Iso) => primitive::<Date32Type>(rules, texts, noticed, date::parse_iso, Value::Date),
        Kind::Date(format) => primitive::<Date32Type>(rules, texts, noticed, |text| date::parse(text, format), Value::Date),
        Kind::Time(format) => primitive::<Time64MicrosecondType>(rules, texts, noticed, |text| time::parse(text, format), Value::Time),
        Kind::Datetime(format) => {
            primitive::<TimestampMicrosecondType>(rules, texts, noticed, |text| datetime::parse(text, format), Value::Instant)
        }
        Kind::Year => primitive::<Int32Type>(rules, texts, noticed, year::parse, Value::Year),
        Kind::Yearmonth => primitive::<Date32Type>(rules, texts, noticed, yearmonth::parse, Value::Date),
        Kind::Duration | Kind::Binary | Kind::Json(_) | Kind::List(_) | Kind::Nested(_) => judged_column(rules, texts, noticed),
    }
}

/// The column of a field that no column of the file feeds: nulls, all bad where a value is required.
pub(crate) fn absent_column(rules: &FieldRules, rows: usize, noticed: &mut Noticed) -> ArrayRef {
    if rules.required {
        noticed.bad.iter_mut().for_each(|bad| *bad = true);
    }
    new_null_array(&arrow_type(&rules.kind), rows)
}

/// The rest of judging a value that could be parsed or not: what the row gets, and what is noticed.
#[inline]
fn settle<T>(
    rules: &FieldRules,
    row: usize,
    text: &str,
    parsed: Result<T, ValueError>,
    value: impl Fn(&T) -> Value,
    errors: &mut Vec<ValueError>,
    noticed: &mut Noticed,
) -> Option<T> {
    let code = match parsed {
        Ok(typed) => {
            if rules.checks.is_empty() {
                return Some(typed);
            }
            rules.checks.check(value(&typed), text, errors);
            match errors.first().copied() {
                None => return Some(typed),
                Some(first) => {
                    errors.clear();
                    first.code
                }
            }
        }
        Err(error) => error.code,
    };
    if rules.set_null && !rules.required {
        noticed.repairs.push((row as u32, code));
    } else {
        noticed.bad[row] = true;
    }
    None
}

fn primitive<T: ArrowPrimitiveType>(
    rules: &FieldRules,
    texts: &impl Texts,
    noticed: &mut Noticed,
    parse: impl Fn(&[u8]) -> Result<T::Native, ValueError>,
    value: impl Fn(T::Native) -> Value,
) -> ArrayRef {
    let rows = texts.rows();
    let mut values: Vec<T::Native> = Vec::with_capacity(rows);
    let mut nulls = Nulls::new(rows);
    let (mut errors, has_checks) = (Vec::new(), !rules.checks.is_empty());
    for row in 0..rows {
        let typed = match texts.text(row).and_then(|text| rules.prepare(text)) {
            Some(text) => match parse(text.as_bytes()) {
                Ok(typed) if !has_checks => Some(typed),
                parsed => settle(rules, row, text, parsed, |typed| value(*typed), &mut errors, noticed),
            },
            None => {
                noticed.bad[row] |= rules.required;
                None
            }
        };
        if typed.is_none() {
            nulls.add(row);
        }
        values.push(typed.unwrap_or_default());
    }
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls.finish()).with_data_type(arrow_type(&rules.kind)))
}

/// The slow way: every value is judged, and appended.
fn judged_column(rules: &FieldRules, texts: &impl Texts, noticed: &mut Noticed) -> ArrayRef {
    let mut builder = ColumnBuilder::new(&rules.kind);
    for row in 0..texts.rows() {
        let text = texts.text(row).and_then(|text| rules.prepare(text));
        let judged = rules.judge_prepared(text);
        noticed.bad[row] |= !judged.errors.is_empty();
        noticed.repairs.extend(judged.repair.map(|code| (row as u32, code)));
        builder.append(judged.value, text.unwrap_or_default());
    }
    builder.finish()
}

/// The nulls of a column; nothing is held until there is one.
struct Nulls {
    rows: usize,
    valid: Vec<bool>,
}

impl Nulls {
    fn new(rows: usize) -> Nulls {
        Nulls { rows, valid: Vec::new() }
    }

    fn add(&mut self, row: usize) {
        if self.valid.is_empty() {
            self.valid = vec![true; self.rows];
        }
        self.valid[row] = false;
    }

    fn finish(self) -> Option<NullBuffer> {
        (!self.valid.is_empty()).then(|| NullBuffer::from(self.valid))
    }
}

fn boolean_column(
    rules: &FieldRules,
    texts: &impl Texts,
    noticed: &mut Noticed,
    parse: impl Fn(&[u8]) -> Result<bool, ValueError>,
) -> ArrayRef {
    let mut builder = BooleanBuilder::with_capacity(texts.rows());
    let mut errors = Vec::new();
    for row in 0..texts.rows() {
        let typed = match texts.text(row).and_then(|text| rules.prepare(text)) {
            Some(text) => settle(rules, row, text, parse(text.as_bytes()), |typed| Value::Boolean(*typed), &mut errors, noticed),
            None => {
                noticed.bad[row] |= rules.required;
                None
            }
        };
        builder.append_option(typed);
    }
    Arc::new(builder.finish())
}

fn text_column(rules: &FieldRules, format: TextFormat, texts: &impl Texts, noticed: &mut Noticed) -> ArrayRef {
    let rows = texts.rows();
    let mut column = TextColumn::with_capacity(rows);
    let mut nulls = Nulls::new(rows);
    let mut errors = Vec::new();
    let is_free = format == TextFormat::Any && rules.checks.is_empty();
    for row in 0..rows {
        let text = texts.text(row).and_then(|text| rules.prepare(text));
        let kept = match text {
            Some(text) if is_free => Some(text),
            Some(text) => {
                let checked = crate::values::text::check(text, format);
                settle(rules, row, text, checked, |()| Value::Text, &mut errors, noticed).map(|()| text)
            }
            None => {
                noticed.bad[row] |= rules.required;
                None
            }
        };
        match kept {
            Some(text) => column.push(text, texts.around(row)),
            None => {
                column.push_null();
                nulls.add(row);
            }
        }
    }
    Arc::new(column.finish(nulls.finish()))
}

/// A column built from one value after the other.
pub(crate) enum ColumnBuilder {
    Text(StringViewBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Instant(TimestampMicrosecondBuilder),
    Year(Int32Builder),
    Duration(IntervalMonthDayNanoBuilder),
    Binary(BinaryBuilder),
    List(ListColumn),
    Nested(NestedColumn),
}

/// Lists under construction: the items of all of them, where each ends, and which are null.
pub(crate) struct ListColumn {
    rules: Arc<ListRules>,
    items: Box<ColumnBuilder>,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl ListColumn {
    fn new(rules: Arc<ListRules>) -> ListColumn {
        let items = Box::new(ColumnBuilder::new(&rules.item.kind));
        ListColumn { rules, items, ends: vec![0], valid: Vec::new() }
    }

    /// The text was judged: every item of it is one.
    fn append(&mut self, text: Option<&str>) {
        let mut end = self.ends.last().copied().unwrap_or_default();
        for item in text.into_iter().flat_map(|text| self.rules.items(text)) {
            self.items.append(self.rules.item.kind.parse(item).ok(), item);
            // A batch is far smaller than 2 GiB, and so are the items in it.
            end += 1;
        }
        self.ends.push(end);
        self.valid.push(text.is_some());
    }

    fn finish(&mut self) -> ArrayRef {
        let item = arrow_schema::Field::new_list_field(arrow_type(&self.rules.item.kind), true);
        let ends = OffsetBuffer::new(std::mem::replace(&mut self.ends, vec![0]).into());
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        Arc::new(ListArray::new(Arc::new(item), ends, self.items.finish(), Some(nulls)))
    }
}

impl ColumnBuilder {
    pub(crate) fn new(kind: &Kind) -> ColumnBuilder {
        match kind {
            Kind::Text(_) | Kind::Any | Kind::Json(_) => ColumnBuilder::Text(StringViewBuilder::new()),
            Kind::Integer(_) => ColumnBuilder::Integer(Int64Builder::new()),
            Kind::Float(_) => ColumnBuilder::Float(Float64Builder::new()),
            Kind::Decimal { .. } => ColumnBuilder::Decimal(Decimal128Builder::new().with_data_type(arrow_type(kind))),
            Kind::Boolean(_) => ColumnBuilder::Boolean(BooleanBuilder::new()),
            Kind::Date(_) => ColumnBuilder::Date(Date32Builder::new()),
            Kind::Time(_) => ColumnBuilder::Time(Time64MicrosecondBuilder::new()),
            Kind::Datetime(_) => ColumnBuilder::Instant(TimestampMicrosecondBuilder::new().with_data_type(arrow_type(kind))),
            Kind::Year => ColumnBuilder::Year(Int32Builder::new()),
            Kind::Yearmonth => ColumnBuilder::Date(Date32Builder::new()),
            Kind::Duration => ColumnBuilder::Duration(IntervalMonthDayNanoBuilder::new()),
            Kind::Binary => ColumnBuilder::Binary(BinaryBuilder::new()),
            Kind::List(list) => ColumnBuilder::List(ListColumn::new(Arc::clone(list))),
            Kind::Nested(shape) => ColumnBuilder::Nested(NestedColumn::new(Arc::clone(shape))),
        }
    }

    /// Appends a value of the column's type, a null, or (for text) the text itself. A value of another type becomes a null: the
    /// field's rules make only values of its own type.
    pub(crate) fn append(&mut self, value: Option<Value>, text: &str) {
        match (self, value) {
            (ColumnBuilder::Text(builder), value) => builder.append_option(value.map(|_| text)),
            (ColumnBuilder::Integer(builder), Some(Value::Integer(value))) => builder.append_value(value),
            (ColumnBuilder::Float(builder), Some(Value::Float(value))) => builder.append_value(value),
            (ColumnBuilder::Decimal(builder), Some(Value::Decimal(value))) => builder.append_value(value),
            (ColumnBuilder::Boolean(builder), Some(Value::Boolean(value))) => builder.append_value(value),
            (ColumnBuilder::Date(builder), Some(Value::Date(value))) => builder.append_value(value),
            (ColumnBuilder::Time(builder), Some(Value::Time(value))) => builder.append_value(value),
            (ColumnBuilder::Instant(builder), Some(Value::Instant(value))) => builder.append_value(value),
            (ColumnBuilder::Year(builder), Some(Value::Year(value))) => builder.append_value(value),
            (ColumnBuilder::Duration(builder), Some(Value::Duration(value))) => {
                builder.append_value(IntervalMonthDayNano::new(value.months, value.days, value.nanos));
            }
            (ColumnBuilder::Binary(builder), Some(Value::Bytes)) => builder.append_option(base64::decode(text.as_bytes()).ok()),
            (ColumnBuilder::List(column), Some(Value::Items(_))) => column.append(Some(text)),
            (ColumnBuilder::Nested(column), Some(Value::Items(_))) => column.append(Some(text)),
            (builder, _) => builder.append_null(),
        }
    }

    fn append_null(&mut self) {
        match self {
            ColumnBuilder::Text(builder) => builder.append_null(),
            ColumnBuilder::Integer(builder) => builder.append_null(),
            ColumnBuilder::Float(builder) => builder.append_null(),
            ColumnBuilder::Decimal(builder) => builder.append_null(),
            ColumnBuilder::Boolean(builder) => builder.append_null(),
            ColumnBuilder::Date(builder) => builder.append_null(),
            ColumnBuilder::Time(builder) => builder.append_null(),
            ColumnBuilder::Instant(builder) => builder.append_null(),
            ColumnBuilder::Year(builder) => builder.append_null(),
            ColumnBuilder::Duration(builder) => builder.append_null(),
            ColumnBuilder::Binary(builder) => builder.append_null(),
            ColumnBuilder::List(column) => column.append(None),
            ColumnBuilder::Nested(column) => column.append(None),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        let builder: &mut dyn ArrayBuilder = match self {
            ColumnBuilder::Text(builder) => builder,
            ColumnBuilder::Integer(builder) => builder,
            ColumnBuilder::Float(builder) => builder,
            ColumnBuilder::Decimal(builder) => builder,
            ColumnBuilder::Boolean(builder) => builder,
            ColumnBuilder::Date(builder) => builder,
            ColumnBuilder::Time(builder) => builder,
            ColumnBuilder::Instant(builder) => builder,
            ColumnBuilder::Year(builder) => builder,
            ColumnBuilder::Duration(builder) => builder,
            ColumnBuilder::Binary(builder) => builder,
            ColumnBuilder::List(column) => return column.finish(),
            ColumnBuilder::Nested(column) => return column.finish(),
        };
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::compile_fields;
    use crate::schema::FieldType;
    use crate::testing::{csv_pins, field};

    #[test]
    fn columns_have_the_type_that_the_schema_promises() {
        let types = [
            FieldType::String,
            FieldType::Integer,
            FieldType::Number,
            FieldType::Boolean,
            FieldType::Date,
            FieldType::Time,
            FieldType::Datetime,
            FieldType::Year,
            FieldType::Yearmonth,
            FieldType::Duration,
            FieldType::Object,
            FieldType::Array,
            FieldType::List,
            FieldType::Any,
        ];
        let mut fields: Vec<_> = types.into_iter().map(|kind| field("f", kind)).collect();
        let inner = vec![field("a", FieldType::Integer), field("b", FieldType::Date)];
        let object = crate::schema::Field { fields: Some(inner), ..field("f", FieldType::Object) };
        fields.push(crate::schema::Field { items: Some(Box::new(object.clone())), ..field("f", FieldType::Array) });
        fields.push(object);
        fields.push(crate::schema::Field { precision: Some(10), scale: Some(2), ..field("f", FieldType::Number) });
        let schema = csv_pins(fields).schema;
        for (field, rules) in schema.fields.iter().zip(compile_fields(&schema).expect("valid")) {
            assert_eq!(ColumnBuilder::new(&rules.kind).finish().data_type(), &field.arrow_type());
            assert_eq!(absent_column(&rules, 2, &mut Noticed::default()).data_type(), &field.arrow_type());
        }
    }
}
