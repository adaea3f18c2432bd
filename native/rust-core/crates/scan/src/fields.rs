//! The fields of one record, by the strict machine: for records that are not part of a clean run, and for the trials.

use crate::dialect::{RawField, Rules};
use crate::extent::{ErrorKind, View, Watch};

/// A field of a record; offsets count from the record's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpan {
    /// The text: without the quotes around it and without skipped blanks.
    pub start: usize,
    pub end: usize,
    /// The text with the quotes around it.
    pub raw_start: usize,
    pub raw_end: usize,
    pub quoted: bool,
    /// The text holds a doubled quote or an escape: see `unescape_into`.
    pub escaped: bool,
}

impl FieldSpan {
    /// The field in `bytes`, in which its offsets count.
    pub fn raw<'a>(&self, bytes: &'a [u8]) -> RawField<'a> {
        RawField { text: &bytes[self.start..self.end], quoted: self.quoted, escaped: self.escaped }
    }
}

/// The fields of `record`: the bytes of one extent of kind record, with its terminator.
pub fn fields_of(record: &[u8], rules: &Rules) -> Vec<FieldSpan> {
    let mut fields = Vec::with_capacity(rules.columns());
    fields_into(record, rules, &mut fields, &mut Vec::new());
    fields
}

/// Fills `fields` and `errors` (kind, offset in the record; in order) anew with those of `record`.
pub fn fields_into(record: &[u8], rules: &Rules, fields: &mut Vec<FieldSpan>, errors: &mut Vec<(ErrorKind, usize)>) {
    fields.clear();
    errors.clear();
    let mut collect = Collect { fields, errors };
    // The record is complete, so the window ends where the stream might as well.
    let _ = View::new(record, true, 0, rules).walk(0, &mut collect);
}

struct Collect<'a> {
    fields: &'a mut Vec<FieldSpan>,
    errors: &'a mut Vec<(ErrorKind, usize)>,
}

impl Watch for Collect<'_> {
    fn may_stop_early(&self) -> bool {
        false
    }

    fn field(&mut self, field: FieldSpan, _is_last: bool) -> bool {
        self.fields.push(field);
        true
    }

    fn error(&mut self, kind: ErrorKind, at: usize) -> bool {
        self.errors.push((kind, at));
        true
    }
}

/// Appends the value of a field to `out`: doubled quotes made single (quoted fields only), escapes removed. A quote that is data
/// under `strayQuotes: literal` and an escape with nothing behind it stay.
pub fn unescape_into(field: RawField<'_>, rules: &Rules, out: &mut Vec<u8>) {
    let dialect = rules.dialect();
    let doubled = dialect.quote.filter(|_| dialect.double_quote && field.quoted);
    let Some(special) = dialect.escape.or(doubled) else {
        out.extend_from_slice(field.text);
        return;
    };
    let mut rest = field.text;
    while let Some(at) = rest.iter().position(|&byte| byte == special) {
        out.extend_from_slice(&rest[..at]);
        let takes_next = match dialect.escape {
            Some(_) => at + 1 < rest.len(),
            None => rest.get(at + 1) == Some(&special),
        };
        let kept = if takes_next { at + 1 } else { at };
        out.push(rest[kept]);
        rest = &rest[kept + 1..];
    }
    out.extend_from_slice(rest);
}
