//! Where reading starts: a planned file's range becomes a reader, a file becomes a plan, a plan its exact chunk ranges.
//!
//! Nothing here knows storage or clocks: bytes come by `ByteSource`, cancelling is a question asked once a block.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::batch::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS, RecordReader};
use crate::convert::{Conversion, ConvertedReader, ConvertedSource, convert_head, converted};
use crate::encoding::byte_order_mark;
use crate::error::Error;
use crate::iso2022::Set;
use crate::pins::{FilePlan, Format, InputPins};
pub use crate::range::excluded_reject;
use crate::source::{ByteSource, read_full};

/// What to read: `start` is an extent start of the plan (or `data_start`), `end` another one or the end of the file.
/// `record` and `line` (from 1) are those of the first record at `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    pub start: u64,
    pub end: u64,
    pub record: u64,
    pub line: u64,
}

/// One record that must not be parsed again, found by bisecting; `start` and `end` are extent starts. The range becomes one reject with
/// this code (`CORE_CRASH` or `CORE_MEMORY`) and counts as one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExcludedRange {
    pub start: u64,
    pub end: u64,
    pub code: &'static str,
}

/// Bounds of one batch; values above those of `batch.rs` are cut to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    pub batch_records: usize,
    pub batch_bytes: u64,
}

impl ReadOptions {
    /// Within the bounds that every batch keeps.
    pub(crate) fn bounded(self) -> ReadOptions {
        ReadOptions {
            batch_records: self.batch_records.clamp(1, MAX_BATCH_RECORDS),
            batch_bytes: self.batch_bytes.clamp(1, MAX_BATCH_BYTES),
        }
    }
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions { batch_records: MAX_BATCH_RECORDS, batch_bytes: MAX_BATCH_BYTES }
    }
}

/// One chunk of a file: `[start, end)` with the record and line numbers of its first record and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannedRange {
    pub start: u64,
    pub end: u64,
    pub record: u64,
    pub line: u64,
    /// Records inside, damages included.
    pub records: u64,
    /// Physical lines inside.
    pub lines: u64,
    pub damages: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
}

impl PlannedRange {
    /// This range and the one behind it as one.
    pub fn joined(&self, next: &PlannedRange) -> PlannedRange {
        PlannedRange {
            end: next.end,
            records: self.records + next.records,
            lines: self.lines + next.lines,
            damages: self.damages + next.damages,
            blank_lines: self.blank_lines + next.blank_lines,
            comment_lines: self.comment_lines + next.comment_lines,
            ..*self
        }
    }
}

/// One chunk of a file of columns: rows `[start, end)`, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannedRows {
    pub start: u64,
    pub end: u64,
    /// Its share of the file's bytes; the shares of all chunks sum up to the size of the file.
    pub bytes: u64,
}

/// Sums over a whole file. `lines` counts from the file's first line, preamble and header included; `bytes` is the file's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTotals {
    pub records: u64,
    pub lines: u64,
    pub damages: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    pub bytes: u64,
    /// The scan was stopped by `cancel`; the sums cover what was passed.
    pub cancelled: bool,
}

/// Opens one range of a planned file. Errors are those of the pins (`SPEC_*`), never of the data.
pub fn open_reader(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    if let Some(encoding) = converted(&pins.encoding) {
        return open_converted(pins, file, range, excluded, source, options, encoding);
    }
    match pins.format {
        Format::Csv => crate::csv::open(pins, file, range, excluded, source, options),
        Format::Ndjson => crate::ndjson::open(pins, file, range, excluded, source, options),
        Format::Json => crate::json::open(pins, file, range, excluded, source, options),
        Format::Lines => crate::lines::open(pins, file, range, excluded, source, options),
        Format::Parquet | Format::Arrow => Err(Error::new("PLAN_CONFLICT", "files of columns are read by rows")),
    }
}

/// The same for a file of columns, whose range counts rows from 0. Its decoders want a source that may be handed to another thread.
///
/// Errors: `PARQUET_*`, `ARROW_*`, `OVER_LIMIT`, and what the source says.
pub fn open_rows(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource + Send>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    open_columns(pins, file, range, excluded, source, options, None)
}

/// The same for whoever looks at a few fields only. Records, rejects and the `raw` of each are the same. The other fields may come as null: Parquet's
/// are then not decoded, where no rule could reject or repair a value of theirs.
pub fn open_columns(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource + Send>,
    options: ReadOptions,
    wanted: Option<&[usize]>,
) -> Result<Box<dyn RecordReader>, Error> {
    match pins.format {
        Format::Parquet => crate::parquet::open(pins, file, range, excluded, source, options, wanted),
        Format::Arrow => crate::arrow_ipc::open(pins, file, range, excluded, source, options),
        other => Err(Error::new("PLAN_CONFLICT", format!("an input of format {other:?} is not read by rows"))),
    }
}

/// Reads byte order mark, preamble and header of one file and matches its columns with the schema.
///
/// Errors: `ENCODING_MISMATCH`, `CSV_HEADER_MISSING`, `SCHEMA_MISSING_COLUMN`, `SCHEMA_EXTRA_COLUMN`, `SCHEMA_AMBIGUOUS_COLUMN`,
/// `SCHEMA_DRIFT`, `JSON_ARRAY_MISSING`, `JSON_ARRAY_BROKEN`, and what the source or the pins say.
pub fn plan_file(pins: &InputPins, file: u32, input: u32, uri: &str, etag: &str, source: &mut dyn ByteSource) -> Result<FilePlan, Error> {
    let Some(encoding) = converted(&pins.encoding) else {
        return crate::plan::plan_file(pins, file, input, uri, etag, source);
    };
    check_mark(pins, source)?;
    let size = source.size();
    let conversion = Rc::new(RefCell::new(Conversion::new(Box::new(source), encoding, 0)));
    let mut text = ConvertedSource(Rc::clone(&conversion));
    let plan = crate::plan::plan_file(&as_utf8(pins), file, input, uri, etag, &mut text)?;
    let mapped = conversion.borrow().map(&[u64::from(plan.bom), plan.data_start]);
    Ok(FilePlan { size, bom: mapped[0] as u32, data_start: mapped[1], ..plan })
}

/// The same pins for text that was converted.
fn as_utf8(pins: &InputPins) -> InputPins {
    InputPins { encoding: "utf-8".into(), ..pins.clone() }
}

/// A byte order mark must agree with the pinned encoding.
fn check_mark(pins: &InputPins, source: &mut dyn ByteSource) -> Result<(), Error> {
    let mut head = [0; 4];
    let filled = read_full(source, 0, &mut head)?;
    match byte_order_mark(&head[..filled]) {
        Some((_, label)) if converted(label) != converted(&pins.encoding) => {
            Err(Error::new("ENCODING_MISMATCH", format!("cannot read the file as {}: its byte order mark says {label}", pins.encoding)))
        }
        _ => Ok(()),
    }
}

fn open_converted(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource>,
    options: ReadOptions,
    encoding: &'static encoding_rs::Encoding,
) -> Result<Box<dyn RecordReader>, Error> {
    let mut conversion = Conversion::new(source, encoding, range.start).bounded(pins.max_record_bytes).announced(range.end);
    let mut streams: Vec<u64> = excluded.iter().flat_map(|one| [one.start, one.end]).chain([range.end]).collect();
    streams.sort_unstable();
    streams.dedup();
    let texts = conversion.locate(&streams)?;
    let text_of = |stream: u64| texts[streams.partition_point(|known| *known < stream)];
    let range = ReadRange { end: text_of(range.end), ..range };
    let excluded: Vec<ExcludedRange> =
        excluded.iter().map(|one| ExcludedRange { start: text_of(one.start), end: text_of(one.end), code: one.code }).collect();
    let conversion = Rc::new(RefCell::new(conversion));
    let text = Box::new(ConvertedSource(Rc::clone(&conversion)));
    let reader = open_reader(&as_utf8(pins), file, range, &excluded, text, options)?;
    Ok(Box::new(ConvertedReader { counts: reader.counts().clone(), reader, conversion, max_record_bytes: pins.max_record_bytes }))
}

/// Walks a planned file once and hands out its exact chunk ranges, in order, each of about `chunk_size` bytes.
/// `cancel` is asked once a block; a cancelled walk hands out no further range and says so in the totals.
pub fn plan_scan(
    pins: &InputPins,
    file: &FilePlan,
    source: &mut dyn ByteSource,
    chunk_size: u64,
    emit: &mut dyn FnMut(PlannedRange),
    cancel: &dyn Fn() -> bool,
) -> Result<FileTotals, Error> {
    let Some(encoding) = converted(&pins.encoding) else {
        return crate::plan::plan_scan(pins, file, source, chunk_size, emit, cancel, &mut |offsets, _| offsets.to_vec());
    };
    let size = source.size();
    let conversion = Conversion::new(Box::new(source), encoding, file.data_start).announced(size);
    let conversion = Rc::new(RefCell::new(conversion));
    let mut text = ConvertedSource(Rc::clone(&conversion));
    // Places where reading cannot begin: what the characters are stands before them.
    let inside_set = RefCell::new(BTreeSet::new());
    let mut map = |offsets: &[u64], settled: u64| {
        let mut conversion = conversion.borrow_mut();
        let mapped = conversion.map_with_sets(offsets);
        conversion.forget_before(settled);
        inside_set.borrow_mut().extend(mapped.iter().filter(|(_, set)| *set != Set::Ascii).map(|(offset, _)| *offset));
        mapped.into_iter().map(|(offset, _)| offset).collect()
    };
    let mut open: Option<PlannedRange> = None;
    let mut join = |range: PlannedRange| {
        let goes_on = inside_set.borrow_mut().remove(&range.start);
        match &mut open {
            Some(before) if goes_on => *before = before.joined(&range),
            _ => open.replace(range).into_iter().for_each(&mut *emit),
        }
    };
    let totals = crate::plan::plan_scan(&as_utf8(pins), file, &mut text, chunk_size, &mut join, cancel, &mut map)?;
    open.filter(|_| !totals.cancelled).into_iter().for_each(emit);
    Ok(totals)
}

/// Where the last physical line of a stream ends, so that no record is cut in two; none if no line does.
pub fn last_line_end(pins: &InputPins, source: &mut dyn ByteSource) -> Result<Option<u64>, Error> {
    let Some(encoding) = converted(&pins.encoding) else { return crate::plan::last_line_end(pins, source) };
    let conversion = Rc::new(RefCell::new(Conversion::new(Box::new(source), encoding, 0)));
    let end = crate::plan::last_line_end(&as_utf8(pins), &mut ConvertedSource(Rc::clone(&conversion)))?;
    Ok(end.map(|text| conversion.borrow().map(&[text])[0]))
}

/// The chunks of a planned file of columns, in order, each of about `chunk_size` stored bytes. Their ranges count rows from 0.
///
/// Errors: `PARQUET_*`, `ARROW_*`, `OVER_LIMIT`, and what the source says.
pub fn plan_rows(
    pins: &InputPins,
    file: &FilePlan,
    source: &mut dyn ByteSource,
    chunk_size: u64,
) -> Result<(Vec<PlannedRows>, FileTotals), Error> {
    match pins.format {
        Format::Parquet => crate::parquet::plan_rows(file, source, chunk_size),
        Format::Arrow => crate::arrow_ipc::plan_rows(file, source, chunk_size),
        other => Err(Error::new("PLAN_CONFLICT", format!("an input of format {other:?} has no planned rows"))),
    }
}

/// The fields of one record as read (text where bytes are invalid is replaced), in the file's order; none if `raw` is not one record
/// that can be cut. For exports and looking at rejects.
pub fn cut_fields(pins: &InputPins, file: &FilePlan, raw: &[u8]) -> Vec<String> {
    if let Some(encoding) = converted(&pins.encoding) {
        return cut_fields(&as_utf8(pins), file, &convert_head(encoding, raw, true));
    }
    match pins.format {
        Format::Csv => crate::csv::CsvRules::compile(pins, file).map_or(Vec::new(), |rules| crate::csv::cut_fields(&rules, raw)),
        Format::Lines => crate::lines::LinesRules::compile(pins, file).map_or(Vec::new(), |rules| crate::lines::cut_fields(&rules, raw)),
        Format::Ndjson | Format::Json => {
            crate::ndjson::JsonRules::compile(pins).map_or(Vec::new(), |rules| crate::ndjson::cut_fields(&rules, raw))
        }
        Format::Parquet | Format::Arrow => crate::columnar::cut_fields(&file.header, raw),
    }
}

/// The rules by which `scan` divides a planned CSV file, its anchor profile included. Planning and reading use exactly these.
pub fn scan_rules(pins: &InputPins, file: &FilePlan) -> Result<millrace_scan::Rules, Error> {
    crate::csv::scan_rules(pins, file)
}
