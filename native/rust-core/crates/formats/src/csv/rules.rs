//! The pins of a CSV input and the plan of one of its files, compiled.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_scan::{FieldCheck, Limits, NoTypes, Profile, RawField, Rules, ScanDialect, Terminator, unescape_into};

use crate::encoding::Encoding;
use crate::error::Error;
use crate::field::{FieldRules, compile_fields};
use crate::pins::{BlankRows, Dialect, FilePlan, InputPins, InvalidBytes, LongRows, ShortRows, StrayQuotes};

/// Everything that turns the bytes of one file's records into rows.
pub(crate) struct CsvRules {
    pub scan: Rules,
    pub encoding: Encoding,
    pub fields: Vec<FieldRules>,
    /// For each field the column of the file that feeds it.
    pub columns: Vec<Option<usize>>,
    /// For each column of the file the field it feeds.
    pub mapping: Vec<Option<u32>>,
    /// Columns that feed a field, ascending.
    pub fed: Vec<usize>,
    /// For each column of the file its place in `fed`.
    pub slots: Vec<Option<usize>>,
    pub header: Vec<String>,
    pub null_sequence: Option<Vec<u8>>,
    pub replace_invalid: bool,
    pub pad_short: bool,
    pub truncate_long: bool,
    pub reject_blank: bool,
    pub max_record_bytes: u64,
}

impl CsvRules {
    pub(crate) fn compile(pins: &InputPins, file: &FilePlan) -> Result<CsvRules, Error> {
        let dialect = dialect_of(pins)?;
        let encoding = Encoding::from_label(&pins.encoding)?;
        let fields = compile_fields(&pins.schema)?;
        let mut columns = vec![None; fields.len()];
        for (column, field) in file.mapping.iter().enumerate() {
            if let Some(slot) = field.and_then(|field| columns.get_mut(field as usize)) {
                *slot = Some(column);
            }
        }
        let fed: Vec<usize> = (0..file.mapping.len()).filter(|&column| file.mapping[column].is_some()).collect();
        Ok(CsvRules {
            scan: scan_rules(pins, file)?,
            null_sequence: null_sequence(dialect, &encoding)?,
            encoding,
            fields,
            columns,
            mapping: file.mapping.clone(),
            slots: slots(&file.mapping),
            fed,
            header: file.header.clone(),
            replace_invalid: pins.invalid_bytes == InvalidBytes::Replace,
            pad_short: dialect.short_rows == ShortRows::Pad,
            truncate_long: dialect.long_rows == LongRows::Truncate,
            reject_blank: dialect.blank_rows == BlankRows::Reject,
            max_record_bytes: pins.max_record_bytes,
        })
    }

    /// A: columns of the file.
    pub(crate) fn width(&self) -> usize {
        self.header.len()
    }

    /// The value of a field in the file's encoding, quotes and escapes resolved.
    pub(crate) fn unescaped<'a>(&self, field: RawField<'a>) -> Cow<'a, [u8]> {
        unescaped(field, &self.scan)
    }

    pub(crate) fn is_null_sequence(&self, field: RawField<'_>, trim: bool) -> bool {
        is_null_sequence(self.null_sequence.as_deref(), field, trim)
    }
}

/// Columns that feed a field, numbered in their order.
fn slots(mapping: &[Option<u32>]) -> Vec<Option<usize>> {
    let mut next = 0..;
    mapping.iter().map(|field| field.and_then(|_| next.next())).collect()
}

pub(crate) fn dialect_of(pins: &InputPins) -> Result<&Dialect, Error> {
    pins.dialect
        .as_ref()
        .ok_or_else(|| Error::new("SPEC_BAD_VALUE", format!("cannot read input {} as csv: its pins hold no dialect", pins.name)))
}

fn unescaped<'a>(field: RawField<'a>, rules: &Rules) -> Cow<'a, [u8]> {
    if !field.escaped {
        return Cow::Borrowed(field.text);
    }
    let mut plain = Vec::with_capacity(field.text.len());
    unescape_into(field, rules, &mut plain);
    Cow::Owned(plain)
}

fn is_null_sequence(sequence: Option<&[u8]>, field: RawField<'_>, trim: bool) -> bool {
    let Some(sequence) = sequence.filter(|_| !field.quoted) else { return false };
    sequence == if trim { field.text.trim_ascii() } else { field.text }
}

fn null_sequence(dialect: &Dialect, encoding: &Encoding) -> Result<Option<Vec<u8>>, Error> {
    dialect.null_sequence.as_deref().map(|text| encoded(encoding, text, "nullSequence")).transpose()
}

fn encoded(encoding: &Encoding, text: &str, key: &str) -> Result<Vec<u8>, Error> {
    let refused = || Error::new("SPEC_BAD_VALUE", format!("cannot use dialect.{key} {text:?}: the encoding has no such character"));
    encoding.encode(text).ok_or_else(refused)
}

/// The one byte of a quote or escape; none for empty text.
fn single_byte(encoding: &Encoding, text: &str, key: &str) -> Result<Option<u8>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    match encoded(encoding, text, key)?[..] {
        [byte] => Ok(Some(byte)),
        _ => Err(Error::new("SPEC_NOT_AVAILABLE", format!("dialect.{key} {text:?} of several bytes is not available in this version"))),
    }
}

/// The dialect in bytes of the pinned encoding.
pub(crate) fn scan_dialect(pins: &InputPins) -> Result<ScanDialect, Error> {
    let dialect = dialect_of(pins)?;
    let encoding = Encoding::from_label(&pins.encoding)?;
    let terminator = match dialect.line_terminator.as_deref() {
        None | Some("") => Terminator::Any,
        Some(text) => Terminator::Bytes(encoded(&encoding, text, "lineTerminator")?),
    };
    Ok(ScanDialect {
        delimiter: encoded(&encoding, &dialect.delimiter, "delimiter")?,
        quote: single_byte(&encoding, &dialect.quote_char, "quoteChar")?,
        double_quote: dialect.double_quote,
        escape: single_byte(&encoding, &dialect.escape_char, "escapeChar")?,
        terminator,
        skip_initial_space: dialect.skip_initial_space,
        comment: if dialect.comment_char.is_empty() { None } else { Some(encoded(&encoding, &dialect.comment_char, "commentChar")?) },
        comment_offsets: Vec::new(),
        stray_literal: dialect.stray_quotes == StrayQuotes::Literal,
    })
}

/// Rules for an input whose number of columns is not known or does not matter: no profile, `columns` fields expected.
pub(crate) fn untyped_rules(pins: &InputPins, columns: usize) -> Result<Rules, Error> {
    build(pins, Profile { columns: columns.max(1), check: Arc::new(NoTypes) })
}

/// The rules that divide one planned file, with its anchor profile. Planning and reading MUST use these alike.
pub(crate) fn scan_rules(pins: &InputPins, file: &FilePlan) -> Result<Rules, Error> {
    let encoding = Encoding::from_label(&pins.encoding)?;
    let fields = compile_fields(&pins.schema)?;
    let of_column = |field: &Option<u32>| field.and_then(|index| fields.get(index as usize)).filter(|field| field.is_anchor()).cloned();
    let check = AnchorCheck {
        fields: file.mapping.iter().map(of_column).collect(),
        null_sequence: null_sequence(dialect_of(pins)?, &encoding)?,
        plain: untyped_rules(pins, file.header.len())?,
        encoding,
    };
    build(pins, Profile { columns: file.header.len().max(1), check: Arc::new(check) })
}

fn build(pins: &InputPins, profile: Profile) -> Result<Rules, Error> {
    Rules::new(scan_dialect(pins)?, Limits::with_record_bytes(pins.max_record_bytes), profile)
        .map_err(|error| Error::new("SPEC_BAD_VALUE", format!("cannot use the dialect of input {}: {error}", pins.name)))
}

/// The anchor profile: whether a field parses as its column's type or is missing.
struct AnchorCheck {
    /// The typed field of each column of the file.
    fields: Vec<Option<FieldRules>>,
    encoding: Encoding,
    null_sequence: Option<Vec<u8>>,
    /// The same dialect without a profile, for unescaping.
    plain: Rules,
}

impl FieldCheck for AnchorCheck {
    fn is_typed(&self, column: usize) -> bool {
        self.fields.get(column).is_some_and(Option::is_some)
    }

    fn fits(&self, column: usize, field: RawField<'_>) -> bool {
        let Some(Some(rules)) = self.fields.get(column) else { return true };
        if is_null_sequence(self.null_sequence.as_deref(), field, rules.trim) {
            return true;
        }
        let bytes = unescaped(field, &self.plain);
        let decoded = self.encoding.decode(&bytes);
        decoded.invalid_at.is_none() && rules.prepare(&decoded.text).is_none_or(|text| rules.kind.parse(text).is_ok())
    }
}
