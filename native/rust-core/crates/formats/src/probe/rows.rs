//! Samples to rows, by the canonical division of the crate `scan`.

use std::borrow::Cow;
use std::sync::Arc;

use millrace_scan::{
    ExtentKind, FieldSpan, Limits, NoTypes, Profile, Rules, ScanDialect, Step, Terminator, fields_into, next_extent, unescape_into,
};

use crate::error::Error;

/// One row of a sample.
pub(super) struct Row {
    /// From 1, see `Cut::number_from`; physical lines until that is called.
    pub number: u32,
    /// Physical lines of the row.
    lines: u32,
    pub kind: RowKind,
    pub start: usize,
    pub end: usize,
    pub fields: Vec<FieldSpan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    Record,
    /// A damage, or a record with an error in it.
    Broken,
    /// A blank or comment line.
    Skipped,
}

/// Rows of one sample, and how far they go.
pub(super) struct Cut<'a> {
    pub bytes: &'a [u8],
    pub rules: Rules,
    pub rows: Vec<Row>,
    /// Bytes that belong to a row; the rest was too short to tell.
    pub consumed: usize,
}

impl Cut<'_> {
    /// Records in their order, broken ones included.
    pub(super) fn records(&self) -> impl DoubleEndedIterator<Item = &Row> + Clone {
        self.rows.iter().filter(|row| row.kind != RowKind::Skipped)
    }

    /// Numbers the rows as planning does: physical lines above row `first_header`, from there on records, blank and comment lines being none.
    pub(super) fn number_from(&mut self, first_header: u32) {
        let mut number = 1u32;
        for row in &mut self.rows {
            row.number = number;
            let counts = if number < first_header { row.lines } else { u32::from(row.kind != RowKind::Skipped) };
            number = number.saturating_add(counts);
        }
    }

    /// The bytes of a field as data.
    pub(super) fn cell<'a>(&'a self, row: &Row, field: &FieldSpan) -> Cow<'a, [u8]> {
        let raw = field.raw(&self.bytes[row.start..row.end]);
        if !raw.escaped {
            return Cow::Borrowed(&self.bytes[row.start + field.start..row.start + field.end]);
        }
        let mut cell = Vec::with_capacity(raw.text.len());
        unescape_into(raw, &self.rules, &mut cell);
        Cow::Owned(cell)
    }
}

/// Rules for a dialect and a number of columns, every column being text. A dialect whose characters cannot be told apart is `SPEC_CONFLICT`.
pub(super) fn rules(dialect: &ScanDialect, columns: usize, max_record_bytes: u64) -> Result<Rules, Error> {
    let profile = Profile { columns: columns.max(1), check: Arc::new(NoTypes) };
    Rules::new(dialect.clone(), Limits::with_record_bytes(max_record_bytes), profile)
        .map(|rules| rules.without_suspects())
        .map_err(|error| Error::new("SPEC_CONFLICT", format!("cannot use dialect: {error}")))
}

pub(super) fn terminator(written: Option<&str>) -> Terminator {
    written.map_or(Terminator::Any, |text| Terminator::Bytes(text.as_bytes().to_vec()))
}

/// Of more fields than that no row is cut: a wide table of short values tells as much with fewer rows, and each field takes 40 bytes.
const MAX_FIELDS: usize = 500_000;

/// Cuts `bytes` from `start` on into at most `limit` rows, or `MAX_FIELDS` fields. `at_end`: the file ends with them.
pub(super) fn cut<'a>(bytes: &'a [u8], start: usize, at_end: bool, rules: &Rules, limit: usize) -> Cut<'a> {
    let mut rows = Vec::new();
    let (mut at, mut cut_fields) = (start, 0);
    let mut errors = Vec::new();
    while at < bytes.len() && rows.len() < limit && cut_fields < MAX_FIELDS {
        let Step::Extent(extent) = next_extent(&bytes[at..], at_end, at as u64, rules) else { break };
        let end = at + extent.length as usize;
        let mut fields = Vec::new();
        let kind = match extent.kind {
            ExtentKind::Record => {
                fields_into(&bytes[at..end], rules, &mut fields, &mut errors);
                if errors.is_empty() { RowKind::Record } else { RowKind::Broken }
            }
            ExtentKind::Damage { .. } => RowKind::Broken,
            ExtentKind::Blank | ExtentKind::Comment => RowKind::Skipped,
        };
        cut_fields += fields.len();
        rows.push(Row { number: 0, lines: extent.lines.clamp(1, 1 << 20) as u32, kind, start: at, end, fields });
        at = end;
    }
    let mut cut = Cut { bytes, rules: rules.clone(), rows, consumed: at - start };
    cut.number_from(u32::MAX);
    cut
}
