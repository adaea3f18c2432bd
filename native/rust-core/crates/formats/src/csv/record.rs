//! One CSV record, judged by itself: the plain definition that the fast way must agree with, and the one that builds rejects.

use std::borrow::Cow;

use millrace_scan::{ErrorKind, FieldSpan, fields_into};

use super::rules::CsvRules;
use crate::field::Judged;
use crate::position::Place;
use crate::reject::RejectError;
use crate::report::{Spot, shown};

/// One field of the schema in one record. No text: null before any rule was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot<'a> {
    pub text: Option<Cow<'a, str>>,
    pub judged: Judged,
}

/// What a record comes to. `repairs` are those of the record as a whole; those of single fields stand in their slots.
#[derive(Debug)]
pub(crate) enum Judgement<'a> {
    Row { slots: Vec<Slot<'a>>, repairs: Vec<&'static str> },
    Reject(Vec<RejectError>),
}

/// A record cut into fields, with what was wrong.
struct Cut {
    spans: Vec<FieldSpan>,
    errors: Vec<(ErrorKind, usize)>,
}

/// Judges the record with the bytes `raw`, terminator included.
pub(crate) fn judge<'a>(rules: &CsvRules, raw: &'a [u8], place: &Place) -> Judgement<'a> {
    let mut cut = Cut { spans: Vec::with_capacity(rules.width()), errors: Vec::new() };
    fields_into(raw, &rules.scan, &mut cut.spans, &mut cut.errors);
    let mut record = Record { rules, raw, place, errors: Vec::new(), repairs: Vec::new() };
    record.report_structure(&cut);
    if record.check_count(&cut.spans) {
        let slots = record.judge_fields(&cut.spans);
        if record.errors.is_empty() {
            return Judgement::Row { slots, repairs: record.repairs };
        }
    }
    Judgement::Reject(record.errors)
}

struct Record<'r, 'a> {
    rules: &'r CsvRules,
    raw: &'a [u8],
    place: &'r Place,
    errors: Vec<RejectError>,
    repairs: Vec<&'static str>,
}

impl<'a> Record<'_, 'a> {
    fn spot(&self, offset: usize, column: Option<usize>) -> Spot<'_> {
        Spot { raw: self.raw, place: self.place, offset, column_index: column.map(|column| column as u32 + 1) }
    }

    /// Name of the field that a column feeds, or the column's own.
    fn column_name(&self, column: usize) -> Option<&str> {
        let field = self.rules.mapping.get(column).copied().flatten().and_then(|field| self.rules.fields.get(field as usize));
        field.map(|field| field.name.as_str()).or_else(|| self.rules.header.get(column).map(String::as_str))
    }

    /// Stray quotes and bad escapes, but for those in fields that are the null sequence.
    fn report_structure(&mut self, cut: &Cut) {
        for &(kind, offset) in &cut.errors {
            let column = cut.spans.iter().position(|span| offset < span.raw_end.max(span.raw_start + 1)).unwrap_or(cut.spans.len());
            if cut.spans.get(column).is_some_and(|span| self.is_null(column, span)) {
                continue;
            }
            let message = match kind {
                ErrorKind::StrayQuote => "a quote inside an unquoted field",
                ErrorKind::BadEscape => "an escape character before something it cannot escape",
            };
            let error = self.spot(offset, Some(column)).error(kind.code(), message.into(), self.column_name(column));
            let value = cut.spans.get(column).map(|span| self.lossy(span));
            self.errors.push(RejectError { value, ..error });
        }
    }

    /// Whether the fields can be told apart: as many as columns, or made so by the dialect.
    fn check_count(&mut self, spans: &[FieldSpan]) -> bool {
        let (have, want) = (spans.len(), self.rules.width());
        if have == want {
            return true;
        }
        let lenient = if have < want { self.rules.pad_short } else { self.rules.truncate_long };
        let code = if have < want { "CSV_SHORT_ROW" } else { "CSV_LONG_ROW" };
        if lenient {
            self.repairs.push(code);
            return true;
        }
        let offset = if have < want { spans.last().map_or(0, |span| span.raw_end) } else { spans[want].raw_start };
        let error = self.spot(offset, None).error(code, format!("{have} fields where the file has {want} columns"), None);
        self.errors.push(RejectError { expected: Some(format!("{want} fields")), ..error });
        false
    }

    fn judge_fields(&mut self, spans: &[FieldSpan]) -> Vec<Slot<'a>> {
        let mut slots: Vec<Slot<'a>> = vec![Slot::default(); self.rules.fields.len()];
        for column in 0..self.rules.width() {
            let span = spans.get(column);
            let legal = span.is_none_or(|span| self.check_bytes(column, span));
            let Some(field) = self.rules.mapping[column].filter(|_| legal) else { continue };
            slots[field as usize] = self.judge_field(field as usize, column, span);
        }
        for (field, slot) in slots.iter_mut().enumerate() {
            if self.rules.columns[field].is_none() {
                slot.judged = self.rules.fields[field].judge_prepared(None);
                self.report_values(field, None, 0, slot);
            }
        }
        slots
    }

    /// Checks the bytes of a field against the encoding. False: they cannot be used.
    fn check_bytes(&mut self, column: usize, span: &FieldSpan) -> bool {
        let decoded = self.rules.encoding.decode(&self.raw[span.start..span.end]);
        let Some(at) = decoded.invalid_at else { return true };
        // Only the last record of a stream may lack its terminator.
        let ends_file = span.end == self.raw.len();
        let code = if decoded.cut_off && ends_file { "ENCODING_TRUNCATED" } else { "ENCODING_INVALID_BYTES" };
        if self.rules.replace_invalid {
            if !self.repairs.contains(&code) {
                self.repairs.push(code);
            }
            return true;
        }
        let message = match code {
            "ENCODING_TRUNCATED" => "the file ends inside a character",
            _ => "bytes that the encoding does not know",
        };
        let error = self.spot(span.start + at, Some(column)).error(code, message.into(), self.column_name(column));
        self.errors.push(RejectError { value: Some(shown(&decoded.text)), ..error });
        false
    }

    fn judge_field(&mut self, field: usize, column: usize, span: Option<&FieldSpan>) -> Slot<'a> {
        let rules = &self.rules.fields[field];
        let text = match span {
            Some(span) if !self.is_null(column, span) => Some(self.text(span)),
            _ => None,
        };
        let judged = rules.judge_prepared(text.as_deref().and_then(|text| rules.prepare(text)));
        let slot = Slot { text, judged };
        self.report_values(field, Some(column), span.map_or(self.content_end(), |span| span.raw_start), &slot);
        slot
    }

    fn report_values(&mut self, field: usize, column: Option<usize>, offset: usize, slot: &Slot<'_>) {
        for &error in &slot.judged.errors {
            let error = self.spot(offset, column).value_error(&self.rules.fields[field], error, slot.text.as_deref());
            self.errors.push(error);
        }
    }

    /// Whether a field is the null sequence, trimmed if its schema field says so.
    fn is_null(&self, column: usize, span: &FieldSpan) -> bool {
        let field = self.rules.mapping.get(column).copied().flatten();
        let trim = field.is_some_and(|field| self.rules.fields[field as usize].trim);
        self.rules.is_null_sequence(span.raw(self.raw), trim)
    }

    fn text(&self, span: &FieldSpan) -> Cow<'a, str> {
        let raw: &'a [u8] = self.raw;
        match self.rules.unescaped(span.raw(raw)) {
            Cow::Borrowed(bytes) => self.rules.encoding.decode(bytes).text,
            Cow::Owned(bytes) => Cow::Owned(self.rules.encoding.decode(&bytes).text.into_owned()),
        }
    }

    fn lossy(&self, span: &FieldSpan) -> String {
        shown(&self.text(span))
    }

    /// Where the record's last field ends, for values that a short row lacks.
    fn content_end(&self) -> usize {
        let terminator = self.raw.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        self.raw.len() - terminator.min(2)
    }
}

/// The fields of a record as text, in the file's order.
pub(crate) fn texts(rules: &CsvRules, raw: &[u8]) -> Vec<String> {
    let (mut spans, mut errors) = (Vec::new(), Vec::new());
    fields_into(raw, &rules.scan, &mut spans, &mut errors);
    let text = |span: &FieldSpan| rules.encoding.decode(&rules.unescaped(span.raw(raw))).text.into_owned();
    spans.iter().map(text).collect()
}
