//! The fast walk over a flat record: it expects the keys that followed each other in earlier records, and compares their bytes with what
//! stands there. It says where the values stand or that it cannot tell, and never what is wrong: `walk` looks at those records.

use std::collections::HashMap;

use super::pointers::{Pointers, ROOT};
use crate::field::{FieldRules, Kind};
use crate::values::boolean;

/// Where the text of one value lies: in the window, or in the side text if it had escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub start: u32,
    /// The end, with `SIDE` or `NULL` in its highest bits.
    pub end: u32,
}

pub(crate) const SIDE: u32 = 1 << 31;
/// No value.
pub(crate) const NULL: u32 = 1 << 30;
pub(crate) const OFFSET: u32 = NULL - 1;
pub(crate) const NOTHING: Cell = Cell { start: 0, end: NULL };

/// Keys that are remembered; of records with ever new ones the slow walk takes care.
const MAX_MEMBERS: usize = 4_096;
/// Longest text from one value to the next that is remembered.
const MAX_SEGMENT_BYTES: usize = 1_024;
const UNKNOWN: u32 = u32::MAX;

/// What stands between two values: a comma or the opening bracket, the key, the colon, and blanks.
struct Member {
    segment: Box<[u8]>,
    /// Number of the key; members that differ in blanks only have the same.
    key: u32,
    /// The field that the value feeds.
    field: Option<u32>,
    /// The member that mostly comes next.
    next: u32,
}

/// Values that a field's column types just as a record is judged.
#[derive(Clone, Copy, Debug, Default)]
struct Takes {
    numbers: bool,
    truths: bool,
}

impl Takes {
    fn of(rules: &FieldRules) -> Takes {
        let as_text = !rules.has_missing_texts();
        match &rules.kind {
            Kind::Any => Takes { numbers: true, truths: true },
            Kind::Integer(format) => Takes { numbers: as_text && format.is_plain(), truths: false },
            Kind::Float(format) | Kind::Decimal { format, .. } => Takes { numbers: as_text && format.is_plain(), truths: false },
            Kind::Boolean(format) => {
                let is_usual = boolean::parse(b"true", format) == Ok(true) && boolean::parse(b"false", format) == Ok(false);
                Takes { numbers: as_text, truths: as_text && is_usual }
            }
            Kind::Date(_) | Kind::Time(_) | Kind::Datetime(_) | Kind::Year => Takes { numbers: as_text, truths: false },
            _ => Takes::default(),
        }
    }
}

/// What earlier records looked like. Says nothing about what a record means, only how fast it is found out.
pub(crate) struct Stencil {
    takes: Vec<Takes>,
    members: Vec<Member>,
    by_segment: HashMap<Box<[u8]>, u32>,
    keys: HashMap<String, u32>,
    /// For each key the number of the record in which it stood last.
    seen: Vec<u32>,
    record: u32,
    first: u32,
    wants_extra: bool,
}

impl Stencil {
    pub(crate) fn new(fields: &[FieldRules], wants_extra: bool) -> Stencil {
        Stencil {
            takes: fields.iter().map(Takes::of).collect(),
            members: Vec::new(),
            by_segment: HashMap::new(),
            keys: HashMap::new(),
            seen: Vec::new(),
            record: 0,
            first: UNKNOWN,
            wants_extra,
        }
    }

    /// Finds the values of the record `text`, which stands at `base` in the window, and puts them into `row`, one cell a field, all
    /// `NOTHING` before. None: the record needs the slow walk, and `row` and `side` may hold anything.
    pub(crate) fn walk(&mut self, text: &[u8], base: usize, pointers: &Pointers, row: &mut [Cell], side: &mut String) -> Option<()> {
        self.record = self.record.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
        let (mut at, mut last) = (0, UNKNOWN);
        loop {
            let number = self.member(text, at, last, pointers)?;
            let member = &self.members[number as usize];
            let (start, field) = (at + member.segment.len(), member.field);
            let seen = &mut self.seen[member.key as usize];
            if std::mem::replace(seen, self.record) == self.record {
                return None;
            }
            let (cell, end) = self.value(text, start, base, field, side)?;
            if let Some(field) = field {
                row[field as usize] = cell;
            }
            at = end;
            last = number;
            if is_end(text, at) {
                return Some(());
            }
        }
    }

    /// The member that begins at `at`, mostly the one that followed `last` before.
    #[inline]
    fn member(&mut self, text: &[u8], at: usize, last: u32, pointers: &Pointers) -> Option<u32> {
        let expected = if last == UNKNOWN { self.first } else { self.members[last as usize].next };
        if let Some(member) = self.members.get(expected as usize)
            && text[at..].starts_with(&member.segment)
        {
            return Some(expected);
        }
        let found = self.look_up(text, at, last == UNKNOWN, pointers)?;
        match last {
            UNKNOWN => self.first = found,
            _ => self.members[last as usize].next = found,
        }
        Some(found)
    }

    #[inline(never)]
    fn look_up(&mut self, text: &[u8], at: usize, is_first: bool, pointers: &Pointers) -> Option<u32> {
        let mut end = skip_blanks(text, at);
        if text.get(end) != Some(if is_first { &b'{' } else { &b',' }) {
            return None;
        }
        end = skip_blanks(text, end + 1);
        if text.get(end) != Some(&b'"') {
            return None;
        }
        let key_end = special(text, end + 1);
        // A key with escapes is for the slow walk.
        if text.get(key_end) != Some(&b'"') {
            return None;
        }
        let key = std::str::from_utf8(&text[end + 1..key_end]).ok()?;
        end = skip_blanks(text, key_end + 1);
        if text.get(end) != Some(&b':') {
            return None;
        }
        end = skip_blanks(text, end + 1);
        let segment = &text[at..end];
        match self.by_segment.get(segment) {
            Some(&known) => Some(known),
            None => self.remember(segment, key, pointers),
        }
    }

    fn remember(&mut self, segment: &[u8], key: &str, pointers: &Pointers) -> Option<u32> {
        if self.members.len() >= MAX_MEMBERS || segment.len() > MAX_SEGMENT_BYTES {
            return None;
        }
        let node = pointers.nodes[ROOT].child(key, &mut 0).map(|node| &pointers.nodes[node]);
        let field = match node {
            None if self.wants_extra => return None,
            None => None,
            // Values that feed several fields, or whose members do, are for the slow walk.
            Some(node) if node.is_leaf() && node.fields.len() == 1 => Some(node.fields[0] as u32),
            Some(_) => return None,
        };
        let number = self.members.len() as u32;
        let next_key = self.keys.len() as u32;
        let key = *self.keys.entry(key.to_string()).or_insert(next_key);
        if key == next_key {
            self.seen.push(0);
        }
        self.members.push(Member { segment: segment.into(), key, field, next: UNKNOWN });
        self.by_segment.insert(segment.into(), number);
        Some(number)
    }

    /// The value at `start` and where it ends.
    #[inline]
    fn value(&self, text: &[u8], start: usize, base: usize, field: Option<u32>, side: &mut String) -> Option<(Cell, usize)> {
        let takes = field.map_or(Takes { numbers: true, truths: true }, |field| self.takes[field as usize]);
        let (from, end) = match *text.get(start)? {
            b'"' => {
                let end = special(text, start + 1);
                match text.get(end)? {
                    b'"' => return Some((Cell { start: (base + start + 1) as u32, end: (base + end) as u32 }, end + 1)),
                    b'\\' => return with_escapes(text, start + 1, end, side),
                    _ => return None,
                }
            }
            b'-' | b'0'..=b'9' if takes.numbers => (start, number_end(text, start)?),
            b't' if takes.truths && text[start..].starts_with(b"true") => (start, start + 4),
            b'f' if takes.truths && text[start..].starts_with(b"false") => (start, start + 5),
            b'n' if text[start..].starts_with(b"null") => return Some((NOTHING, start + 4)),
            _ => return None,
        };
        Some((Cell { start: (base + from) as u32, end: (base + end) as u32 }, end))
    }
}

#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[inline]
fn skip_blanks(text: &[u8], at: usize) -> usize {
    at + text.get(at..).map_or(0, |rest| rest.iter().take_while(|&&byte| is_blank(byte)).count())
}

/// Whether the record's bracket closes at `at` and nothing follows.
#[inline]
fn is_end(text: &[u8], at: usize) -> bool {
    match text.get(at) {
        Some(b',') => false,
        Some(b'}') if at + 1 == text.len() => true,
        _ => {
            let end = skip_blanks(text, at);
            text.get(end) == Some(&b'}') && skip_blanks(text, end + 1) == text.len()
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// High bits of bytes that are zero; bits above the lowest one may be wrong.
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Where the first quote, backslash or control character at or after `at` stands; the length of `text` if there is none.
#[inline(always)]
fn special(text: &[u8], at: usize) -> usize {
    let mut at = at;
    while let Some(bytes) = text.get(at..at + 8) {
        let word = u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
        let quotes = zeros(word ^ (ONES * b'"' as u64));
        let backslashes = zeros(word ^ (ONES * b'\\' as u64));
        // Bytes below 0x20 borrow; those above 0x7F are no control characters.
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// The end of a number as RFC 8259 writes them; none if there is none.
#[inline]
fn number_end(text: &[u8], start: usize) -> Option<usize> {
    let digits = |from: usize| from + text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = start + usize::from(text[start] == b'-');
    let mut at = digits(whole);
    if at == whole || (text[whole] == b'0' && at > whole + 1) {
        return None;
    }
    if text.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(fraction);
        if at == fraction {
            return None;
        }
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let exponent = at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(exponent.min(text.len()));
        if at <= exponent {
            return (at > exponent).then_some(at);
        }
    }
    Some(at)
}

/// A string whose first escape stands at `escape`: its text goes to `side`.
#[inline(never)]
fn with_escapes(text: &[u8], start: usize, escape: usize, side: &mut String) -> Option<(Cell, usize)> {
    let from = side.len();
    let (mut plain, mut at) = (start, escape);
    loop {
        side.push_str(std::str::from_utf8(text.get(plain..at)?).ok()?);
        match text.get(at)? {
            b'"' => return Some((Cell { start: from as u32, end: side.len() as u32 | SIDE }, at + 1)),
            b'\\' => {}
            _ => return None,
        }
        let (character, length) = escaped(text.get(at + 1..)?)?;
        side.push(character);
        plain = at + 1 + length;
        at = special(text, plain);
    }
}

/// The character of an escape behind its backslash, and the bytes it took.
fn escaped(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((character, 1))
}

/// `uXXXX`, or a pair of surrogates.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 4)?;
        digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
    };
    let first: u32 = unit(1)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).map(|character| (character, 5));
    }
    if text.get(5..7) != Some(b"\\u") {
        return None;
    }
    let second = unit(7)?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second).map(|character| (character, 11))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_end_where_their_grammar_does() {
        for (text, want) in [
            ("0", Some(1)),
            ("-0.5e+7,", Some(7)),
            ("12}", Some(2)),
            ("1E9 ", Some(3)),
            ("01", None),
            ("-", None),
            ("-x", None),
            ("1.", None),
            ("1.e", None),
            ("1e", None),
            ("1e+", None),
            ("-01", None),
        ] {
            assert_eq!(number_end(text.as_bytes(), 0), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn special_bytes_are_found(
            bytes in prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => prop::sample::select(b"\"\\\x1f\x20\x21\x7f\x80\xa2\xdc".to_vec())], 0..40), at in 0_usize..12,
        ) {
            let at = at.min(bytes.len());
            let want = bytes[at..].iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20)).map_or(bytes.len(), |found| at + found);
            prop_assert_eq!(special(&bytes, at), want);
        }

        #[test]
        fn escapes_equal_another_parser(pieces in prop::collection::vec(prop::sample::select(vec!["a", "ä", "\\n", "\\\"", "\\\\", "\\/", "\\u00e4", "\\ud83d\\ude00", "\\ud83d", "\\udE00", "\\u12", "\\x", "\\"]), 0..6)) {
            let text = format!("\"{}\"", pieces.concat());
            let mut side = String::new();
            let found = text.find('\\').and_then(|escape| with_escapes(text.as_bytes(), 1, escape, &mut side));
            let found = found.filter(|(_, end)| *end == text.len()).map(|(cell, _)| side[cell.start as usize..(cell.end & OFFSET) as usize].to_string());
            let want = serde_json::from_str::<String>(&text).ok().filter(|_| text.contains('\\'));
            prop_assert_eq!(found, want);
        }
    }
}
