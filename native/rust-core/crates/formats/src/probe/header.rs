//! Whether the first row names the columns.

use std::collections::HashSet;

use super::Findings;
use super::declared::DialectSpec;
use super::infer::Column;
use super::rows::{Cut, Row, RowKind};
use crate::encoding::Encoding;
use crate::header::MAX_COLUMNS;
use crate::schema::Field;

/// Rows of the body that the first row is compared with.
const BODY_ROWS: usize = 1_000;

pub(super) struct Header {
    pub header: bool,
    /// Rows from 1.
    pub rows: Vec<u32>,
    /// Rows of a preamble above a table without a header.
    pub skipped: Vec<u32>,
}

/// Decides about the header of the first sample that has rows. `preamble`: rows set aside by the dialect; `expected`: fields of a schema.
pub(super) fn detect(
    cut: &Cut<'_>,
    preamble: usize,
    expected: &[Field],
    spec: &DialectSpec,
    encoding: &Encoding,
    findings: &mut Findings,
) -> Header {
    let commented = spec.comment_rows.clone().unwrap_or_default();
    let first = cut.rows.iter().skip(preamble).find(|row| row.kind != RowKind::Skipped && !commented.contains(&row.number));
    let header = match spec.header {
        Some(written) => {
            findings.set("dialect.header", written.to_string());
            written
        }
        None if spec.header_rows.is_some() => {
            findings.set("dialect.header", "true");
            true
        }
        None => decide(cut, first, expected, encoding, findings),
    };
    // Blank and comment lines above are passed anyway; counting them would bind the header of every file to this one's.
    let above = if preamble == 0 { 0 } else { first.map_or(0, |row| row.number - 1) };
    if !header {
        return Header { header, rows: Vec::new(), skipped: (1..=above).collect() };
    }
    let rows = match &spec.header_rows {
        Some(written) => {
            findings.set("dialect.headerRows", format!("{written:?}"));
            written.clone()
        }
        None => {
            let rows = vec![above + 1];
            findings.detected("dialect.headerRows", format!("{rows:?}"), 1.0, None);
            if above > 0 {
                findings.note(format!("the first {above} lines are no part of the table and are skipped"));
            }
            rows
        }
    };
    Header { header, rows, skipped: Vec::new() }
}

fn decide(cut: &Cut<'_>, first: Option<&Row>, expected: &[Field], encoding: &Encoding, findings: &mut Findings) -> bool {
    let Some(first) = first else {
        findings.detected("dialect.header", "true", 0.5, None);
        return true;
    };
    let (header, confidence, note) = judge(cut, first, expected, encoding);
    findings.detected("dialect.header", header.to_string(), confidence, Some((!header).to_string()));
    findings.notes.extend(note.map(String::from));
    header
}

fn judge(cut: &Cut<'_>, first: &Row, expected: &[Field], encoding: &Encoding) -> (bool, f64, Option<&'static str>) {
    let cells = |row: &Row| -> Vec<String> {
        row.fields.iter().map(|field| encoding.decode(&cut.cell(row, field)).text.trim().to_string()).collect()
    };
    let names = cells(first);
    if names_of_fields(&names, expected) {
        return (true, 1.0, None);
    }
    // Nothing is made of a row that is refused for its length.
    if names.len() > MAX_COLUMNS {
        return (true, 0.5, None);
    }
    let mut columns: Vec<Column> = names.iter().map(|_| Column::new()).collect();
    let mut repeats = false;
    let mut body_rows = 0;
    for row in cut
        .rows
        .iter()
        .filter(|row| row.start > first.start && row.kind == RowKind::Record && row.fields.len() == names.len())
        .take(BODY_ROWS)
    {
        body_rows += 1;
        for (index, cell) in cells(row).iter().enumerate() {
            columns[index].add(cell);
            repeats |= !cell.is_empty() && *cell == names[index];
        }
    }
    if body_rows == 0 && is_like_data(&names) {
        return (
            false,
            0.6,
            Some("the file has one row only, which begins with a value and so is taken for data; set dialect.header if it is the header"),
        );
    }
    if body_rows == 0 {
        return (true, 0.5, Some("the file has one row only, which is taken for the header; set dialect.header if it is data"));
    }
    let typed: Vec<usize> = (0..names.len()).filter(|index| columns[*index].is_typed()).collect();
    let like_body = typed.iter().filter(|index| columns[**index].takes(&names[**index])).count();
    let distinct = names.iter().collect::<HashSet<_>>().len() == names.len() && names.iter().all(|name| !name.is_empty());
    if !typed.is_empty() {
        return match like_body {
            0 if distinct => (true, 0.95, None),
            0 => (true, 0.8, None),
            all if all == typed.len() => (false, 0.95, None),
            _ => (true, 0.6, Some("only some cells of the first row look like names; it is taken for the header")),
        };
    }
    match (repeats, distinct) {
        (true, _) => {
            (false, 0.8, Some("a cell of the first row occurs again in its column, so there is no header; set dialect.header if it is one"))
        }
        (false, true) => (true, 0.8, None),
        (false, false) => (true, 0.5, Some("nothing tells whether the first row is a header; it is taken for one")),
    }
}

/// The first cell, and so at least one, has a type: names seldom begin with a number or a date.
fn is_like_data(cells: &[String]) -> bool {
    cells.first().is_some_and(|cell| {
        let mut column = Column::new();
        column.add(cell);
        column.is_typed()
    })
}

/// At least half of the cells are names that the schema knows.
fn names_of_fields(names: &[String], expected: &[Field]) -> bool {
    let known: HashSet<String> =
        expected.iter().flat_map(|field| std::iter::once(&field.name).chain(&field.aliases)).map(|name| name.to_lowercase()).collect();
    let found = names.iter().filter(|name| known.contains(&name.to_lowercase())).count();
    !expected.is_empty() && found * 2 >= names.len().min(expected.len()).max(1)
}
