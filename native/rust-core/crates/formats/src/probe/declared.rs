//! The written parts of an input: dialect and schema as the resolved spec has them, with what was left to detection as None.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::field::compile_fields;
use crate::lines::{compile_regex, expand_grok, group_columns};
use crate::pins::{BlankRows, Format, LinesOptions, LongRows, ShortRows, StrayQuotes};
use crate::schema::{Constraints, ExtraColumns, Field, FieldType, MatchBy, MissingColumns, OnError, Schema};

/// `dialect` as written; None is detected, or off where it is never detected (`commentChar`, `nullSequence`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DialectSpec {
    pub delimiter: Option<String>,
    pub quote_char: Option<String>,
    pub double_quote: Option<bool>,
    pub escape_char: Option<String>,
    pub line_terminator: Option<String>,
    pub skip_initial_space: Option<bool>,
    pub header: Option<bool>,
    pub header_rows: Option<Vec<u32>>,
    pub header_join: Option<String>,
    pub comment_rows: Option<Vec<u32>>,
    pub comment_char: Option<String>,
    pub null_sequence: Option<String>,
    pub stray_quotes: Option<StrayQuotes>,
    pub short_rows: Option<ShortRows>,
    pub long_rows: Option<LongRows>,
    pub blank_rows: Option<BlankRows>,
}

impl DialectSpec {
    /// None for `"auto"` and null.
    pub(super) fn read(written: &Value) -> Result<Option<DialectSpec>, Error> {
        match written {
            Value::Null => Ok(None),
            Value::String(text) if text == "auto" => Ok(None),
            Value::Object(_) => DialectSpec::deserialize(written)
                .map(Some)
                .map_err(|error| Error::new("SPEC_BAD_VALUE", format!("cannot use dialect: {error}"))),
            other => Err(Error::new("SPEC_BAD_VALUE", format!("expected dialect \"auto\" or an object, got {other}"))),
        }
    }
}

/// `lines` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LinesSpec {
    regex: Option<String>,
    grok: Option<String>,
    patterns: BTreeMap<String, String>,
    record_start: Option<String>,
}

impl LinesSpec {
    pub(super) fn read(written: &Value) -> Result<Option<LinesSpec>, Error> {
        match written {
            Value::Null => Ok(None),
            _ => LinesSpec::deserialize(written)
                .map(Some)
                .map_err(|error| Error::new("SPEC_BAD_VALUE", format!("cannot use lines: {error}"))),
        }
    }

    pub(super) fn resolve(self) -> Result<LinesOptions, Error> {
        let regex = match (self.regex, self.grok) {
            (Some(regex), None) => regex,
            (None, Some(grok)) => expand_grok(&grok, &self.patterns)?,
            (None, None) => return Err(Error::new("SPEC_MISSING_FIELD", "format lines needs lines.regex or lines.grok")),
            (Some(_), Some(_)) => return Err(Error::new("SPEC_CONFLICT", "lines.regex excludes lines.grok")),
        };
        if group_columns(&compile_regex(&regex, "lines.regex")?).is_empty() {
            return Err(Error::new("SPEC_REGEX", "cannot use lines.regex: it has no named group, so no column"));
        }
        if let Some(pattern) = &self.record_start {
            compile_regex(pattern, "lines.recordStart")?;
        }
        Ok(LinesOptions { regex, record_start: self.record_start })
    }
}

/// `schema` as written.
pub(super) enum SchemaSpec {
    Auto,
    Text,
    Given(Box<Schema>),
}

impl SchemaSpec {
    pub(super) fn read(written: &Value) -> Result<SchemaSpec, Error> {
        match written {
            Value::Null => Ok(SchemaSpec::Auto),
            Value::String(text) if text == "auto" => Ok(SchemaSpec::Auto),
            Value::String(text) if text == "text" => Ok(SchemaSpec::Text),
            Value::String(uri) => Err(Error::new(
                "SPEC_NOT_AVAILABLE",
                format!("cannot read schema {uri}: a schema by URI is not available in this version, write it into the spec"),
            )),
            Value::Object(_) => {
                let schema = SchemaWritten::deserialize(written).map_err(|error| schema_error(&error.to_string()))?;
                schema.resolve().map(|schema| SchemaSpec::Given(Box::new(schema)))
            }
            other => Err(Error::new("SPEC_SCHEMA_FIELD", format!("expected schema \"auto\", \"text\" or an object, got {other}"))),
        }
    }

    pub(super) fn given(&self) -> Option<&Schema> {
        match self {
            SchemaSpec::Given(schema) => Some(schema),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaWritten {
    fields: Vec<FieldWritten>,
    missing_values: Option<Vec<String>>,
    #[serde(rename = "match")]
    match_by: Option<MatchBy>,
    case_sensitive: Option<bool>,
    missing_columns: Option<MissingColumns>,
    extra_columns: Option<ExtraColumns>,
    primary_key: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldWritten {
    name: String,
    #[serde(rename = "type")]
    field_type: Option<String>,
    format: Option<String>,
    aliases: Option<Vec<String>>,
    path: Option<String>,
    missing_values: Option<Vec<String>>,
    trim: Option<bool>,
    on_error: Option<OnError>,
    decimal_char: Option<String>,
    group_char: Option<String>,
    bare_number: Option<bool>,
    precision: Option<u8>,
    scale: Option<u8>,
    true_values: Option<Vec<String>>,
    false_values: Option<Vec<String>>,
    timezone: Option<String>,
    delimiter: Option<String>,
    item_type: Option<FieldType>,
    fields: Option<Vec<FieldWritten>>,
    items: Option<Box<FieldWritten>>,
    constraints: Option<ConstraintsWritten>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConstraintsWritten {
    required: Option<bool>,
    unique: Option<bool>,
    minimum: Option<Value>,
    maximum: Option<Value>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<String>,
    #[serde(rename = "enum")]
    allowed: Option<Vec<Value>>,
}

impl SchemaWritten {
    fn resolve(self) -> Result<Schema, Error> {
        let primary_key = match self.primary_key {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(name)) => vec![name],
            Some(other) => Vec::<String>::deserialize(other).map_err(|error| schema_error(&format!("primaryKey: {error}")))?,
        };
        Ok(Schema {
            fields: self.fields.into_iter().map(FieldWritten::resolve).collect::<Result<_, _>>()?,
            missing_values: self.missing_values.unwrap_or_else(|| vec![String::new()]),
            match_by: self.match_by.unwrap_or(MatchBy::Name),
            case_sensitive: self.case_sensitive.unwrap_or(true),
            missing_columns: self.missing_columns.unwrap_or(MissingColumns::Fail),
            extra_columns: self.extra_columns.unwrap_or(ExtraColumns::Drop),
            primary_key,
        })
    }
}

impl FieldWritten {
    fn resolve(self) -> Result<Field, Error> {
        let field_type = self.field_type.as_deref().unwrap_or("string");
        let field_type = match FieldType::deserialize(Value::from(field_type)) {
            Ok(known) => known,
            Err(_) => return Err(schema_error(&format!("field {:?} has the unknown type {field_type:?}", self.name))),
        };
        let defaults = Field::new(self.name, field_type);
        Ok(Field {
            format: self.format.unwrap_or(defaults.format),
            aliases: self.aliases.unwrap_or(defaults.aliases),
            path: self.path,
            missing_values: self.missing_values,
            trim: self.trim,
            on_error: self.on_error.unwrap_or(defaults.on_error),
            decimal_char: self.decimal_char.unwrap_or(defaults.decimal_char),
            group_char: self.group_char,
            bare_number: self.bare_number.unwrap_or(defaults.bare_number),
            precision: self.precision,
            scale: self.scale,
            true_values: self.true_values.unwrap_or(defaults.true_values),
            false_values: self.false_values.unwrap_or(defaults.false_values),
            timezone: self.timezone.unwrap_or(defaults.timezone),
            delimiter: self.delimiter.unwrap_or(defaults.delimiter),
            item_type: self.item_type.unwrap_or(defaults.item_type),
            fields: self.fields.map(|fields| fields.into_iter().map(FieldWritten::resolve).collect()).transpose()?,
            items: self.items.map(|item| item.resolve().map(Box::new)).transpose()?,
            constraints: self.constraints.map_or_else(Constraints::default, ConstraintsWritten::resolve),
            name: defaults.name,
            field_type,
        })
    }
}

impl ConstraintsWritten {
    fn resolve(self) -> Constraints {
        Constraints {
            required: self.required.unwrap_or(false),
            unique: self.unique.unwrap_or(false),
            minimum: self.minimum,
            maximum: self.maximum,
            min_length: self.min_length,
            max_length: self.max_length,
            pattern: self.pattern,
            allowed: self.allowed,
        }
    }
}

/// The pinned schema of an input with the settings that a later generation wrote: what is missing, how values are written, what they must hold. Which
/// columns there are, where they stand, and their types follow from the pins and stay. `written` as in the spec; `auto` and `text` change nothing.
///
/// Errors: `SPEC_CONFLICT` for other columns, types or unique keys, and those of compiling a field.
pub fn schema_under(pinned: &Schema, written: &Value) -> Result<Schema, Error> {
    let SchemaSpec::Given(schema) = SchemaSpec::read(written)? else { return Ok(pinned.clone()) };
    let Schema { mut fields, missing_values, .. } = *schema;
    if fields.len() > pinned.fields.len() {
        return Err(Error::new(
            "SPEC_CONFLICT",
            format!("cannot change the schema: it has {} fields, not {}", pinned.fields.len(), fields.len()),
        ));
    }
    if let Some((before, after)) = pinned.fields.iter().zip(&fields).find(|(before, after)| column_of(before) != column_of(after)) {
        let message = format!(
            "cannot change field {:?} into {:?}: columns, their places, types and keys are those of the job",
            before.name, after.name
        );
        return Err(Error::new("SPEC_CONFLICT", message));
    }
    // Columns that nobody wrote down are kept behind the others.
    fields.extend_from_slice(&pinned.fields[fields.len()..]);
    let changed = Schema { fields, missing_values, ..pinned.clone() };
    compile_fields(&changed)?;
    Ok(changed)
}

/// What of a field is its column's.
fn column_of(field: &Field) -> (&str, FieldType, arrow_schema::DataType, Option<&str>, &[String], bool) {
    (&field.name, field.field_type, field.arrow_type(), field.path.as_deref(), &field.aliases, field.constraints.unique)
}

fn schema_error(why: &str) -> Error {
    Error::new("SPEC_SCHEMA_FIELD", format!("cannot use schema: {why}"))
}

/// The schema of sampled columns before any is added: a file may lack some of them, but none may come that no sample had.
pub(crate) fn empty_schema() -> Schema {
    Schema {
        fields: Vec::new(),
        missing_values: vec![String::new()],
        match_by: MatchBy::Name,
        case_sensitive: true,
        missing_columns: MissingColumns::SetNull,
        extra_columns: ExtraColumns::Keep,
        primary_key: Vec::new(),
    }
}

/// A column as it stands: text of CSV and lines, any value of JSON.
pub(super) fn text_field(name: &str, format: Format) -> Field {
    Field::new(name, if matches!(format, Format::Csv | Format::Lines) { FieldType::String } else { FieldType::Any })
}
