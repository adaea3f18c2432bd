//! The columns of CSV samples: dialect and header decided, names of all samples united, a type for each.

use std::collections::HashMap;

use super::declared::{DialectSpec, SchemaSpec};
use super::dialect::{self, Chosen};
use super::infer::{Column, Inferred};
use super::rows::{Cut, Row, RowKind, cut, rules};
use super::{Findings, Sampled, Text, header};
use crate::encoding::Encoding;
use crate::error::Error;
use crate::header::{check_column_count, column_names, numbered_names};
use crate::pins::{BlankRows, Dialect, InputPins, LongRows, ShortRows, StrayQuotes};

/// Decides the dialect, puts it into the pins, and reads the columns of all samples.
pub(super) fn of_csv(
    texts: &[Text<'_>],
    spec: DialectSpec,
    schema: &SchemaSpec,
    pins: &mut InputPins,
    findings: &mut Findings,
) -> Result<Sampled, Error> {
    let encoding = Encoding::from_label(&pins.encoding)?;
    let chosen = dialect::detect(texts, &spec, &encoding, pins.max_record_bytes, findings)?;
    let expected = schema.given().map(|schema| schema.fields.as_slice()).unwrap_or_default();
    let infers = matches!(schema, SchemaSpec::Auto);
    let mut header = None;
    let mut columns = Columns::default();
    for text in texts {
        let mut cut = cut_whole(text, &chosen, &spec, pins.max_record_bytes)?;
        if cut.records().next().is_none() {
            continue;
        }
        let decided = header.get_or_insert_with(|| header::detect(&cut, chosen.preamble, expected, &spec, &encoding, findings));
        if let Some(first) = decided.rows.iter().min() {
            cut.number_from(*first);
        }
        columns.read(&cut, decided, &spec, &encoding, infers)?;
    }
    let header = header.unwrap_or(header::Header { header: spec.header.unwrap_or(true), rows: vec![1], skipped: Vec::new() });
    pins.dialect = Some(pinned(chosen, spec, header));
    Ok(Sampled { fields: columns.finish() })
}

/// All rows of a sample. The number of columns is that of most of its rows: a first cut finds it, a second one relies on it.
fn cut_whole<'a>(text: &Text<'a>, chosen: &Chosen, spec: &DialectSpec, max_record_bytes: u64) -> Result<Cut<'a>, Error> {
    let start = if chosen.skip_sep_line { dialect::sep_line(text.bytes).map_or(0, |(start, _)| start) } else { 0 };
    let few = cut(text.bytes, start, text.complete, &rules(&chosen.scan, 1 << 16, max_record_bytes)?, 1_000);
    let commented = spec.comment_rows.as_deref().unwrap_or_default();
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for row in few.records().filter(|row| row.kind == RowKind::Record && !commented.contains(&row.number)) {
        *counts.entry(row.fields.len()).or_default() += 1;
    }
    let columns = counts.into_iter().max_by_key(|(columns, count)| (*count, *columns)).map_or(1, |(columns, _)| columns);
    check_column_count(columns)?;
    Ok(cut(text.bytes, start, text.complete, &rules(&chosen.scan, columns, max_record_bytes)?, usize::MAX))
}

/// Columns of all samples by name, in order of first sight.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    gathered: Vec<Column>,
}

impl Columns {
    fn read(&mut self, cut: &Cut<'_>, header: &header::Header, spec: &DialectSpec, encoding: &Encoding, infer: bool) -> Result<(), Error> {
        let commented = spec.comment_rows.as_deref().unwrap_or_default();
        let is_data = |row: &&Row| row.kind == RowKind::Record && !commented.contains(&row.number) && !header.skipped.contains(&row.number);
        let text = |row: &Row| -> Vec<String> {
            row.fields.iter().map(|field| encoding.decode(&cut.cell(row, field)).text.into_owned()).collect()
        };
        let last_header_row = header.rows.iter().copied().max().unwrap_or(0);
        let names = if header.header {
            let rows: Vec<Vec<String>> = cut.rows.iter().filter(|row| header.rows.contains(&row.number)).map(text).collect();
            column_names(&rows, spec.header_join.as_deref().unwrap_or(" "))
        } else {
            numbered_names(cut.rows.iter().filter(is_data).map(|row| row.fields.len()).next().unwrap_or(0))
        };
        check_column_count(names.len())?;
        let places: Vec<usize> = names.iter().map(|name| self.place(name)).collect();
        if !infer {
            return Ok(());
        }
        let data = cut.rows.iter().filter(is_data).filter(|row| row.number > last_header_row && row.fields.len() == places.len());
        for row in data {
            for (field, place) in row.fields.iter().zip(&places) {
                let cell = cut.cell(row, field);
                if spec.null_sequence.as_ref().is_some_and(|null| !field.quoted && *null.as_bytes() == *cell) {
                    continue;
                }
                self.gathered[*place].add(&encoding.decode(&cell).text);
            }
        }
        Ok(())
    }

    fn place(&mut self, name: &str) -> usize {
        *self.by_name.entry(name.to_string()).or_insert_with(|| {
            self.names.push(name.to_string());
            self.gathered.push(Column::new());
            self.names.len() - 1
        })
    }

    fn finish(self) -> Vec<Inferred> {
        self.names.iter().zip(self.gathered).map(|(name, column)| column.finish(name)).collect()
    }
}

fn pinned(chosen: Chosen, spec: DialectSpec, header: header::Header) -> Dialect {
    let mut comment_rows = spec.comment_rows.unwrap_or_default();
    comment_rows.extend(header.skipped);
    Dialect {
        delimiter: chosen.delimiter,
        quote_char: chosen.quote,
        double_quote: chosen.double_quote,
        escape_char: chosen.escape,
        line_terminator: spec.line_terminator,
        skip_initial_space: chosen.skip_initial_space,
        header: header.header,
        header_rows: header.rows,
        header_join: spec.header_join.unwrap_or_else(|| " ".into()),
        comment_rows,
        comment_char: spec.comment_char.unwrap_or_default(),
        null_sequence: spec.null_sequence,
        stray_quotes: spec.stray_quotes.unwrap_or(StrayQuotes::Reject),
        short_rows: spec.short_rows.unwrap_or(ShortRows::Reject),
        long_rows: spec.long_rows.unwrap_or(LongRows::Reject),
        blank_rows: spec.blank_rows.unwrap_or(BlankRows::Skip),
        skip_sep_line: chosen.skip_sep_line,
    }
}
