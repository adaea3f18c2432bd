//! Building the errors and rejects that people read.

use crate::field::{FieldRules, Kind};
use crate::nested::Fault;
use crate::position::Place;
use crate::reject::{DAMAGE_KEPT_BYTES, MAX_ERRORS, MAX_VALUE_BYTES, Reject, RejectError};
use crate::values::ValueError;

/// Physical line ends (LF, CR LF, lone CR) in `bytes`; a CR at the very end counts.
pub(crate) fn count_line_ends(bytes: &[u8]) -> u64 {
    let mut count = 0;
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        let pair = rest[at] == b'\r' && rest.get(at + 1) == Some(&b'\n');
        rest = &rest[at + 1 + usize::from(pair)..];
        count += 1;
    }
    count
}

/// The physical line of the byte at `offset` of a record whose first byte stands on `first_line`.
pub(crate) fn line_of(raw: &[u8], offset: usize, first_line: u64) -> u64 {
    let before = &raw[..offset.min(raw.len())];
    // A byte between CR and LF still stands on the line that they end.
    let split_pair = before.last() == Some(&b'\r') && raw.get(before.len()) == Some(&b'\n');
    first_line + count_line_ends(before) - u64::from(split_pair)
}

/// `text` cut to what a reject keeps of a value.
pub(crate) fn shown(text: &str) -> String {
    let mut end = text.len().min(MAX_VALUE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

/// Where an error stands in its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'a> {
    pub raw: &'a [u8],
    pub place: &'a Place,
    /// Offset of the offending byte in `raw`.
    pub offset: usize,
    pub column_index: Option<u32>,
}

impl Spot<'_> {
    /// An error of the record's structure, or of a column that no field takes.
    pub(crate) fn error(&self, code: &'static str, message: String, column: Option<&str>) -> RejectError {
        RejectError {
            code,
            column: column.map(String::from),
            column_index: self.column_index,
            path: None,
            byte: self.place.byte + self.offset as u64,
            line: line_of(self.raw, self.offset, self.place.line),
            message,
            expected: None,
            value: None,
        }
    }

    /// An error of one value.
    pub(crate) fn value_error(&self, rules: &FieldRules, error: ValueError, value: Option<&str>) -> RejectError {
        if let (Kind::Nested(shape), Some(text)) = (&rules.kind, value)
            && let Some(fault) = shape.fault(rules.trimmed(text)).filter(|fault| fault.error == error && !fault.path.is_empty())
        {
            return self.inner_error(rules, &fault);
        }
        let expected = rules.expected_for(error.code);
        let plain = self.error(error.code, message_of(error, &expected), Some(&rules.name));
        RejectError { expected: Some(expected), value: value.map(shown), ..plain }
    }

    /// An error inside of a nested value.
    fn inner_error(&self, rules: &FieldRules, fault: &Fault<'_>) -> RejectError {
        let expected = fault.rules.map(|inner| inner.expected_for(fault.error.code));
        let message = match &expected {
            Some(expected) => message_of(fault.error, expected),
            None => format!("value is refused: {}", fault.error.why),
        };
        let plain = self.error(fault.error.code, format!("{}: {message}", fault.path), Some(&rules.name));
        RejectError { expected, value: Some(shown(&fault.text)), path: Some(fault.path.clone()), ..plain }
    }
}

fn message_of(error: ValueError, expected: &str) -> String {
    match error.code {
        "TYPE_PRECISION" => format!("digits would be lost: {}", error.why),
        "TYPE_RANGE" => format!("value is {}", error.why),
        code if code.starts_with("TYPE_") => format!("value is no {expected}: {}", error.why),
        _ => format!("value is refused: {}", error.why),
    }
}

/// A reject of a whole record. Errors are put into byte order and cut to as many as are kept.
pub(crate) fn reject(place: Place, mut errors: Vec<RejectError>, raw: &[u8]) -> Reject {
    errors.sort_by_key(|error| error.byte);
    errors.truncate(MAX_ERRORS);
    Reject { place, errors, raw: raw.to_vec(), raw_truncated: false }
}

/// A reject of a range that is no record: at most `max_record_bytes` of it are kept, of a longer one the beginning.
pub(crate) fn reject_range(place: Place, error: RejectError, head: &[u8], max_record_bytes: u64) -> Reject {
    let length = place.byte_end - place.byte;
    let kept = if length > max_record_bytes { DAMAGE_KEPT_BYTES.min(head.len()) } else { head.len() };
    Reject { place, errors: vec![error], raw: head[..kept].to_vec(), raw_truncated: kept as u64 != length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        for (bytes, want) in [(&b""[..], 0), (b"a\nb", 1), (b"a\r\nb\r\n", 2), (b"\r\r\n\n", 3), (b"a\r", 1)] {
            assert_eq!(count_line_ends(bytes), want, "{bytes:?}");
        }
        assert_eq!(line_of(b"a\r\nb", 2, 5), 5);
        assert_eq!(line_of(b"a\r\nb", 3, 5), 6);
        assert_eq!(line_of(b"a\rb", 2, 5), 6);
    }

    #[test]
    fn values_are_cut_between_characters() {
        let text = "ä".repeat(600);
        assert_eq!(shown(&text).len(), 1024);
        assert_eq!(shown(&format!("a{text}")).len(), 1023);
    }
}
