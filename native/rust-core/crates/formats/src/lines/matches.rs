//! The records of one batch: what the regex found in each, and then, column by column, what it is.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use millrace_scan::groups::content;

use super::rules::{Groups, LinesRules, Span};
use crate::batch::{Batch, Read, ReadCounts};
use crate::column::{Noticed, Texts, absent_column, type_column};
use crate::encoding::Decoded;
use crate::error::Error;
use crate::position::Place;
use crate::reject::{Reject, RejectError};
use crate::report::{Spot, reject};

/// Records gathered from one window.
pub(crate) struct Matches {
    groups: Groups,
    pub places: Vec<Place>,
    pub rejects: Vec<Reject>,
    /// The text of all rows, one after another.
    text: String,
    /// For each row where its text begins.
    bases: Vec<usize>,
    /// Row after row one span of `text` for each column.
    cells: Vec<Span>,
    repairs: Vec<(u32, &'static str)>,
}

impl Matches {
    pub(crate) fn new(rules: &LinesRules) -> Matches {
        Matches {
            groups: rules.search(),
            places: Vec::new(),
            rejects: Vec::new(),
            text: String::new(),
            bases: Vec::new(),
            cells: Vec::new(),
            repairs: Vec::new(),
        }
    }

    pub(crate) fn records(&self) -> usize {
        self.places.len() + self.rejects.len()
    }

    /// Adds the record with the bytes `raw`, terminator included.
    pub(crate) fn take(&mut self, rules: &LinesRules, raw: &[u8], place: Place) {
        let decoded = rules.encoding.decode(content(raw));
        if let Some(at) = decoded.invalid_at {
            let code = invalid_code(raw, &decoded);
            if !rules.replace_invalid {
                let message =
                    if code == "ENCODING_TRUNCATED" { "the file ends inside a character" } else { "bytes that the encoding does not know" };
                let error = Spot { raw, place: &place, offset: at, column_index: None }.error(code, message.into(), None);
                return self.rejects.push(reject(place, vec![error], raw));
            }
            self.repairs.push((self.places.len() as u32, code));
        }
        if !rules.find(&mut self.groups, &decoded.text) {
            self.repairs.retain(|&(row, _)| (row as usize) < self.places.len());
            let spot = Spot { raw, place: &place, offset: 0, column_index: None };
            let error = spot.error("LINES_NO_MATCH", "the pattern does not match the record".into(), None);
            return self.rejects.push(reject(place, vec![error], raw));
        }
        let base = self.text.len();
        self.text.push_str(&decoded.text);
        let moved = |(start, end): (usize, usize)| (base + start, base + end);
        self.cells.extend(rules.groups.iter().map(|groups| self.groups.first_of(groups).map(moved)));
        self.bases.push(base);
        self.places.push(place);
    }

    /// Types everything gathered. `window` is the one all records stand in.
    pub(crate) fn finish(
        mut self,
        rules: &LinesRules,
        schema: &SchemaRef,
        window: Arc<Vec<u8>>,
        window_start: u64,
        counts: &mut ReadCounts,
    ) -> Result<Read, Error> {
        let rows = self.places.len();
        let mut noticed = Noticed { bad: vec![false; rows], repairs: std::mem::take(&mut self.repairs) };
        let column = |(field, column): (usize, &Option<usize>)| match column {
            Some(column) => {
                let texts = ColumnTexts { text: &self.text, cells: &self.cells, width: rules.groups.len(), column: *column, rows };
                type_column(&rules.fields[field], &texts, &mut noticed)
            }
            None => absent_column(&rules.fields[field], rows, &mut noticed),
        };
        let columns = rules.columns.iter().enumerate().map(column).collect();
        let broken = |error: arrow_schema::ArrowError| Error::new("CORE_PANIC", format!("cannot build a batch: {error}"));
        let mut batch = RecordBatch::try_new(Arc::clone(schema), columns).map_err(broken)?;
        if noticed.bad.contains(&true) {
            for row in (0..rows).filter(|&row| noticed.bad[row]) {
                let place = self.places[row];
                let raw = &window[(place.byte - window_start) as usize..(place.byte_end - window_start) as usize];
                self.rejects.push(reject(place, self.errors_of(rules, row, raw)?, raw));
            }
            self.rejects.sort_by_key(|reject| reject.place.record);
            let good: BooleanArray = noticed.bad.iter().map(|bad| Some(!bad)).collect();
            batch = filter_record_batch(&batch, &good).map_err(broken)?;
            let mut bad = noticed.bad.iter();
            self.places.retain(|_| bad.next() == Some(&false));
        }
        noticed.repairs.retain(|&(row, _)| !noticed.bad[row as usize]);
        noticed.repairs.sort_unstable();
        noticed.repairs.dedup();
        for (_, code) in noticed.repairs {
            *counts.repairs.entry(code).or_default() += 1;
        }
        let batch = Batch { rows: batch, places: self.places, source: window, source_start: window_start, file_rows: None };
        Ok(Read { batch, rejects: self.rejects })
    }

    /// Everything wrong with a row that its columns found bad.
    fn errors_of(&self, rules: &LinesRules, row: usize, raw: &[u8]) -> Result<Vec<RejectError>, Error> {
        let place = &self.places[row];
        let spans = &self.cells[row * rules.groups.len()..(row + 1) * rules.groups.len()];
        let decoded = rules.encoding.decode(content(raw));
        let base = self.bases[row];
        let mut errors = Vec::new();
        for (field, column) in rules.fields.iter().zip(&rules.columns) {
            let span = column.and_then(|column| spans[column]);
            let text = span.map(|(start, end)| &self.text[start..end]);
            let judged = field.judge_prepared(text.and_then(|text| field.prepare(text)));
            let offset = span.map_or(0, |(start, _)| rules.encoding.byte_offset(content(raw), &decoded.text, start - base));
            let spot = Spot { raw, place, offset, column_index: column.map(|column| column as u32 + 1) };
            errors.extend(judged.errors.iter().map(|&error| spot.value_error(field, error, text)));
        }
        if errors.is_empty() {
            let message = format!("cannot judge record {} at byte {}: the column said no, the record says yes", place.record, place.byte);
            return Err(Error::new("CORE_PANIC", message));
        }
        Ok(errors)
    }
}

/// Only the last line of a stream may lack its terminator.
fn invalid_code(raw: &[u8], decoded: &Decoded<'_>) -> &'static str {
    let ends_file = content(raw).len() == raw.len();
    if decoded.cut_off && ends_file { "ENCODING_TRUNCATED" } else { "ENCODING_INVALID_BYTES" }
}

struct ColumnTexts<'a> {
    text: &'a str,
    cells: &'a [Span],
    width: usize,
    column: usize,
    rows: usize,
}

impl Texts for ColumnTexts<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    #[inline]
    fn text(&self, row: usize) -> Option<&str> {
        self.cells[row * self.width + self.column].map(|(start, end)| &self.text[start..end])
    }

    #[inline]
    fn around(&self, _row: usize) -> &str {
        self.text
    }
}
