//! Decides how the bytes of an input are to be read, from the first bytes of a few of its files: the *pins*, each value with its evidence.
//!
//! What a person wrote is taken as it is, what was left out is detected, and what cannot be told is refused: nothing is guessed silently.
//! The order is compression, encoding, format, dialect, header, schema; each step relies on the ones before. Nothing here changes between two
//! calls with the same samples.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

pub use self::declared::schema_under;
use crate::decompress::{Compression, DecodedSource, InflationLimit, Restart};
use crate::error::Error;
use crate::header::{check_column_count, compared};
use crate::pins::{DuplicateKeys, Evidence, Format, InputPins, InvalidBytes, JsonOptions, LinesOptions};
use crate::schema::Schema;
use crate::source::{ByteSource, SourceError, read_full};

mod columns;
mod declared;
mod dialect;
mod encoding;
mod file_columns;
mod format;
mod header;
mod infer;
mod json;
mod lines;
mod magic;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use declared::empty_schema as schema_without_fields;
use declared::{DialectSpec, LinesSpec, SchemaSpec};
pub use file_columns::columns_of;

/// This much of a file is looked at.
pub const SAMPLE_BYTES: usize = 4 << 20;

/// The start of one file of the input.
#[derive(Clone, Debug)]
pub struct Sample {
    pub uri: String,
    /// The first `SAMPLE_BYTES` bytes of the stream, decompressed, or all of a shorter one.
    pub head: Vec<u8>,
    /// Whether `head` is the whole stream.
    pub complete: bool,
    /// Bytes of the file as it is stored.
    pub size: u64,
    /// How the file is compressed, by its first bytes or as it was declared.
    pub compression: Option<Compression>,
    /// What `columns_of` says of a file of columns.
    pub columns: Option<arrow_schema::SchemaRef>,
}

/// Reads the sample of a file. `declared` is the compression as it was written: `auto`, `none` or a name.
///
/// A file that is damaged behind its beginning gives what could be read: planning tells about it. Errors: `INPUT_MAGIC`, and those of the source.
pub fn take_sample(mut source: Box<dyn ByteSource>, uri: &str, declared: &str) -> Result<Sample, Error> {
    let size = source.size();
    let mut magic = vec![0; magic::MAGIC_BYTES.min(size as usize)];
    read_full(source.as_mut(), 0, &mut magic)?;
    let found = Compression::of_magic(&magic).filter(|_| !magic::is_office_file(&magic));
    let compression = if declared == "auto" { found } else { Compression::from_name(declared) };
    let (head, complete) = match compression {
        None => {
            let mut head = vec![0; size.min(SAMPLE_BYTES as u64) as usize];
            let filled = read_full(source.as_mut(), 0, &mut head)?;
            head.truncate(filled);
            let complete = filled as u64 == size;
            let columns = columns_of(&head, source.as_mut())?;
            return Ok(Sample { uri: uri.into(), head, complete, size, compression, columns });
        }
        Some(compression) => decoded_head(source, compression, uri)?,
    };
    Ok(Sample { uri: uri.into(), head, complete, size, compression, columns: None })
}

fn decoded_head(source: Box<dyn ByteSource>, compression: Compression, uri: &str) -> Result<(Vec<u8>, bool), Error> {
    let limit = InflationLimit::of_ratio(crate::pins::default_inflation());
    let at_uri = |error: SourceError| Error::new(error.code, format!("cannot read {uri}: {}", error.message));
    let mut stream = DecodedSource::open(source, compression, Restart::default(), Some(limit)).map_err(at_uri)?;
    let mut head = vec![0; SAMPLE_BYTES + 1];
    let mut filled = 0;
    while filled < head.len() {
        match stream.read_at(filled as u64, &mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if filled == 0 || !error.code.starts_with("INPUT_") => return Err(at_uri(error)),
            Err(_) => {
                head.truncate(filled.min(SAMPLE_BYTES));
                return Ok((head, false));
            }
        }
    }
    let complete = filled <= SAMPLE_BYTES;
    head.truncate(filled.min(SAMPLE_BYTES));
    Ok((head, complete))
}

/// What the resolved job spec says about an input: one entry of `inputs`, `schema` being its own or the job's. Other keys are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    #[serde(default = "text_input")]
    pub name: String,
    #[serde(default = "text_auto")]
    pub format: String,
    #[serde(default = "text_auto")]
    pub compression: String,
    #[serde(default = "text_auto")]
    pub encoding: String,
    #[serde(default = "text_reject")]
    pub invalid_bytes: String,
    /// `"auto"` or null, or an object in which keys that are absent or null are detected.
    #[serde(default)]
    pub dialect: Value,
    /// `"auto"` or null, `"text"`, or a Table Schema.
    #[serde(default)]
    pub schema: Value,
    /// Bytes.
    #[serde(default = "default_record_size")]
    pub max_record_size: u64,
    #[serde(default = "crate::pins::default_inflation")]
    pub max_inflation: u64,
    #[serde(default)]
    pub keep_intact_prefix: bool,
    #[serde(default)]
    pub json: Value,
    /// Null, or an object with `regex` or `grok`.
    #[serde(default)]
    pub lines: Value,
}

fn text_input() -> String {
    "input".into()
}

fn text_auto() -> String {
    "auto".into()
}

fn text_reject() -> String {
    "reject".into()
}

fn default_record_size() -> u64 {
    16 << 20
}

/// What was decided so far, and why.
#[derive(Default)]
struct Findings {
    evidence: Vec<Evidence>,
    notes: Vec<String>,
}

impl Findings {
    fn set(&mut self, path: &str, value: impl Into<String>) {
        self.push(path, "set", value.into(), None, None);
    }

    fn detected(&mut self, path: &str, value: impl Into<String>, confidence: f64, runner_up: Option<String>) {
        // Three digits are all that anyone reads, and the same on every machine.
        self.push(path, "detected", value.into(), Some((confidence * 1000.0).round() / 1000.0), runner_up);
    }

    fn push(&mut self, path: &str, how: &str, value: String, confidence: Option<f64>, runner_up: Option<String>) {
        self.evidence.push(Evidence { path: path.into(), how: how.into(), value, confidence, runner_up, note: None });
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// Probes one input. Its files are read by the same encoding, format and dialect; their columns are united in order of first sight.
///
/// Errors: `INPUT_MAGIC` and `SPEC_NOT_AVAILABLE` for content that is no text or is not read yet, `ENCODING_UNCERTAIN`, `ENCODING_MISMATCH`,
/// `CSV_DIALECT_UNCERTAIN`, `OVER_LIMIT` for too many columns, and `SPEC_*` for values of `declared` that cannot be used. Files without a byte are legal.
pub fn probe(samples: &[Sample], declared: &Declared) -> Result<InputPins, Error> {
    let dialect_spec = DialectSpec::read(&declared.dialect)?;
    let schema_spec = SchemaSpec::read(&declared.schema)?;
    let mut findings = Findings::default();
    if let Some(format) = file_columns::detect(samples, declared, dialect_spec.is_some(), &mut findings)? {
        return file_columns::probe(format, samples, schema_spec, declared, findings);
    }
    let compression = magic::check(samples, declared, &mut findings)?;
    let label = encoding::detect(samples, &declared.encoding, &mut findings)?;
    let converted = as_utf8(samples, &label);
    let texts: Vec<Text<'_>> = converted.iter().map(Text::of).collect();
    let json = json_options(&declared.json)?;
    let hints = format::Hints { has_dialect: dialect_spec.is_some(), has_records: !json.records.is_empty() };
    let format = format::detect(&texts, &declared.format, hints, &mut findings)?;
    let lines = lines_options(format, LinesSpec::read(&declared.lines)?, &mut findings)?;
    let mut pins = InputPins {
        name: declared.name.clone(),
        format,
        compression: compression.map_or("none", Compression::name).into(),
        // Converted text is looked at as what it is now.
        encoding: if crate::encoding::shows_structure(&label) { label.clone() } else { "utf-8".into() },
        invalid_bytes: invalid_bytes(&declared.invalid_bytes)?,
        max_record_bytes: declared.max_record_size,
        max_inflation: declared.max_inflation,
        keep_intact_prefix: declared.keep_intact_prefix,
        dialect: None,
        columns: Vec::new(),
        schema: declared::empty_schema(),
        inferred: Vec::new(),
        json,
        lines,
        evidence: Vec::new(),
        notes: Vec::new(),
    };
    let sampled = match format {
        Format::Csv => {
            let spec = dialect_spec.unwrap_or_default();
            columns::of_csv(&texts, spec, &schema_spec, &mut pins, &mut findings)?
        }
        Format::Ndjson => json::columns(&texts, &pins),
        Format::Json => json::columns_of_array(&texts, &pins)?,
        Format::Lines => lines::columns(&texts, &pins)?,
        // Taken care of above.
        Format::Parquet | Format::Arrow => Sampled { fields: Vec::new() },
    };
    if matches!(format, Format::Ndjson | Format::Json) && !matches!(schema_spec, SchemaSpec::Given(_)) {
        refuse_unseen_columns(&texts, &sampled)?;
    }
    apply_schema(schema_spec, sampled, &mut pins, &mut findings);
    check_column_count(pins.schema.fields.len())?;
    pins.encoding = label;
    pins.evidence = findings.evidence;
    pins.notes = findings.notes;
    Ok(pins)
}

/// Records of JSON name their columns themselves. Where none ends within the samples, reading would take none and drop every value.
fn refuse_unseen_columns(texts: &[Text<'_>], sampled: &Sampled) -> Result<(), Error> {
    let cut = texts.iter().find(|text| !text.complete);
    match cut {
        Some(text) if sampled.fields.is_empty() => {
            let message = format!(
                "cannot find the columns of {}: no record that ends within its first {} bytes has any; write a schema",
                text.uri,
                text.bytes.len()
            );
            Err(Error::new("SPEC_MISSING_FIELD", message))
        }
        _ => Ok(()),
    }
}

/// The samples as the steps after the encoding see them.
fn as_utf8<'s>(samples: &'s [Sample], label: &str) -> Cow<'s, [Sample]> {
    let Some(encoding) = crate::convert::converted(label) else { return Cow::Borrowed(samples) };
    let convert =
        |sample: &Sample| Sample { head: crate::convert::convert_head(encoding, &sample.head, sample.complete), ..sample.clone() };
    Cow::Owned(samples.iter().map(convert).collect())
}

/// The text of a sample behind its byte order mark.
struct Text<'a> {
    uri: &'a str,
    bytes: &'a [u8],
    complete: bool,
}

impl<'a> Text<'a> {
    fn of(sample: &'a Sample) -> Text<'a> {
        let mark = crate::encoding::byte_order_mark(&sample.head).map_or(0, |(length, _)| length as usize);
        Text { uri: &sample.uri, bytes: &sample.head[mark..], complete: sample.complete }
    }
}

/// What the samples say about columns: the type each would have.
struct Sampled {
    fields: Vec<infer::Inferred>,
}

fn apply_schema(spec: SchemaSpec, sampled: Sampled, pins: &mut InputPins, findings: &mut Findings) {
    pins.columns = sampled.fields.iter().map(|inferred| inferred.field.name.clone()).collect();
    match spec {
        SchemaSpec::Given(schema) => {
            findings.set("schema", "given");
            pins.schema =
                keep_extra_columns(*schema, &pins.columns, pins.dialect.as_ref().is_some_and(|dialect| !dialect.header), pins.format);
        }
        SchemaSpec::Text => {
            findings.set("schema", "text");
            pins.schema.fields = pins.columns.iter().map(|name| declared::text_field(name, pins.format)).collect();
        }
        SchemaSpec::Auto => {
            findings.push("schema", "detected", "auto".into(), None, None);
            pins.inferred = pins.columns.clone();
            for inferred in sampled.fields {
                findings.notes.extend(inferred.note.map(|note| format!("{}: {note}", inferred.field.name)));
                pins.schema.fields.push(inferred.field);
            }
        }
    }
}

/// Under `extraColumns: keep` the columns that no field takes follow the fields, as text.
fn keep_extra_columns(mut schema: Schema, columns: &[String], positional: bool, format: Format) -> Schema {
    use crate::schema::{ExtraColumns, MatchBy};
    if schema.extra_columns != ExtraColumns::Keep {
        return schema;
    }
    let name_of = |name: &str| compared(name, schema.case_sensitive).into_owned();
    let known: HashSet<String> =
        schema.fields.iter().flat_map(|field| std::iter::once(&field.name).chain(&field.aliases)).map(|name| name_of(name)).collect();
    let by_position = positional || schema.match_by == MatchBy::Position;
    let extra: Vec<_> = columns
        .iter()
        .enumerate()
        .filter(|(index, column)| if by_position { *index >= schema.fields.len() } else { !known.contains(&name_of(column)) })
        .map(|(_, column)| declared::text_field(column, if format == Format::Lines || format.has_rows() { format } else { Format::Csv }))
        .collect();
    schema.fields.extend(extra);
    schema
}

fn invalid_bytes(written: &str) -> Result<InvalidBytes, Error> {
    match written {
        "reject" => Ok(InvalidBytes::Reject),
        "replace" => Ok(InvalidBytes::Replace),
        other => Err(Error::new("SPEC_BAD_VALUE", format!("expected invalidBytes reject or replace, got {other:?}"))),
    }
}

fn json_options(written: &Value) -> Result<JsonOptions, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Written {
        records: String,
        duplicate_keys: DuplicateKeys,
        max_depth: u32,
    }
    impl Default for Written {
        fn default() -> Written {
            Written { records: String::new(), duplicate_keys: DuplicateKeys::Reject, max_depth: 64 }
        }
    }
    let written = match written {
        Value::Null => Written::default(),
        value => Written::deserialize(value).map_err(|error| Error::new("SPEC_BAD_VALUE", format!("cannot use json: {error}")))?,
    };
    Ok(JsonOptions { records: written.records, duplicate_keys: written.duplicate_keys, max_depth: written.max_depth })
}

/// Grok becomes the one regex that everything later uses.
fn lines_options(format: Format, spec: Option<LinesSpec>, findings: &mut Findings) -> Result<Option<LinesOptions>, Error> {
    match (format, spec) {
        (Format::Lines, None) => Err(Error::new("SPEC_MISSING_FIELD", "format lines needs lines.regex or lines.grok")),
        (Format::Lines, Some(spec)) => {
            let options = spec.resolve()?;
            findings.set("lines.regex", &options.regex);
            Ok(Some(options))
        }
        (_, Some(_)) => Err(Error::new("SPEC_CONFLICT", "lines is for format lines only")),
        (_, None) => Ok(None),
    }
}

/// Checks what is written of lines without looking at any: whether its patterns can be used.
///
/// Errors: `SPEC_REGEX`, `SPEC_GROK`, `SPEC_MISSING_FIELD`, `SPEC_CONFLICT`, `SPEC_BAD_VALUE`.
pub fn check_lines(written: &Value) -> Result<(), Error> {
    LinesSpec::read(written)?.map_or(Ok(()), |spec| spec.resolve().map(|_| ()))
}
