//! Inputs whose files hold columns (Parquet, Arrow): nothing is guessed, the files say what their columns are.

use std::collections::HashMap;

use arrow_schema::{DataType, SchemaRef};

use super::declared::{SchemaSpec, empty_schema};
use super::infer::Inferred;
use super::{Declared, Findings, Sample, Sampled, apply_schema, invalid_bytes, json_options};
use crate::error::Error;
use crate::pins::{Format, InputPins};
use crate::schema::{Field, FieldType};
use crate::source::ByteSource;

/// The top-level columns of a file that begins with `head`; none if it is no file of columns, or a broken one: such a file is named when it is
/// planned, and the others of its input go on without it.
///
/// Errors: what the source says.
pub fn columns_of(head: &[u8], source: &mut dyn ByteSource) -> Result<Option<SchemaRef>, Error> {
    let read = match format_of(head) {
        Some(Format::Parquet) => crate::parquet::Footer::read(source).map(|footer| footer.schema),
        Some(Format::Arrow) => crate::arrow_ipc::Layout::read(source).map(|layout| layout.schema),
        _ => return Ok(None),
    };
    match read {
        Ok(schema) => Ok(Some(schema)),
        Err(error) if error.code == "OVER_LIMIT" || error.code.starts_with("PARQUET_") || error.code.starts_with("ARROW_") => Ok(None),
        Err(error) => Err(error),
    }
}

fn format_of(head: &[u8]) -> Option<Format> {
    match head {
        [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Format::Arrow),
        head if crate::arrow_ipc::begins_stream(head) => Some(Format::Arrow),
        _ => None,
    }
}

fn name(format: Format) -> &'static str {
    if format == Format::Arrow { "arrow" } else { "parquet" }
}

/// The format, if the input is one of columns: as written, or by the first bytes of the samples.
pub(super) fn detect(samples: &[Sample], declared: &Declared, has_dialect: bool, findings: &mut Findings) -> Result<Option<Format>, Error> {
    let written = match declared.format.as_str() {
        "parquet" => Some(Format::Parquet),
        "arrow" => Some(Format::Arrow),
        "auto" => None,
        _ => return Ok(None),
    };
    let found = samples.iter().find_map(|sample| format_of(&sample.head));
    let Some(format) = written.or(found) else { return Ok(None) };
    let kind = name(format);
    if has_dialect {
        return Err(Error::new("SPEC_CONFLICT", format!("a dialect is for CSV only, but the format is {kind}")));
    }
    if !matches!(declared.compression.as_str(), "auto" | "none") {
        return Err(Error::new(
            "SPEC_CONFLICT",
            format!("expected compression none, got {}: a {kind} file is compressed inside", declared.compression),
        ));
    }
    let fits = |sample: &&Sample| format_of(&sample.head) == Some(format);
    let other = samples.iter().find(|sample| !sample.head.is_empty() && !fits(sample));
    // Where the format was written, a file of another one is left out when it is planned; if all are, it was written in error.
    if let Some(other) = other.filter(|_| written.is_none() || !samples.iter().any(|sample| fits(&sample))) {
        let code = if format == Format::Arrow { "ARROW_MAGIC" } else { "PARQUET_MAGIC" };
        return Err(Error::new(code, format!("cannot read {}: it does not begin like a {kind} file", other.uri)));
    }
    if let Some(packed) = samples.iter().find(|sample| sample.compression.is_some() && fits(sample)) {
        let message = format!(
            "cannot read {}: it is a {kind} file that was compressed as a whole; unpack it, its columns are compressed inside",
            packed.uri
        );
        return Err(Error::new("INPUT_MAGIC", message));
    }
    match written {
        Some(_) => findings.set("format", kind),
        None => findings.detected("format", kind, 1.0, None),
    }
    findings.detected("compression", "none", 1.0, None);
    Ok(Some(format))
}

pub(super) fn probe(
    format: Format,
    samples: &[Sample],
    schema: SchemaSpec,
    declared: &Declared,
    mut findings: Findings,
) -> Result<InputPins, Error> {
    let mut pins = InputPins {
        name: declared.name.clone(),
        format,
        compression: "none".into(),
        encoding: "utf-8".into(),
        invalid_bytes: invalid_bytes(&declared.invalid_bytes)?,
        max_record_bytes: declared.max_record_size,
        max_inflation: declared.max_inflation,
        keep_intact_prefix: declared.keep_intact_prefix,
        dialect: None,
        columns: Vec::new(),
        schema: empty_schema(),
        inferred: Vec::new(),
        json: json_options(&declared.json)?,
        lines: None,
        evidence: Vec::new(),
        notes: Vec::new(),
    };
    // No text of such a file stands for null: null is null.
    pins.schema.missing_values = Vec::new();
    let sampled = Sampled { fields: united(samples.iter().filter_map(|sample| sample.columns.as_ref())) };
    apply_schema(schema, sampled, &mut pins, &mut findings);
    // These types are the files' own and no guess.
    pins.inferred = Vec::new();
    pins.evidence = findings.evidence;
    pins.notes = findings.notes;
    Ok(pins)
}

/// Columns of all samples in order of first sight; one that differs from file to file gets the narrowest type that takes both.
fn united<'a>(schemas: impl Iterator<Item = &'a SchemaRef>) -> Vec<Inferred> {
    let mut fields: Vec<Inferred> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for column in schemas.flat_map(|schema| schema.fields().iter()) {
        let next = field_of(column.name(), column.data_type());
        match by_name.get(column.name()) {
            None => {
                by_name.insert(column.name().clone(), fields.len());
                fields.push(next);
            }
            Some(&at) => {
                let wider = wider(&fields[at].field, &next.field);
                if let Some(field) = wider {
                    let note = format!("{}, because it differs from file to file", type_name(&field));
                    fields[at] = Inferred { field, note: Some(note) };
                }
            }
        }
    }
    fields
}

fn type_name(field: &Field) -> &'static str {
    if field.field_type == FieldType::Number { "number" } else { "any" }
}

/// None: the first one takes both.
fn wider(one: &Field, other: &Field) -> Option<Field> {
    if one == other {
        return None;
    }
    let is_number = |field: &Field| matches!(field.field_type, FieldType::Integer | FieldType::Number);
    let exact = |field: &Field| field.field_type == FieldType::Integer || field.precision.is_some();
    match (is_number(one) && is_number(other), exact(one) && exact(other)) {
        (true, true) => Some(wider_decimal(one, other)),
        (true, false) => Some(Field::new(one.name.clone(), FieldType::Number)),
        _ => Some(Field::new(one.name.clone(), FieldType::Any)),
    }
}

fn wider_decimal(one: &Field, other: &Field) -> Field {
    let digits = |field: &Field| match field.field_type {
        FieldType::Integer => (19, 0),
        _ => (field.precision.unwrap_or(38) - field.scale.unwrap_or(0), field.scale.unwrap_or(0)),
    };
    let ((whole_a, scale_a), (whole_b, scale_b)) = (digits(one), digits(other));
    let (whole, scale) = (whole_a.max(whole_b), scale_a.max(scale_b));
    if whole + scale > 38 {
        return Field::new(one.name.clone(), FieldType::Any);
    }
    Field { precision: Some(whole + scale), scale: Some(scale), ..Field::new(one.name.clone(), FieldType::Number) }
}

fn field_of(name: &str, data_type: &DataType) -> Inferred {
    let plain = |field_type| Inferred { field: Field::new(name, field_type), note: None };
    let decimal = |precision: u8, scale: i8| {
        let (precision, scale) = if scale < 0 { (precision.saturating_add(scale.unsigned_abs()), 0) } else { (precision, scale as u8) };
        let field = Field { precision: Some(precision), scale: Some(scale), ..Field::new(name, FieldType::Number) };
        Inferred { field, note: None }
    };
    match data_type {
        DataType::Dictionary(_, values) => field_of(name, values),
        DataType::RunEndEncoded(_, values) => field_of(name, values.data_type()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => plain(FieldType::String),
        DataType::UInt64 => decimal(20, 0),
        other if other.is_integer() => plain(FieldType::Integer),
        other if other.is_floating() => plain(FieldType::Number),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale)
            if i16::from(*precision) + i16::from((-scale).max(0)) <= 38 && i16::from(*scale) <= i16::from(*precision) =>
        {
            decimal(*precision, *scale)
        }
        DataType::Boolean => plain(FieldType::Boolean),
        DataType::Date32 | DataType::Date64 => plain(FieldType::Date),
        DataType::Time32(_) | DataType::Time64(_) => plain(FieldType::Time),
        DataType::Timestamp(..) => plain(FieldType::Datetime),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Inferred { field: Field { format: "binary".into(), ..Field::new(name, FieldType::String) }, note: None }
        }
        DataType::Struct(_) => plain(FieldType::Object),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Map(..) => plain(FieldType::Array),
        DataType::Interval(_) | DataType::Duration(_) => plain(FieldType::Duration),
        other => Inferred { field: Field::new(name, FieldType::Any), note: Some(format!("any, because the file has it as {other}")) },
    }
}
