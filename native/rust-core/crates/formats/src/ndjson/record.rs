//! One NDJSON record: its text, the values of its fields, and the reject it becomes where something is wrong.

use std::borrow::Cow;

use super::pointers::Pointers;
use super::stencil::Stencil;
use super::walk::{Fault, Found, Shape, Walk, WalkRules};
use crate::encoding::Encoding;
use crate::error::Error;
use crate::field::{FieldRules, Judged, Kind, compile_fields};
use crate::pins::{Format, InputPins, InvalidBytes, JsonOptions};
use crate::position::Place;
use crate::reject::RejectError;
use crate::report::{Spot, shown};
use crate::schema::ExtraColumns;
use crate::validate::Value;

/// The pins of an NDJSON input, compiled.
pub(crate) struct JsonRules {
    pub fields: Vec<FieldRules>,
    pointers: Pointers,
    options: JsonOptions,
    encoding: Encoding,
    replace_invalid: bool,
    refuse_extra: bool,
    /// Records are lines, and not elements of an array.
    are_lines: bool,
    pub max_record_bytes: u64,
}

impl JsonRules {
    pub(crate) fn compile(pins: &InputPins) -> Result<JsonRules, Error> {
        Ok(JsonRules {
            fields: compile_fields(&pins.schema)?,
            pointers: Pointers::compile(&pins.schema)?,
            options: pins.json.clone(),
            encoding: Encoding::from_label(&pins.encoding)?,
            replace_invalid: pins.invalid_bytes == InvalidBytes::Replace,
            refuse_extra: pins.schema.extra_columns == ExtraColumns::Fail,
            are_lines: pins.format == Format::Ndjson,
            max_record_bytes: pins.max_record_bytes,
        })
    }

    /// What records look like that nothing is known of yet.
    pub(crate) fn stencil(&self) -> Stencil {
        Stencil::new(&self.fields, self.refuse_extra)
    }

    pub(crate) fn pointers(&self) -> &Pointers {
        &self.pointers
    }

    pub(crate) fn is_utf8(&self) -> bool {
        self.encoding.is_utf8()
    }

    fn walk_rules(&self) -> WalkRules<'_> {
        WalkRules { pointers: &self.pointers, options: &self.options, fields: self.fields.len(), wants_extra: self.refuse_extra }
    }
}

/// What a record comes to; `judged` and `texts` are left as the row's values, field by field.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    pub walk: Walk,
    pub judged: Vec<Judged>,
    /// Codes of repairs of the record as a whole.
    pub repairs: Vec<&'static str>,
    pub errors: Vec<RejectError>,
}

/// The text of a line and how its offsets map to those of the bytes.
pub(crate) struct Line<'a> {
    pub text: Cow<'a, str>,
}

impl Judge {
    /// Judges one line with the bytes `raw`, terminator included. Without errors `judged` holds a value for each field.
    pub(crate) fn judge<'a>(&mut self, rules: &JsonRules, raw: &'a [u8], place: &Place) -> Line<'a> {
        self.judged.clear();
        self.repairs.clear();
        self.errors.clear();
        let content = content(raw);
        let decoded = rules.encoding.decode(content);
        let line = Line { text: decoded.text };
        if let Some(at) = decoded.invalid_at {
            // Only the last line of a stream may lack its terminator.
            let ends_file = rules.are_lines && content.len() == raw.len();
            let truncated = decoded.cut_off && ends_file;
            let code = if truncated { "ENCODING_TRUNCATED" } else { "ENCODING_INVALID_BYTES" };
            if rules.replace_invalid {
                self.repairs.push(code);
            } else {
                let message = if truncated { "the file ends inside a character" } else { "bytes that the encoding does not know" };
                self.errors.push(Spot { raw, place, offset: at, column_index: None }.error(code, message.into(), None));
                return line;
            }
        }
        match self.walk.walk(&line.text, rules.walk_rules()) {
            Err(fault) => self.report_fault(rules, raw, place, &line, fault),
            Ok(()) => self.judge_fields(rules, raw, place, &line),
        }
        line
    }

    fn report_fault(&mut self, rules: &JsonRules, raw: &[u8], place: &Place, line: &Line<'_>, fault: Fault) {
        let offset = rules.encoding.byte_offset(content(raw), &line.text, fault.at);
        let error = Spot { raw, place, offset, column_index: None }.error(fault.code, fault.message, None);
        self.errors.push(RejectError { value: fault.key.map(|key| shown(&key)), ..error });
    }

    fn judge_fields(&mut self, rules: &JsonRules, raw: &[u8], place: &Place, line: &Line<'_>) {
        if let Some((at, key)) = self.walk.extra.take() {
            let offset = rules.encoding.byte_offset(content(raw), &line.text, at);
            let message = format!("the key {:?} has no field", shown(&key));
            self.errors.push(Spot { raw, place, offset, column_index: None }.error("SCHEMA_EXTRA_KEY", message, Some(&key)));
        }
        for (field, found) in rules.fields.iter().zip(&self.walk.found) {
            let text = found.map(|found| text_of(&found, &line.text, &self.walk.decoded));
            let judged = judge_field(field, found.map(|found| found.shape), text.unwrap_or_default());
            for &error in &judged.errors {
                let offset = found.map_or(0, |found| rules.encoding.byte_offset(content(raw), &line.text, found.start));
                let spot = Spot { raw, place, offset, column_index: None };
                self.errors.push(spot.value_error(field, error, text));
            }
            self.judged.push(judged);
        }
    }

    /// The text of field `index` of the line judged last.
    pub(crate) fn text<'t>(&'t self, index: usize, line: &'t Line<'_>) -> &'t str {
        self.walk.found[index].map_or("", |found| text_of(&found, &line.text, &self.walk.decoded))
    }
}

/// The line without its terminator: LF, and a CR before it.
pub(crate) fn content(raw: &[u8]) -> &[u8] {
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    if line.len() < raw.len() { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

fn text_of<'t>(found: &Found, line: &'t str, decoded: &'t str) -> &'t str {
    match (found.shape, found.decoded) {
        (Shape::String, Some((start, end))) => &decoded[start..end],
        (Shape::String, None) => &line[found.start + 1..found.end - 1],
        _ => &line[found.start..found.end],
    }
}

fn judge_field(field: &FieldRules, shape: Option<Shape>, text: &str) -> Judged {
    match (shape, &field.kind) {
        (None | Some(Shape::Null), _) => field.judge_prepared(None),
        (Some(Shape::String), _) => field.judge(text),
        (Some(Shape::Nested), Kind::Any) => field.judge_value(Value::Text, text),
        (Some(Shape::Nested), Kind::Json(_) | Kind::Nested(_)) => field.judge(text),
        (Some(Shape::Nested), _) => field.refuse("an object or array"),
        (Some(_), Kind::Any) => field.judge(text),
        (Some(Shape::Number), Kind::Text(_)) => field.refuse("a number without quotes"),
        (Some(Shape::Number), _) => field.judge_json_number(text),
        (Some(truth), Kind::Boolean(_)) => field.judge_value(Value::Boolean(truth == Shape::True), text),
        (Some(_), _) => field.refuse("true or false"),
    }
}

/// The texts of all fields of one record, for people.
pub(crate) fn texts(rules: &JsonRules, raw: &[u8]) -> Vec<String> {
    let mut walk = Walk::default();
    let text = rules.encoding.decode(content(raw)).text;
    if walk.walk(&text, rules.walk_rules()).is_err() {
        return Vec::new();
    }
    let of_field = |found: &Option<Found>| match found {
        None | Some(Found { shape: Shape::Null, .. }) => String::new(),
        Some(found) => text_of(found, &text, &walk.decoded).to_string(),
    };
    walk.found.iter().map(of_field).collect()
}
