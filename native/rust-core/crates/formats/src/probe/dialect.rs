//! Delimiter, quote and escape by trying: each candidate reads the samples, and the reading that is most table-like wins.
//!
//! A reading is table-like when its records have the same number of fields and the fields look like values, the consistency idea of van den
//! Burg, Nazábal and Sutton ("Wrangling messy CSV files by detecting row and type patterns", 2019). Two readings that are equally good and
//! differ are refused, never guessed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use millrace_scan::ScanDialect;
use regex::bytes::RegexSet;

use super::declared::DialectSpec;
use super::rows::{Cut, Row, RowKind, cut, rules, terminator};
use super::{Findings, Text};
use crate::encoding::Encoding;
use crate::error::Error;

/// Bytes and rows of one sample that candidates are tried on.
const TRIAL_BYTES: usize = 64 << 10;
const TRIAL_ROWS: usize = 1_000;
/// Longer rows than that would be odd columns; the trial does not know the true number yet.
const TRIAL_COLUMNS: usize = 1 << 16;
/// At most this many leading rows are set aside as a preamble.
const PREAMBLE_ROWS: usize = 32;
/// Readings whose scores differ by less than this share are equally good.
const EQUAL_SHARE: f64 = 0.02;
/// In order of preference where readings are the same.
const DELIMITERS: [&str; 9] = [",", ";", "\t", "|", ":", " ", "~", "^", "\u{1f}"];
/// These are common inside values; a reading that needs them must be more regular than others.
const WEAK_DELIMITERS: [&str; 2] = [":", " "];
/// These are rare as delimiters, and as rare inside values.
const RARE_DELIMITERS: [&str; 2] = ["~", "^"];

/// What reading relies on besides rows and header.
pub(super) struct Chosen {
    pub delimiter: String,
    pub quote: String,
    pub double_quote: bool,
    pub escape: String,
    pub skip_initial_space: bool,
    pub skip_sep_line: bool,
    /// Leading rows of the first sample that are no part of the table.
    pub preamble: usize,
    pub scan: ScanDialect,
}

/// Where the table's text starts: behind Excel's `sep=;` line, if the sample begins with one, which also says the delimiter.
pub(super) fn sep_line(bytes: &[u8]) -> Option<(usize, &str)> {
    let end = bytes.iter().take(16).position(|byte| *byte == b'\n' || *byte == b'\r')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let (key, delimiter) = line.split_at_checked(4)?;
    if !key.eq_ignore_ascii_case("sep=") || delimiter.is_empty() || delimiter.chars().count() > 4 {
        return None;
    }
    let terminator = if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
    Some((end + terminator, delimiter))
}

/// Decides the dialect. `texts` are the samples behind their byte order marks.
pub(super) fn detect(
    texts: &[Text<'_>],
    spec: &DialectSpec,
    encoding: &Encoding,
    max_record_bytes: u64,
    findings: &mut Findings,
) -> Result<Chosen, Error> {
    let sep = texts.iter().find(|text| !text.bytes.is_empty()).and_then(|text| sep_line(text.bytes));
    let by_sep = sep.filter(|_| spec.delimiter.is_none()).map(|(_, delimiter)| delimiter.to_string());
    let trials: Vec<Trial<'_>> = texts.iter().map(Trial::of).collect();
    let candidates = candidates(&trials, spec, by_sep.as_deref());
    let mut readings = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let scan = candidate.scan(spec, encoding)?;
        // Detected characters never clash; written ones may, and then no candidate can be read.
        match rules(&scan, TRIAL_COLUMNS, max_record_bytes) {
            Ok(wide) => {
                // Damage is followed as reading will follow it only when the number of columns is known.
                let columns =
                    modal_columns(trials.iter().map(|trial| trial.cut(&wide)).collect::<Vec<_>>().iter().flat_map(|cut| cut.records()));
                let exact = rules(&scan, columns, max_record_bytes)?;
                readings.push(Reading::of(candidate, scan, trials.iter().map(|trial| trial.cut(&exact)).collect()));
            }
            Err(error) if readings.is_empty() && spec.delimiter.is_some() => return Err(error),
            Err(_) => {}
        }
    }
    let best = best(&readings).ok_or_else(|| Error::new("SPEC_CONFLICT", "cannot use dialect: its characters cannot be told apart"))?;
    refuse_equals(&readings, best)?;
    report(&readings, best, spec, by_sep.is_some(), findings);
    let chosen = &readings[best];
    Ok(Chosen {
        delimiter: chosen.candidate.delimiter.clone(),
        quote: chosen.candidate.quote.clone(),
        double_quote: chosen.scan.double_quote,
        escape: chosen.candidate.escape.clone(),
        skip_initial_space: chosen.candidate.skip_space,
        skip_sep_line: sep.is_some(),
        preamble: chosen.preambles.first().copied().unwrap_or(0),
        scan: chosen.scan.clone(),
    })
}

/// The part of a sample that candidates read.
struct Trial<'a> {
    bytes: &'a [u8],
    at_end: bool,
}

impl<'a> Trial<'a> {
    fn of(text: &Text<'a>) -> Trial<'a> {
        let start = sep_line(text.bytes).map_or(0, |(start, _)| start);
        let end = text.bytes.len().min(start + TRIAL_BYTES);
        Trial { bytes: &text.bytes[start..end], at_end: text.complete && end == text.bytes.len() }
    }

    fn cut(&self, rules: &millrace_scan::Rules) -> Cut<'a> {
        cut(self.bytes, 0, self.at_end, rules, TRIAL_ROWS)
    }

    fn has(&self, text: &str) -> bool {
        memchr::memmem::find(self.bytes, text.as_bytes()).is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    delimiter: String,
    quote: String,
    /// Empty: a quote is escaped by doubling it.
    escape: String,
    skip_space: bool,
}

impl Candidate {
    fn scan(&self, spec: &DialectSpec, encoding: &Encoding) -> Result<ScanDialect, Error> {
        let bytes = |what: &str, text: &str| {
            encoding
                .encode(text)
                .ok_or_else(|| Error::new("SPEC_CONFLICT", format!("cannot use {what} {text:?}: the encoding of the input lacks it")))
        };
        let byte = |what: &str, text: &str| match bytes(what, text)?.as_slice() {
            [] => Ok(None),
            [byte] => Ok(Some(*byte)),
            _ => Err(Error::new(
                "SPEC_NOT_AVAILABLE",
                format!("{what} {text:?} is longer than one byte, which is not available in this version"),
            )),
        };
        let escape = byte("escapeChar", &self.escape)?;
        Ok(ScanDialect {
            delimiter: bytes("delimiter", &self.delimiter)?,
            quote: byte("quoteChar", &self.quote)?,
            double_quote: escape.is_none() && spec.double_quote.unwrap_or(true),
            escape,
            terminator: terminator(spec.line_terminator.as_deref()),
            skip_initial_space: self.skip_space,
            comment: spec.comment_char.as_deref().filter(|text| !text.is_empty()).map(|text| bytes("commentChar", text)).transpose()?,
            comment_offsets: Vec::new(),
            stray_literal: spec.stray_quotes == Some(crate::pins::StrayQuotes::Literal),
        })
    }
}

fn candidates(trials: &[Trial<'_>], spec: &DialectSpec, by_sep: Option<&str>) -> Vec<Candidate> {
    let anywhere = |text: &str| trials.iter().any(|trial| trial.has(text));
    let one = |text: &str| vec![text.to_string()];
    let delimiters: Vec<String> = match spec.delimiter.as_deref().or(by_sep) {
        Some(known) => one(known),
        // The comma stays in any case: a table of one column is read with it.
        None => DELIMITERS.iter().filter(|text| **text == "," || anywhere(text)).map(|text| text.to_string()).collect(),
    };
    let mut result = Vec::new();
    for delimiter in delimiters {
        let quotes: Vec<String> = match &spec.quote_char {
            Some(known) => one(known),
            None => quotes(trials, &delimiter),
        };
        for quote in quotes {
            let escapes: Vec<String> = match &spec.escape_char {
                Some(known) => one(known),
                None => escapes(&anywhere, &delimiter, &quote, spec),
            };
            for escape in escapes {
                let skip_space = spec.skip_initial_space.unwrap_or_else(|| blanks_follow(trials, &delimiter));
                result.push(Candidate { delimiter: delimiter.clone(), quote: quote.clone(), escape, skip_space });
            }
        }
    }
    result
}

/// `"` always, `'` where a field could begin with one, none where the samples hold a `"` that may be data.
fn quotes(trials: &[Trial<'_>], delimiter: &str) -> Vec<String> {
    let begins_field = |quote: &str| {
        let places = [format!("{delimiter}{quote}"), format!("{delimiter} {quote}"), format!("\n{quote}"), format!("\r{quote}")];
        trials.iter().any(|trial| trial.bytes.starts_with(quote.as_bytes()) || places.iter().any(|place| trial.has(place)))
    };
    let mut quotes = vec!["\"".to_string()];
    if begins_field("'") {
        quotes.push("'".into());
    }
    if trials.iter().any(|trial| trial.has("\"")) {
        quotes.push(String::new());
    }
    quotes
}

fn escapes(anywhere: &dyn Fn(&str) -> bool, delimiter: &str, quote: &str, spec: &DialectSpec) -> Vec<String> {
    let mut escapes = vec![String::new()];
    let escaped = [quote, delimiter].iter().any(|text| !text.is_empty() && anywhere(&format!("\\{text}")));
    if escaped && spec.double_quote != Some(true) {
        escapes.push("\\".into());
    }
    escapes
}

/// Nearly every delimiter has a blank behind it.
fn blanks_follow(trials: &[Trial<'_>], delimiter: &str) -> bool {
    if delimiter == " " {
        return false;
    }
    let count = |text: &str| trials.iter().map(|trial| memchr::memmem::find_iter(trial.bytes, text.as_bytes()).count()).sum::<usize>();
    let all = count(delimiter);
    all > 0 && count(&format!("{delimiter} ")) * 10 >= all * 9
}

/// One candidate's view of the samples.
struct Reading<'a> {
    candidate: Candidate,
    scan: ScanDialect,
    cuts: Vec<Cut<'a>>,
    /// For each sample that has a record.
    preambles: Vec<usize>,
    score: f64,
}

impl<'a> Reading<'a> {
    fn of(candidate: Candidate, scan: ScanDialect, cuts: Vec<Cut<'a>>) -> Reading<'a> {
        let columns = modal_columns(cuts.iter().flat_map(|cut| cut.records()));
        let filled = cuts.iter().filter(|cut| cut.records().next().is_some());
        let preambles: Vec<usize> = filled.map(|cut| preamble(cut, columns)).collect();
        let mut reading = Reading { candidate, scan, cuts, preambles, score: 0.0 };
        reading.score = reading.pattern_and_type(columns);
        reading
    }

    /// Records behind the preamble of each sample.
    fn body(&self) -> impl Iterator<Item = (&Cut<'a>, &Row)> {
        let filled = self.cuts.iter().filter(|cut| cut.records().next().is_some());
        filled.zip(&self.preambles).flat_map(|(cut, preamble)| {
            let from = *preamble;
            cut.rows.iter().skip(from).filter(|row| row.kind != RowKind::Skipped).map(move |row| (cut, row))
        })
    }

    fn pattern_and_type(&self, columns: usize) -> f64 {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        let (mut records, mut modal) = (0u32, 0u32);
        let mut looks = Looks::default();
        for (cut, row) in self.body() {
            records += 1;
            if row.kind == RowKind::Record {
                *counts.entry(row.fields.len()).or_default() += 1;
                if row.fields.len() == columns {
                    modal += 1;
                    row.fields.iter().for_each(|field| looks.add(&cut.cell(row, field), field.quoted));
                }
            }
        }
        if records == 0 {
            return 0.0;
        }
        let share = f64::from(modal) / f64::from(records);
        let spread = 1.0 - counts.len().saturating_sub(1) as f64 / f64::from(records.max(8));
        if columns == 1 {
            // One column is what is left when nothing divides, unless the lines are plainly values.
            return if looks.strong_share() >= 0.9 { 0.95 } else { 0.3 } * share * self.coverage();
        }
        let weak = WEAK_DELIMITERS.contains(&self.candidate.delimiter.as_str());
        let rare = RARE_DELIMITERS.contains(&self.candidate.delimiter.as_str());
        // A name above one column of times, or above prose, must not pass for a title.
        let titled = self.preambles.iter().any(|rows| *rows > 0);
        let least = if self.candidate.delimiter == " " { 0.95 } else { 0.8 };
        if weak && (titled || share < least || (columns < 3 && looks.strong_share() < 0.5)) {
            return 0.0;
        }
        // Without quotes a few stray ones are data, but where they are rare the file more likely just has errors.
        let prior = if weak { 0.8 } else { 1.0 } * if rare { 0.95 } else { 1.0 } * if self.candidate.quote.is_empty() { 0.9 } else { 1.0 };
        let set_aside: usize = self.preambles.iter().sum();
        let kept = 1.0 - 0.5 * set_aside as f64 / (set_aside as f64 + f64::from(records));
        prior * kept * share * share * spread * (1.0 - 0.5 / columns as f64) * looks.score() * self.coverage()
    }

    /// Share of the bytes that could be cut. The last row of a sample may be cut off; a quote that swallows the rest shows here.
    fn coverage(&self) -> f64 {
        let bytes: usize = self.cuts.iter().map(|cut| cut.bytes.len()).sum();
        let consumed: usize = self.cuts.iter().map(|cut| if cut.rows.len() >= TRIAL_ROWS { cut.bytes.len() } else { cut.consumed }).sum();
        if bytes == 0 { 1.0 } else { (consumed as f64 / bytes as f64 + 0.05).min(1.0) }
    }

    /// The first rows as data, for comparing and for showing.
    fn first_rows(&self, limit: usize) -> Vec<Vec<String>> {
        let text = |(cut, row): (&Cut<'_>, &Row)| {
            row.fields.iter().map(|field| String::from_utf8_lossy(&cut.cell(row, field)).into_owned()).collect::<Vec<_>>()
        };
        self.body().take(limit).map(text).collect()
    }
}

/// The most frequent number of fields; of equals the larger.
fn modal_columns<'a>(records: impl Iterator<Item = &'a Row>) -> usize {
    let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
    for row in records.filter(|row| row.kind == RowKind::Record) {
        *counts.entry(row.fields.len()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(columns, count)| (*count, *columns)).map_or(1, |(columns, _)| columns)
}

/// How many leading rows, blank ones included, stand before the first two records in a row that have `columns` fields. A row with one field
/// less or any number more right above them is a careless header and no preamble.
fn preamble(cut: &Cut<'_>, columns: usize) -> usize {
    if columns < 2 {
        return 0;
    }
    let fits = |row: &Row| row.kind == RowKind::Record && row.fields.len() == columns;
    let records: Vec<(usize, &Row)> = cut.rows.iter().enumerate().filter(|(_, row)| row.kind != RowKind::Skipped).collect();
    if let Some(padded) = padded_titles(cut, &records, columns) {
        return padded;
    }
    let run = (0..records.len()).find(|at| fits(records[*at].1) && records.get(at + 1).is_none_or(|(_, next)| fits(next)));
    // Broken records are evidence against the reading and must not be set aside.
    let Some(run) = run.filter(|run| records[..*run].iter().all(|(_, row)| row.kind == RowKind::Record)) else { return 0 };
    let begins = |at: usize| at == 0 || records[at].0 <= PREAMBLE_ROWS;
    if run == 0 || !begins(run) {
        return 0;
    }
    let above = records[run - 1].1;
    // A title has fewer cells than the table; names may be more than the cells below them.
    let careless_header = above.kind == RowKind::Record && above.fields.len() >= 2 && above.fields.len() + 1 >= columns;
    match (careless_header, run) {
        (true, 1) => 0,
        (true, _) => records[run - 1].0,
        (false, _) => records[run].0,
    }
}

/// Titles that a spreadsheet has filled up with delimiters: only their first cell holds something, and below them stands a row of names.
fn padded_titles(cut: &Cut<'_>, records: &[(usize, &Row)], columns: usize) -> Option<usize> {
    let filled = |row: &Row| -> Option<Vec<bool>> {
        let is_filled = |field| !cut.cell(row, field).trim_ascii().is_empty();
        (row.kind == RowKind::Record && row.fields.len() == columns).then(|| row.fields.iter().map(is_filled).collect())
    };
    let is_padded = |row: &Row| filled(row).is_some_and(|cells| cells[1..].iter().all(|cell| !cell));
    // A column may well be called `n`, which could be a boolean.
    let is_value = |row: &Row, at: usize| {
        LOOKS.matches(cut.cell(row, &row.fields[at]).trim_ascii()).iter().any(|index| index < STRONG_LOOKS && index != BOOLEAN_LOOK)
    };
    let count = records.iter().take_while(|(_, row)| is_padded(row)).count();
    let (at, names) = *records.get(count)?;
    let is_title = |row: &Row| filled(row).is_some_and(|cells| cells[0]) && !is_value(row, 0);
    let are_names = filled(names)?.iter().all(|cell| *cell) && !(0..columns).any(|cell| is_value(names, cell));
    let has_rows = records.get(count + 1).is_some_and(|(_, row)| !is_padded(row));
    (columns >= 3 && count > 0 && is_title(records[0].1) && are_names && has_rows && at <= PREAMBLE_ROWS).then_some(at)
}

/// Counts what cells look like.
#[derive(Default)]
struct Looks {
    cells: u32,
    strong: u32,
    words: u32,
    empty: u32,
}

/// Patterns of `LOOKS` that only values have.
const STRONG_LOOKS: usize = 6;
const BOOLEAN_LOOK: usize = 3;

/// Number, date and time, time, boolean, e-mail address, URL; then identifier or plain words. Addresses and URLs hold no character that they are
/// never written with, or a whole row that has one in it would pass for one.
static LOOKS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new([
        r"^(?-u)[+-]?(?:[$]|EUR |USD )?[+-]?(?:\d+(?:[.,]\d+)?|\d{1,3}(?:[., ']\d{3})+(?:[.,]\d+)?|[.,]\d+)(?:[eE][+-]?\d+)?(?: ?[%$]| EUR| USD)?$",
        r"^(?-u)\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:[AaPp][Mm]|Z|UTC|[+-]\d{2}:?\d{2}))?)?$",
        r"^(?-u)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?$",
        r"^(?-u)(?i:true|false|yes|no|y|n|t|f)$",
        r"^(?-u)[A-Za-z0-9._%+'=\x80-\xff-]+@[A-Za-z0-9\x80-\xff-]+(?:\.[A-Za-z0-9\x80-\xff-]+)+$",
        r#"^(?-u)[A-Za-z][A-Za-z0-9+.-]*://[^\s|^"<>{}\\`]+$"#,
        r"^(?-u)[#(@&*]?[A-Za-z0-9_\x80-\xff][A-Za-z0-9_\x80-\xff .'/&()!?+*%#@-]*$",
    ])
    .expect("the patterns are constant and compile")
});

impl Looks {
    fn add(&mut self, cell: &[u8], quoted: bool) {
        let cell = cell.trim_ascii();
        self.cells += 1;
        // What a long cell looks like is not worth the time.
        let cell = &cell[..cell.len().min(200)];
        if cell.is_empty() {
            self.empty += 1;
            return;
        }
        let matches = LOOKS.matches(cell);
        if matches.iter().any(|index| index < STRONG_LOOKS) {
            self.strong += 1;
        } else if quoted || matches.matched_any() {
            // Whoever quotes a value says that anything in it is data.
            self.words += 1;
        }
    }

    fn strong_share(&self) -> f64 {
        let filled = self.cells - self.empty;
        if filled == 0 { 0.0 } else { f64::from(self.strong) / f64::from(filled) }
    }

    /// Cells that look like nothing known count a little: prose is legal.
    fn score(&self) -> f64 {
        let known = f64::from(self.strong + self.empty) + 0.95 * f64::from(self.words);
        let unknown = f64::from(self.cells - self.strong - self.empty - self.words);
        if self.cells == 0 { 0.0 } else { (known + 0.1 * unknown) / f64::from(self.cells) }
    }
}

fn best(readings: &[Reading<'_>]) -> Option<usize> {
    // Of equal scores the earlier candidate wins.
    (0..readings.len()).reduce(|best, at| if readings[at].score > readings[best].score { at } else { best })
}

fn refuse_equals(readings: &[Reading<'_>], best: usize) -> Result<(), Error> {
    let winner = &readings[best];
    let near = |reading: &&Reading<'_>| reading.score >= winner.score * (1.0 - EQUAL_SHARE) && reading.score > 0.0;
    let Some(other) = readings.iter().filter(near).find(|reading| reading.first_rows(50) != winner.first_rows(50)) else { return Ok(()) };
    let show = |reading: &Reading<'_>| {
        let rows = reading.first_rows(3).iter().map(|row| format!("{row:?}")).collect::<Vec<_>>().join(" ");
        format!(
            "delimiter {:?}, quoteChar {:?}, escapeChar {:?} gives {rows}",
            reading.candidate.delimiter, reading.candidate.quote, reading.candidate.escape
        )
    };
    let (a, b) = (&winner.candidate, &other.candidate);
    let key = if a.delimiter != b.delimiter {
        "delimiter"
    } else if a.quote != b.quote {
        "quoteChar"
    } else {
        "escapeChar"
    };
    let message = format!("cannot tell the dialect, two readings are equally good: {}; {}. Set dialect.{key}", show(winner), show(other));
    Err(Error::new("CSV_DIALECT_UNCERTAIN", message))
}

fn report(readings: &[Reading<'_>], best: usize, spec: &DialectSpec, by_sep: bool, findings: &mut Findings) {
    let winner = &readings[best];
    let compare = |differs: &dyn Fn(&Candidate) -> bool| {
        let others = readings.iter().filter(|reading| differs(&reading.candidate));
        let other = others.reduce(|best, reading| if reading.score > best.score { reading } else { best });
        let score = other.map_or(0.0, |reading| reading.score);
        (if winner.score > 0.0 { winner.score / (winner.score + score) } else { 0.0 }, other.filter(|reading| reading.score > 0.0))
    };
    let chosen = &winner.candidate;
    match (&spec.delimiter, by_sep) {
        (Some(_), _) => findings.set("dialect.delimiter", chosen.delimiter.clone()),
        (None, true) => {
            findings.detected("dialect.delimiter", chosen.delimiter.clone(), 1.0, None);
            findings.note("the first line sep= decides the delimiter and is skipped");
        }
        (None, false) => {
            let (confidence, other) = compare(&|candidate| candidate.delimiter != chosen.delimiter);
            findings.detected(
                "dialect.delimiter",
                chosen.delimiter.clone(),
                confidence,
                other.map(|reading| reading.candidate.delimiter.clone()),
            );
        }
    }
    match &spec.quote_char {
        Some(_) => findings.set("dialect.quoteChar", chosen.quote.clone()),
        None => {
            let (confidence, other) = compare(&|candidate| candidate.delimiter == chosen.delimiter && candidate.quote != chosen.quote);
            findings.detected("dialect.quoteChar", chosen.quote.clone(), confidence, other.map(|reading| reading.candidate.quote.clone()));
        }
    }
    match &spec.escape_char {
        Some(_) => findings.set("dialect.escapeChar", chosen.escape.clone()),
        None => {
            let (confidence, _) = compare(&|candidate| candidate.delimiter == chosen.delimiter && candidate.escape != chosen.escape);
            findings.detected("dialect.escapeChar", chosen.escape.clone(), confidence, None);
        }
    }
    match spec.skip_initial_space {
        Some(skip) => findings.set("dialect.skipInitialSpace", skip.to_string()),
        None => findings.detected("dialect.skipInitialSpace", chosen.skip_space.to_string(), 1.0, None),
    }
}
