//! The records of one batch: where each value's text lies, and then, column by column, what it is.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use millrace_scan::{RawField, Run, unescape_into};

use super::record::{Judgement, Slot, judge};
use super::rules::CsvRules;
use crate::column::{Noticed, Texts, absent_column, type_column};
use crate::encoding::Encoding;
use crate::error::Error;
use crate::position::{Counter, Place};
use crate::reject::Reject;
use crate::report::reject;

/// Where the text of one value lies: in the window, or in the side text if it had to be changed on the way.
#[derive(Clone, Copy, Debug)]
struct Cell {
    start: u32,
    /// The end, with `SIDE` or `NULL` in its highest bits.
    end: u32,
}

const SIDE: u32 = 1 << 31;
/// No text at all: null before any rule is asked.
const NULL: u32 = 1 << 30;
const OFFSET: u32 = NULL - 1;

/// Records gathered from one window.
#[derive(Default)]
pub(crate) struct Gather {
    pub places: Vec<Place>,
    pub rejects: Vec<Reject>,
    /// Record after record one cell for each field that a column feeds.
    cells: Vec<Cell>,
    side: String,
    /// Room for one value that is being changed.
    scratch: Vec<u8>,
    /// Rows that turned out to be rejects after they were gathered.
    dead: Vec<u32>,
    repairs: Vec<(u32, &'static str)>,
    suspects: Vec<u32>,
}

/// What a finished batch adds to the counts.
pub(crate) struct Finished {
    pub rows: RecordBatch,
    pub places: Vec<Place>,
    pub rejects: Vec<Reject>,
    /// Distinct pairs of row and code, of rows that stay.
    pub repairs: Vec<(u32, &'static str)>,
    pub suspects: u64,
}

impl Gather {
    /// Adds a run whose first record stands at `base` in the window and at `byte` in the stream.
    pub(crate) fn push_run(&mut self, rules: &CsvRules, window: &[u8], base: usize, byte: u64, run: &Run, counter: &mut Counter) {
        let first = self.places.len() as u32;
        self.suspects.extend(run.suspects().iter().map(|record| first + record));
        self.push_places(byte, run, counter);
        if run.skips_initial_space() || rules.null_sequence.is_some() {
            return self.push_odd_cells(rules, window, base, run);
        }
        let first_cell = self.cells.len();
        self.push_plain_cells(&rules.fed, base, run);
        if run.has_quoted() {
            self.mend_quoted_cells(rules, window, base, run, first_cell);
        }
    }

    fn push_places(&mut self, byte: u64, run: &Run, counter: &mut Counter) {
        self.places.reserve(run.records());
        let mut odd = run.odd_lines().iter().peekable();
        let mut start = 0;
        for (record, &end) in run.record_ends().iter().enumerate() {
            let lines = odd.next_if(|(at, _)| *at as usize == record).map_or(1, |&(_, lines)| u64::from(lines));
            self.places.push(counter.take(byte + u64::from(start), u64::from(end - start), lines));
            start = end;
        }
    }

    /// Runs in which each cell is just what lies between two separators.
    fn push_plain_cells(&mut self, fed: &[usize], base: usize, run: &Run) {
        if fed.len() == run.columns() {
            return self.push_all_cells(base, run);
        }
        let base = base as u32;
        let columns = run.columns();
        self.cells.reserve(run.records() * fed.len());
        let mut record_start = 0;
        for (ends, &record_end) in run.field_ends().chunks_exact(columns).zip(run.record_ends()) {
            for &column in fed {
                let start = if column == 0 { record_start } else { ends[column - 1] + 1 };
                self.cells.push(Cell { start: base + start, end: base + ends[column] });
            }
            record_start = record_end;
        }
    }

    /// The same where every column feeds a field: one straight walk over all ends, and then another over the starts of records, which may stand
    /// two bytes behind the end before them.
    fn push_all_cells(&mut self, base: usize, run: &Run) {
        let base = base as u32;
        let first = self.cells.len();
        let ends = run.field_ends();
        self.cells.extend(ends.first().map(|&end| Cell { start: base, end: base + end }));
        self.cells.extend(ends.windows(2).map(|pair| Cell { start: base + pair[0] + 1, end: base + pair[1] }));
        let later_records = self.cells[first..].iter_mut().step_by(run.columns()).skip(1);
        for (cell, &start) in later_records.zip(run.record_ends()) {
            cell.start = base + start;
        }
    }

    /// Looks again at the cells of a run that stand in quotes: their text is what lies between these, or a changed copy of it.
    fn mend_quoted_cells(&mut self, rules: &CsvRules, window: &[u8], base: usize, run: &Run, first_cell: usize) {
        let slice = &window[base..base + run.length()];
        for (word, (&quoted, &escaped)) in run.quoted().iter().zip(run.escaped()).enumerate() {
            let mut bits = quoted | escaped;
            while bits != 0 {
                let entry = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let (record, column) = (entry / run.columns(), entry % run.columns());
                if let Some(slot) = rules.slots[column] {
                    let cell = self.cell(rules, column, window, run.field(slice, record, column));
                    self.cells[first_cell + record * rules.fed.len() + slot] = cell;
                }
            }
        }
    }

    fn push_odd_cells(&mut self, rules: &CsvRules, window: &[u8], base: usize, run: &Run) {
        let slice = &window[base..base + run.length()];
        for record in 0..run.records() {
            for &column in &rules.fed {
                let field = run.field(slice, record, column);
                let cell = self.cell(rules, column, window, field);
                self.cells.push(cell);
            }
        }
    }

    fn cell(&mut self, rules: &CsvRules, column: usize, window: &[u8], field: RawField<'_>) -> Cell {
        let trim = rules.mapping[column].is_some_and(|field| rules.fields[field as usize].trim);
        if rules.is_null_sequence(field, trim) {
            return Cell { start: 0, end: NULL };
        }
        if field.escaped {
            let mut plain = std::mem::take(&mut self.scratch);
            plain.clear();
            unescape_into(field, &rules.scan, &mut plain);
            let cell = self.side_cell(&rules.encoding.decode(&plain).text);
            self.scratch = plain;
            return cell;
        }
        let start = field.text.as_ptr() as usize - window.as_ptr() as usize;
        Cell { start: start as u32, end: (start + field.text.len()) as u32 }
    }

    fn side_cell(&mut self, text: &str) -> Cell {
        let start = self.side.len() as u32;
        self.side.push_str(text);
        Cell { start, end: self.side.len() as u32 | SIDE }
    }

    /// Adds one record that is not part of a run. `literal`: a stray quote was read as data.
    pub(crate) fn push_record(&mut self, rules: &CsvRules, raw: &[u8], place: Place, literal: bool, suspect: bool) {
        let (slots, repairs) = match judge(rules, raw, &place) {
            Judgement::Reject(errors) => return self.rejects.push(reject(place, errors, raw)),
            Judgement::Row { slots, repairs } => (slots, repairs),
        };
        let row = self.places.len() as u32;
        self.places.push(place);
        for &column in &rules.fed {
            let cell = self.slot_cell(rules, column, &slots);
            self.cells.push(cell);
        }
        self.repairs.extend(repairs.into_iter().map(|code| (row, code)));
        if literal {
            self.repairs.push((row, "CSV_STRAY_QUOTE"));
        }
        if suspect {
            self.suspects.push(row);
        }
    }

    fn slot_cell(&mut self, rules: &CsvRules, column: usize, slots: &[Slot<'_>]) -> Cell {
        let text = rules.mapping[column].and_then(|field| slots[field as usize].text.as_deref());
        text.map_or(Cell { start: 0, end: NULL }, |text| self.side_cell(text))
    }

    /// Types everything gathered. `window` is the one all records stand in, `window_start` its place in the stream.
    pub(crate) fn finish(mut self, rules: &CsvRules, schema: &SchemaRef, window: &[u8], window_start: u64) -> Result<Finished, Error> {
        let raw_of = |place: &Place| &window[(place.byte - window_start) as usize..(place.byte_end - window_start) as usize];
        let base = match self.span_text(rules, window, window_start) {
            Some(base) => base,
            None => {
                self.mend_rows(rules, window, window_start);
                Base::Bytes(window)
            }
        };
        let rows = self.places.len();
        let mut noticed = Noticed { bad: vec![false; rows], repairs: std::mem::take(&mut self.repairs) };
        let columns = self.type_columns(rules, base, &mut noticed);
        let mut rejects = std::mem::take(&mut self.rejects);
        for &row in &self.dead {
            noticed.bad[row as usize] = false;
        }
        for row in (0..rows).filter(|&row| noticed.bad[row]) {
            let place = self.places[row];
            match judge(rules, raw_of(&place), &place) {
                Judgement::Reject(errors) => rejects.push(reject(place, errors, raw_of(&place))),
                Judgement::Row { .. } => return Err(disagreement(&place)),
            }
        }
        for &row in &self.dead {
            noticed.bad[row as usize] = true;
        }
        rejects.sort_by_key(|reject| reject.place.record);
        self.keep_good(noticed, columns, schema, rejects)
    }

    fn type_columns(&self, rules: &CsvRules, base: Base<'_>, noticed: &mut Noticed) -> Vec<ArrayRef> {
        let rows = self.places.len();
        let column = |(field, column): (usize, &Option<usize>)| match column {
            Some(column) => {
                let slot = rules.slots[*column].expect("every feeding column is in the list");
                let texts = ColumnTexts { base, side: &self.side, cells: &self.cells, width: rules.fed.len(), slot, rows };
                type_column(&rules.fields[field], &texts, noticed)
            }
            None => absent_column(&rules.fields[field], rows, noticed),
        };
        rules.columns.iter().enumerate().map(column).collect()
    }

    fn keep_good(self, mut noticed: Noticed, columns: Vec<ArrayRef>, schema: &SchemaRef, rejects: Vec<Reject>) -> Result<Finished, Error> {
        let broken = |error: arrow_schema::ArrowError| Error::new("CORE_PANIC", format!("cannot build a batch: {error}"));
        // A file whose columns could not be told has none.
        let count = RecordBatchOptions::new().with_row_count(Some(self.places.len()));
        let mut rows = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &count).map_err(broken)?;
        let mut places = self.places;
        if noticed.bad.contains(&true) {
            let good: BooleanArray = noticed.bad.iter().map(|bad| Some(!bad)).collect();
            rows = filter_record_batch(&rows, &good).map_err(broken)?;
            let mut row = 0;
            places.retain(|_| {
                row += 1;
                !noticed.bad[row - 1]
            });
        }
        noticed.repairs.retain(|&(row, _)| !noticed.bad[row as usize]);
        noticed.repairs.sort_unstable();
        noticed.repairs.dedup();
        let suspects = self.suspects.iter().filter(|&&row| !noticed.bad[row as usize]).count() as u64;
        Ok(Finished { rows, places, rejects, repairs: noticed.repairs, suspects })
    }

    /// The gathered bytes as text; none if some of them need a closer look.
    fn span_text<'w>(&self, rules: &CsvRules, window: &'w [u8], window_start: u64) -> Option<Base<'w>> {
        let (Some(first), Some(last)) = (self.places.first(), self.places.last()) else { return Some(Base::Bytes(&[])) };
        let origin = (first.byte - window_start) as usize;
        let span = &window[origin..(last.byte_end - window_start) as usize];
        if !rules.encoding.is_utf8() && !span.is_ascii() {
            return None;
        }
        let text = simdutf8::basic::from_utf8(span).ok()?;
        Some(Base::Text { text, origin: origin as u32 })
    }

    /// Converts the records that are no plain text, and judges those that hold illegal bytes.
    fn mend_rows(&mut self, rules: &CsvRules, window: &[u8], window_start: u64) {
        for row in 0..self.places.len() {
            let place = self.places[row];
            let raw = &window[(place.byte - window_start) as usize..(place.byte_end - window_start) as usize];
            let legal = match &rules.encoding {
                Encoding::Utf8 => simdutf8::basic::from_utf8(raw).is_ok(),
                Encoding::Single(_) if raw.is_ascii() => true,
                Encoding::Single(_) => {
                    let legal = rules.encoding.decode(raw).invalid_at.is_none();
                    if legal {
                        self.convert_row(rules, rules.fed.len(), window, row);
                    }
                    legal
                }
            };
            if !legal {
                self.judge_row(rules, raw, row);
            }
        }
    }

    fn convert_row(&mut self, rules: &CsvRules, width: usize, window: &[u8], row: usize) {
        for index in row * width..(row + 1) * width {
            let cell = self.cells[index];
            if cell.end & (SIDE | NULL) != 0 {
                continue;
            }
            let bytes = &window[cell.start as usize..cell.end as usize];
            if !bytes.is_ascii() {
                self.cells[index] = self.side_cell(&rules.encoding.decode(bytes).text);
            }
        }
    }

    fn judge_row(&mut self, rules: &CsvRules, raw: &[u8], row: usize) {
        let place = self.places[row];
        match judge(rules, raw, &place) {
            Judgement::Reject(errors) => {
                self.rejects.push(reject(place, errors, raw));
                self.dead.push(row as u32);
            }
            Judgement::Row { slots, repairs } => {
                for (slot, &column) in rules.fed.iter().enumerate() {
                    self.cells[row * rules.fed.len() + slot] = self.slot_cell(rules, column, &slots);
                }
                self.repairs.extend(repairs.into_iter().map(|code| (row as u32, code)));
            }
        }
    }
}

/// Both ways of reading a record must come to the same; that they do not is a fault of ours, and no row may leave then.
fn disagreement(place: &Place) -> Error {
    Error::new(
        "CORE_PANIC",
        format!("cannot judge record {} at byte {}: the column said no, the record says yes", place.record, place.byte),
    )
}

#[derive(Clone, Copy)]
enum Base<'a> {
    /// Text of the window from `origin` on.
    Text { text: &'a str, origin: u32 },
    /// The window, where only some cells are legal text: those that are asked for.
    Bytes(&'a [u8]),
}

struct ColumnTexts<'a> {
    base: Base<'a>,
    side: &'a str,
    cells: &'a [Cell],
    width: usize,
    slot: usize,
    rows: usize,
}

impl Texts for ColumnTexts<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    #[inline(always)]
    fn text(&self, row: usize) -> Option<&str> {
        let Cell { start, end } = self.cells[row * self.width + self.slot];
        if end & (SIDE | NULL) != 0 {
            return if end & NULL != 0 { None } else { Some(&self.side[start as usize..(end & OFFSET) as usize]) };
        }
        match self.base {
            Base::Text { text, origin } => Some(&text[(start - origin) as usize..(end - origin) as usize]),
            // Illegal cells belong to rows that are rejects already.
            Base::Bytes(bytes) => Some(std::str::from_utf8(&bytes[start as usize..end as usize]).unwrap_or_default()),
        }
    }
    #[inline(always)]
    fn around(&self, row: usize) -> &str {
        let Cell { end, .. } = self.cells[row * self.width + self.slot];
        match self.base {
            _ if end & SIDE != 0 => self.side,
            Base::Text { text, .. } => text,
            Base::Bytes(_) => "",
        }
    }
}
