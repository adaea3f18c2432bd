//! One field of the schema, compiled: how a text becomes null, a typed value, or a list of errors.
//!
//! The order is fixed: trim, null sequence, missing values, type, constraints, and `required` last.

use std::collections::HashSet;
use std::sync::Arc;

use regex::RegexBuilder;
use serde_json::Value as Json;

use crate::error::Error;
use crate::nested::Shape;
use crate::schema::{Constraints, Field, FieldType, OnError, Schema};
use crate::validate::{Allowed, Checks, Value};
use crate::values::boolean::{self, BooleanFormat};
use crate::values::date::{self, ANY_PATTERNS, DateFormat};
use crate::values::datetime::{self, DatetimeForm, DatetimeFormat};
use crate::values::integer::{self, IntegerFormat};
use crate::values::json::{self, JsonForm};
use crate::values::number::{self, NumberFormat};
use crate::values::pattern::Pattern;
use crate::values::text::{self, TextFormat};
use crate::values::time::{self, TimeFormat};
use crate::values::{ValueError, base64, duration, year, yearmonth};

/// A compiled regex may take this many bytes.
const REGEX_SIZE_LIMIT: usize = 10 << 20;
/// A report lists this many allowed values at most.
const MAX_VALUES_SHOWN: usize = 20;

/// A type with its settings.
#[derive(Clone, Debug)]
pub enum Kind {
    Text(TextFormat),
    /// Text, or any JSON value as its JSON text.
    Any,
    Integer(IntegerFormat),
    Float(NumberFormat),
    Decimal {
        format: NumberFormat,
        precision: u8,
        scale: u8,
    },
    Boolean(BooleanFormat),
    Date(DateFormat),
    Time(TimeFormat),
    Datetime(DatetimeFormat),
    Year,
    Yearmonth,
    Duration,
    /// Base64.
    Binary,
    /// JSON text, kept as text.
    Json(JsonForm),
    List(Arc<ListRules>),
    /// JSON text of a shape.
    Nested(Arc<Shape>),
}

/// How a list is cut and its items typed.
#[derive(Debug)]
pub struct ListRules {
    pub delimiter: String,
    pub item: FieldRules,
}

impl ListRules {
    /// The items of a text; an empty one has none.
    pub fn items<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        (!text.is_empty()).then(|| text.split(self.delimiter.as_str())).into_iter().flatten().map(|item| self.item.trimmed(item))
    }

    fn parse(&self, text: &str) -> Result<Value, ValueError> {
        let mut count = 0;
        for item in self.items(text) {
            self.item.kind.parse(item).map_err(|error| ValueError::new("TYPE_LIST", error.why))?;
            count += 1;
        }
        Ok(Value::Items(count))
    }
}

impl Kind {
    /// Types `text`, which is trimmed and not missing.
    pub fn parse(&self, text: &str) -> Result<Value, ValueError> {
        let bytes = text.as_bytes();
        match self {
            Kind::Text(format) => text::check(text, *format).map(|()| Value::Text),
            Kind::Any => Ok(Value::Text),
            Kind::Integer(format) => integer::parse(bytes, format).map(Value::Integer),
            Kind::Float(format) => number::parse_float(bytes, format).map(Value::Float),
            Kind::Decimal { format, precision, scale } => number::parse_decimal(bytes, format, *precision, *scale).map(Value::Decimal),
            Kind::Boolean(format) => boolean::parse(bytes, format).map(Value::Boolean),
            Kind::Date(format) => date::parse(bytes, format).map(Value::Date),
            Kind::Time(format) => time::parse(bytes, format).map(Value::Time),
            Kind::Datetime(format) => datetime::parse(bytes, format).map(Value::Instant),
            Kind::Year => year::parse(bytes).map(Value::Year),
            Kind::Yearmonth => yearmonth::parse(bytes).map(Value::Date),
            Kind::Duration => duration::parse(bytes).map(Value::Duration),
            Kind::Binary => base64::check(bytes).map(|()| Value::Bytes),
            Kind::Json(form) => json::parse(text, *form).map(Value::Items),
            Kind::List(list) => list.parse(text),
            Kind::Nested(shape) => shape.parse(text),
        }
    }

    /// The same type for a number of a JSON text, which always has plain form.
    fn of_json_number(&self) -> Kind {
        match self {
            Kind::Integer(_) => Kind::Integer(IntegerFormat::PLAIN),
            Kind::Float(_) => Kind::Float(NumberFormat::PLAIN),
            Kind::Decimal { precision, scale, .. } => Kind::Decimal { format: NumberFormat::PLAIN, precision: *precision, scale: *scale },
            other => other.clone(),
        }
    }

    pub fn is_text(&self) -> bool {
        matches!(self, Kind::Text(_) | Kind::Any)
    }

    /// The value cannot stand for itself: its column is built from the text.
    pub(crate) fn keeps_text(&self) -> bool {
        matches!(self, Kind::Text(_) | Kind::Any | Kind::Binary | Kind::Json(_) | Kind::List(_) | Kind::Nested(_))
    }

    /// The code of "no value of this type".
    pub fn type_code(&self) -> &'static str {
        match self {
            Kind::Text(_) | Kind::Any => "TYPE_STRING",
            Kind::Integer(_) => "TYPE_INTEGER",
            Kind::Float(_) | Kind::Decimal { .. } => "TYPE_NUMBER",
            Kind::Boolean(_) => "TYPE_BOOLEAN",
            Kind::Date(_) => "TYPE_DATE",
            Kind::Time(_) => "TYPE_TIME",
            Kind::Datetime(_) => "TYPE_DATETIME",
            Kind::Year | Kind::Yearmonth => "TYPE_YEAR",
            Kind::Duration => "TYPE_DURATION",
            Kind::Binary => "TYPE_FORMAT",
            Kind::Json(JsonForm::Object) => "TYPE_OBJECT",
            Kind::Json(JsonForm::Array) => "TYPE_ARRAY",
            Kind::List(_) => "TYPE_LIST",
            Kind::Nested(shape) => Kind::Json(shape.form()).type_code(),
        }
    }
}

/// What came of one text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    pub value: Option<Value>,
    /// Everything wrong with it; empty for a null and for a value that `onError: setNull` dropped.
    pub errors: Vec<ValueError>,
    /// The code counted as a repair because the value was dropped.
    pub repair: Option<&'static str>,
}

/// A field ready to read values.
#[derive(Clone, Debug)]
pub struct FieldRules {
    pub name: String,
    pub kind: Kind,
    /// `kind` for numbers of a JSON text.
    pub json_kind: Kind,
    pub trim: bool,
    /// `missingValues` but for the empty text.
    missing: Vec<String>,
    empty_is_missing: bool,
    pub set_null: bool,
    pub required: bool,
    pub checks: Checks,
    /// The type as people name it, for reports.
    pub expected: String,
    constraints: Constraints,
}

/// Compiles all fields of a schema. Errors are of the specification: `SPEC_SCHEMA_FIELD`, `SPEC_REGEX`, `SPEC_TIMEZONE`,
/// `SPEC_NOT_AVAILABLE`.
pub fn compile_fields(schema: &Schema) -> Result<Vec<FieldRules>, Error> {
    schema.fields.iter().map(|field| FieldRules::compile(field, schema)).collect()
}

impl FieldRules {
    pub fn compile(field: &Field, schema: &Schema) -> Result<FieldRules, Error> {
        FieldRules::compile_shaped(field, schema, Shape::compile(field, schema)?)
    }

    /// With the compiled shape of an object or array, if it has one.
    pub(crate) fn compile_shaped(field: &Field, schema: &Schema, shape: Option<Shape>) -> Result<FieldRules, Error> {
        let plain = compile_kind(field)?;
        let kind = shape.map_or(plain, |shape| Kind::Nested(Arc::new(shape)));
        let missing = field.missing_values.as_ref().unwrap_or(&schema.missing_values);
        let trim = field.trim.unwrap_or(!kind.is_text() && !matches!(kind, Kind::Binary));
        let mut rules = FieldRules {
            name: field.name.clone(),
            json_kind: kind.of_json_number(),
            kind,
            trim,
            missing: missing.iter().filter(|text| !text.is_empty()).cloned().collect(),
            empty_is_missing: missing.iter().any(String::is_empty),
            set_null: field.on_error == OnError::SetNull,
            required: field.constraints.required || schema.primary_key.contains(&field.name),
            checks: Checks::default(),
            expected: expected(field),
            constraints: field.constraints.clone(),
        };
        rules.checks = rules.compile_checks(field)?;
        Ok(rules)
    }

    /// Whether the anchor profile of the input counts this field among its typed ones.
    pub fn is_anchor(&self) -> bool {
        !self.kind.keeps_text() && !self.set_null
    }

    /// The text to be typed, trimmed where the field says so; none if it means null.
    #[inline(always)]
    pub fn prepare<'t>(&self, text: &'t str) -> Option<&'t str> {
        let text = self.trimmed(text);
        if self.is_missing(text.as_bytes()) { None } else { Some(text) }
    }

    #[inline(always)]
    pub fn trimmed<'t>(&self, text: &'t str) -> &'t str {
        if self.trim { trim_blanks(text) } else { text }
    }

    #[inline(always)]
    pub fn is_missing(&self, text: &[u8]) -> bool {
        if text.is_empty() {
            self.empty_is_missing
        } else {
            !self.missing.is_empty() && self.missing.iter().any(|value| value.as_bytes() == text)
        }
    }

    /// Whether any text but the empty one means null.
    pub(crate) fn has_missing_texts(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Judges a whole text.
    pub fn judge(&self, text: &str) -> Judged {
        self.judge_prepared(self.prepare(text))
    }

    /// Judges a text that `prepare` let through; none stands for null.
    pub fn judge_prepared(&self, text: Option<&str>) -> Judged {
        self.judge_as(text, &self.kind)
    }

    /// Judges a number of a JSON text.
    pub fn judge_json_number(&self, text: &str) -> Judged {
        self.judge_as(Some(text), &self.json_kind)
    }

    fn judge_as(&self, text: Option<&str>, kind: &Kind) -> Judged {
        let Some(text) = text else { return self.settle(None, Vec::new()) };
        match kind.parse(text) {
            Err(error) => self.settle(None, vec![error]),
            Ok(value) => self.judge_value(value, text),
        }
    }

    /// Checks the constraints of a value that needs no parsing.
    pub fn judge_value(&self, value: Value, text: &str) -> Judged {
        let mut errors = Vec::new();
        self.checks.check(value, text, &mut errors);
        self.settle(Some(value), errors)
    }

    /// A value that is wrong before any constraint is asked.
    pub(crate) fn settle_error(&self, error: ValueError) -> Judged {
        self.settle(None, vec![error])
    }

    /// A value of a kind that the type cannot take at all, such as a JSON object for an integer.
    pub fn refuse(&self, why: &'static str) -> Judged {
        self.settle(None, vec![ValueError::new(self.kind.type_code(), why)])
    }

    /// What a value must be not to get `code`, for reports.
    pub fn expected_for(&self, code: &str) -> String {
        let of_json = |value: &Option<Json>| value.as_ref().map(json_text).unwrap_or_default();
        let of_length = |length: Option<u64>| length.unwrap_or_default();
        match code {
            "CONSTRAINT_REQUIRED" => "a value".into(),
            "CONSTRAINT_MINIMUM" => format!("at least {}", of_json(&self.constraints.minimum)),
            "CONSTRAINT_MAXIMUM" => format!("at most {}", of_json(&self.constraints.maximum)),
            "CONSTRAINT_MIN_LENGTH" => format!("at least {} characters", of_length(self.constraints.min_length)),
            "CONSTRAINT_MAX_LENGTH" => format!("at most {} characters", of_length(self.constraints.max_length)),
            "CONSTRAINT_PATTERN" => format!("text that matches {}", self.constraints.pattern.as_deref().unwrap_or_default()),
            "CONSTRAINT_ENUM" => {
                let allowed = self.constraints.allowed.as_deref().unwrap_or_default();
                let shown: Vec<String> = allowed.iter().take(MAX_VALUES_SHOWN).map(json_text).collect();
                let rest = if allowed.len() > MAX_VALUES_SHOWN {
                    format!(" and {} more", allowed.len() - MAX_VALUES_SHOWN)
                } else {
                    String::new()
                };
                format!("one of {}{rest}", shown.join(", "))
            }
            _ => self.expected.clone(),
        }
    }

    fn settle(&self, value: Option<Value>, errors: Vec<ValueError>) -> Judged {
        let mut judged = match errors.first() {
            Some(first) if self.set_null => Judged { value: None, repair: Some(first.code), errors: Vec::new() },
            Some(_) => return Judged { value: None, errors, repair: None },
            None => Judged { value, errors, repair: None },
        };
        if self.required && judged.value.is_none() {
            judged.errors.push(ValueError::new("CONSTRAINT_REQUIRED", "a value is required"));
        }
        judged
    }

    fn compile_checks(&self, field: &Field) -> Result<Checks, Error> {
        let constraints = &field.constraints;
        let ordered = !self.kind.keeps_text() && !matches!(self.kind, Kind::Boolean(_));
        if !ordered && (constraints.minimum.is_some() || constraints.maximum.is_some()) {
            return Err(bad_field(field, "minimum and maximum need a type that has an order"));
        }
        if !self.kind.keeps_text() && (constraints.min_length.is_some() || constraints.max_length.is_some()) {
            return Err(bad_field(field, "minLength and maxLength need text"));
        }
        Ok(Checks {
            minimum: constraints.minimum.as_ref().map(|value| self.constraint_value(field, value)).transpose()?,
            maximum: constraints.maximum.as_ref().map(|value| self.constraint_value(field, value)).transpose()?,
            min_length: constraints.min_length,
            max_length: constraints.max_length,
            pattern: constraints.pattern.as_ref().map(|text| compile_regex(field, text)).transpose()?,
            allowed: constraints.allowed.as_ref().map(|values| self.compile_allowed(field, values)).transpose()?,
        })
    }

    fn compile_allowed(&self, field: &Field, values: &[Json]) -> Result<Allowed, Error> {
        if matches!(self.kind, Kind::Json(_) | Kind::List(_) | Kind::Nested(_)) {
            return Err(bad_field(field, "enum needs a type of single values"));
        }
        if self.kind.is_text() || matches!(self.kind, Kind::Binary) {
            let texts: HashSet<String> = values.iter().map(json_text).collect();
            return Ok(Allowed::Texts(texts));
        }
        let values: Result<Vec<Value>, Error> = values.iter().map(|value| self.constraint_value(field, value)).collect();
        Ok(Allowed::values(values?))
    }

    /// A value of a constraint, typed with the field's own rules.
    fn constraint_value(&self, field: &Field, value: &Json) -> Result<Value, Error> {
        let parsed = match value {
            Json::Bool(truth) if matches!(self.kind, Kind::Boolean(_)) => Ok(Value::Boolean(*truth)),
            Json::Number(_) => self.json_kind.parse(&json_text(value)),
            _ => self.kind.parse(&json_text(value)),
        };
        parsed.map_err(|error| bad_field(field, &format!("constraint value {value} is no {}: {}", self.expected, error.why)))
    }
}

/// Blanks around a value: space, tab, line feed, form feed, carriage return.
#[inline(always)]
pub(crate) fn trim_blanks(text: &str) -> &str {
    // Every blank is a byte up to the space, and no such byte is part of a longer character.
    match text.as_bytes() {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => trim_blanks_slowly(text),
    }
}

#[cold]
fn trim_blanks_slowly(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace())
}

fn json_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bad_field(field: &Field, why: &str) -> Error {
    Error::new("SPEC_SCHEMA_FIELD", format!("cannot use field {:?}: {why}", field.name))
}

fn compile_regex(field: &Field, text: &str) -> Result<regex::Regex, Error> {
    RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(REGEX_SIZE_LIMIT)
        .build()
        // The text alone must be a regex too, or `a)(b` would slip through the anchors.
        .and_then(|regex| RegexBuilder::new(text).size_limit(REGEX_SIZE_LIMIT).build().map(|_| regex))
        .map_err(|error| Error::new("SPEC_REGEX", format!("cannot use pattern of field {:?}: {error}", field.name)))
}

fn compile_kind(field: &Field) -> Result<Kind, Error> {
    let takes_format = matches!(field.field_type, FieldType::String | FieldType::Date | FieldType::Time | FieldType::Datetime);
    if !takes_format && field.format != "default" {
        return Err(bad_field(field, "this type has no other format than default"));
    }
    Ok(match field.field_type {
        FieldType::String if field.format == "binary" => Kind::Binary,
        FieldType::String => Kind::Text(text_format(field)?),
        FieldType::Any => Kind::Any,
        FieldType::Integer => Kind::Integer(IntegerFormat { group: group_char(field)?, bare: field.bare_number }),
        FieldType::Number => number_kind(field)?,
        FieldType::Boolean => boolean_kind(field)?,
        FieldType::Date => Kind::Date(match field.format.as_str() {
            "default" => DateFormat::Iso,
            "any" => DateFormat::Any(any_patterns(&[""])),
            _ => DateFormat::Pattern(pattern(field, true, false)?),
        }),
        FieldType::Time => Kind::Time(match field.format.as_str() {
            "default" | "any" => TimeFormat::Iso,
            _ => TimeFormat::Pattern(pattern(field, false, true)?),
        }),
        FieldType::Datetime => Kind::Datetime(datetime_format(field)?),
        FieldType::Year => Kind::Year,
        FieldType::Yearmonth => Kind::Yearmonth,
        FieldType::Duration => Kind::Duration,
        FieldType::Object => Kind::Json(JsonForm::Object),
        FieldType::Array => Kind::Json(JsonForm::Array),
        FieldType::List => list_kind(field)?,
    })
}

fn list_kind(field: &Field) -> Result<Kind, Error> {
    if matches!(field.item_type, FieldType::Object | FieldType::Array | FieldType::List) {
        return Err(bad_field(field, "itemType is a type of single values"));
    }
    if field.delimiter.is_empty() {
        return Err(bad_field(field, "a list needs a delimiter"));
    }
    let item = FieldRules::compile(&field.item(), &crate::probe::schema_without_fields())?;
    Ok(Kind::List(Arc::new(ListRules { delimiter: field.delimiter.clone(), item })))
}

fn text_format(field: &Field) -> Result<TextFormat, Error> {
    match field.format.as_str() {
        "default" => Ok(TextFormat::Any),
        "email" => Ok(TextFormat::Email),
        "uri" => Ok(TextFormat::Uri),
        "uuid" => Ok(TextFormat::Uuid),
        _ => Err(bad_field(field, "a string's format is default, email, uri, uuid or binary")),
    }
}

fn single_char(field: &Field, text: &str, what: &str) -> Result<char, Error> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if !c.is_ascii_digit() && !matches!(c, '+' | '-' | 'e' | 'E') => Ok(c),
        _ => Err(bad_field(field, &format!("{what} must be one character that stands in no number otherwise"))),
    }
}

fn group_char(field: &Field) -> Result<Option<char>, Error> {
    match field.group_char.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => single_char(field, text, "groupChar").map(Some),
    }
}

fn number_kind(field: &Field) -> Result<Kind, Error> {
    let decimal = single_char(field, &field.decimal_char, "decimalChar")?;
    let group = group_char(field)?;
    if group == Some(decimal) {
        return Err(bad_field(field, "decimalChar and groupChar must differ"));
    }
    let format = NumberFormat { decimal, group, bare: field.bare_number };
    let Some(precision) = field.precision else {
        return if field.scale.is_none() { Ok(Kind::Float(format)) } else { Err(bad_field(field, "scale needs precision")) };
    };
    let scale = field.scale.unwrap_or(0);
    if !(1..=38).contains(&precision) || scale > precision {
        return Err(bad_field(field, "precision is 1 to 38, scale 0 to precision"));
    }
    Ok(Kind::Decimal { format, precision, scale })
}

fn boolean_kind(field: &Field) -> Result<Kind, Error> {
    if field.true_values.iter().any(|value| field.false_values.contains(value)) {
        return Err(bad_field(field, "trueValues and falseValues overlap"));
    }
    Ok(Kind::Boolean(BooleanFormat { true_values: field.true_values.clone(), false_values: field.false_values.clone() }))
}

fn pattern(field: &Field, needs_date: bool, needs_time: bool) -> Result<Pattern, Error> {
    let pattern = Pattern::compile(&field.format).map_err(|why| bad_field(field, &format!("format {:?}: {why}", field.format)))?;
    if needs_date && !pattern.has_date() {
        return Err(bad_field(field, "the format must name year, month and day"));
    }
    if needs_time && !pattern.has_time() {
        return Err(bad_field(field, "the format must name an hour"));
    }
    if !needs_date && pattern.has_date() {
        return Err(bad_field(field, "the format of a time names a date"));
    }
    Ok(pattern)
}

/// The forms of `any`, each with every ending.
fn any_patterns(endings: &[&str]) -> Vec<Pattern> {
    let forms = ANY_PATTERNS.iter().flat_map(|form| endings.iter().map(move |ending| format!("{form}{ending}")));
    forms.map(|form| Pattern::compile(&form).expect("the forms of any use known directives only")).collect()
}

fn datetime_format(field: &Field) -> Result<DatetimeFormat, Error> {
    let zone = DatetimeFormat::zone(&field.timezone)
        .ok_or_else(|| Error::new("SPEC_TIMEZONE", format!("cannot use field {:?}: no time zone {:?}", field.name, field.timezone)))?;
    let form = match field.format.as_str() {
        "default" => DatetimeForm::Iso,
        "any" => DatetimeForm::Any(any_patterns(&[" %T", " %R"])),
        _ => DatetimeForm::Pattern(pattern(field, true, false)?),
    };
    Ok(DatetimeFormat { form, zone })
}

/// The type as people read it: `integer`, `number(10, 2)`, `date in the form %d.%m.%Y`.
fn expected(field: &Field) -> String {
    let name = match field.field_type {
        FieldType::String => "string",
        FieldType::Integer => "integer",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::Time => "time",
        FieldType::Datetime => "datetime",
        FieldType::Year => "year",
        FieldType::Yearmonth => "yearmonth",
        FieldType::Duration => "duration",
        FieldType::Object => "object",
        FieldType::Array => "array",
        FieldType::List => "list",
        FieldType::Any => "any",
    };
    match (field.field_type, field.precision) {
        (FieldType::Number, Some(precision)) => format!("{name}({precision}, {})", field.scale.unwrap_or(0)),
        (FieldType::Number, None) if field.decimal_char != "." => format!("{name} with decimal character {:?}", field.decimal_char),
        (FieldType::Boolean, _) => format!("{name}: {} or {}", field.true_values.join(" "), field.false_values.join(" ")),
        (FieldType::String, _) if field.format == "binary" => "base64".into(),
        (FieldType::String, _) if field.format != "default" => field.format.clone(),
        (FieldType::Yearmonth, _) => format!("{name} as YYYY-MM"),
        (FieldType::Duration, _) => format!("{name} in ISO 8601, such as P1DT2H"),
        (FieldType::Object | FieldType::Array, _) => format!("JSON {name}"),
        (FieldType::List, _) => format!("{name} of {} between {:?}", expected(&field.item()), field.delimiter),
        _ if field.format != "default" => format!("{name} in the form {}", field.format),
        (FieldType::Date, _) => format!("{name} as YYYY-MM-DD"),
        (FieldType::Datetime, _) => format!("{name} in ISO 8601"),
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Constraints, ExtraColumns, MatchBy, MissingColumns};
    use serde_json::json;

    fn schema(fields: Vec<Field>) -> Schema {
        Schema {
            fields,
            missing_values: vec!["".into(), "n/a".into()],
            match_by: MatchBy::Name,
            case_sensitive: true,
            missing_columns: MissingColumns::Fail,
            extra_columns: ExtraColumns::Drop,
            primary_key: Vec::new(),
        }
    }

    fn rules(field: Field) -> Result<FieldRules, &'static str> {
        let schema = schema(vec![field]);
        compile_fields(&schema).map(|mut rules| rules.remove(0)).map_err(|error| error.code)
    }

    fn codes(rules: &FieldRules, text: &str) -> Vec<&'static str> {
        rules.judge(text).errors.iter().map(|error| error.code).collect()
    }

    #[test]
    fn trim_then_missing_then_type_then_constraints() {
        let mut field = Field::new("n", FieldType::Integer);
        field.constraints = Constraints { minimum: Some(json!(5)), pattern: Some("[0-9]+".into()), ..Constraints::default() };
        let rules = rules(field).expect("valid");
        assert_eq!(rules.judge(" 7 ").value, Some(Value::Integer(7)));
        assert_eq!(rules.judge(" n/a "), Judged::default());
        assert_eq!(rules.judge("  "), Judged::default());
        assert_eq!(codes(&rules, "x"), ["TYPE_INTEGER"]);
        assert_eq!(codes(&rules, "-7"), ["CONSTRAINT_MINIMUM", "CONSTRAINT_PATTERN"]);
    }

    #[test]
    fn strings_are_not_trimmed_by_themselves() {
        let text = rules(Field::new("t", FieldType::String)).expect("valid");
        assert_eq!(text.judge(" n/a ").value, Some(Value::Text));
        assert_eq!(text.judge("n/a").value, None);
    }

    #[test]
    fn set_null_counts_and_required_comes_last() {
        let mut field = Field::new("n", FieldType::Integer);
        field.on_error = OnError::SetNull;
        let rules_null = rules(field.clone()).expect("valid");
        assert_eq!(rules_null.judge("x"), Judged { value: None, errors: vec![], repair: Some("TYPE_INTEGER") });
        field.constraints.required = true;
        assert_eq!(codes(&rules(field).expect("valid"), "x"), ["CONSTRAINT_REQUIRED"]);
    }

    #[test]
    fn enum_values_are_typed_by_the_field() {
        let mut field = Field::new("n", FieldType::Number);
        field.decimal_char = ",".into();
        field.constraints.allowed = Some(vec![json!("1,50"), json!(2)]);
        let rules = rules(field).expect("valid");
        assert_eq!(codes(&rules, "1,5"), Vec::<&str>::new());
        assert_eq!(codes(&rules, "2,0"), Vec::<&str>::new());
        assert_eq!(codes(&rules, "3"), ["CONSTRAINT_ENUM"]);
    }

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        let mut field = Field::new("t", FieldType::String);
        field.constraints.pattern = Some("a|bc".into());
        let rules = rules(field).expect("valid");
        for (text, fits) in [("a", true), ("bc", true), ("ac", false), ("ab", false), ("a\n", false)] {
            assert_eq!(codes(&rules, text).is_empty(), fits, "{text:?}");
        }
    }

    #[test]
    fn settings_that_are_refused() {
        let field = |edit: fn(&mut Field), kind| {
            let mut field = Field::new("f", kind);
            edit(&mut field);
            rules(field).err()
        };
        assert_eq!(field(|f| f.format = "hex".into(), FieldType::String), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.item_type = FieldType::Object, FieldType::List), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.delimiter.clear(), FieldType::List), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.constraints.minimum = Some(json!(1)), FieldType::List), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.constraints.minimum = Some(json!("P1D")), FieldType::Duration), None);
        assert_eq!(field(|f| f.format = "%Q".into(), FieldType::Date), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.format = "%m/%d".into(), FieldType::Date), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.timezone = "Mars".into(), FieldType::Datetime), Some("SPEC_TIMEZONE"));
        assert_eq!(field(|f| f.constraints.pattern = Some("a)(b".into()), FieldType::String), Some("SPEC_REGEX"));
        assert_eq!(field(|f| f.constraints.pattern = Some("(?=a)".into()), FieldType::String), Some("SPEC_REGEX"));
        assert_eq!(field(|f| f.constraints.minimum = Some(json!("x")), FieldType::Integer), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.constraints.minimum = Some(json!("x")), FieldType::String), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.group_char = Some(".".into()), FieldType::Number), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|f| f.false_values = vec!["1".into()], FieldType::Boolean), Some("SPEC_SCHEMA_FIELD"));
        assert_eq!(field(|_| {}, FieldType::Datetime), None);
    }
}
