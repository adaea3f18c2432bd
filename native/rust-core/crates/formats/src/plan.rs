//! Planning one file: where its data begin, how its columns find the fields, and its exact chunk ranges.

use std::sync::Arc;

use millrace_scan::planner::BLOCK;
use millrace_scan::{
    Anchor, ArrayScan, Counts, Division, ExtentKind, LineRules, PlanScan, Rules, Step, Structure, fields_of, next_extent, unescape_into,
};

use crate::csv::{dialect_of, scan_rules, untyped_rules};
use crate::encoding::{Encoding, byte_order_mark};
use crate::error::Error;
use crate::header::{column_names, match_columns, numbered_names};
use crate::pins::{BlankRows, Dialect, FilePlan, Format, InputPins};
use crate::read::{FileTotals, PlannedRange};
use crate::schema::MissingColumns;
use crate::source::{ByteSource, UNKNOWN_SIZE, read_full};

/// A header may have this many columns and one more, so that it is never taken for a record with too many fields.
const HEADER_COLUMNS: usize = 20_001;
/// The first read of a file's head; doubled until the header fits.
const HEAD_BYTES: usize = 64 << 10;

/// Beginnings of files that are no text, and what they are.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip (or a workbook)"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PAR1", "parquet"),
];

pub(crate) fn plan_file(
    pins: &InputPins,
    file: u32,
    input: u32,
    uri: &str,
    etag: &str,
    source: &mut dyn ByteSource,
) -> Result<FilePlan, Error> {
    check_readable(pins)?;
    let mut head = Head { size: source.size(), source, bytes: Vec::new() };
    let bom = if pins.format.has_rows() { 0 } else { check_beginning(pins, &mut head)? };
    let mut plan = FilePlan {
        file,
        input,
        uri: uri.into(),
        etag: etag.into(),
        size: head.size,
        bom,
        data_start: u64::from(bom),
        first_line: 1,
        header: Vec::new(),
        mapping: Vec::new(),
        extra: Vec::new(),
        cut: None,
    };
    match pins.format {
        Format::Csv => plan_columns(pins, &mut head, &mut plan)?,
        Format::Ndjson => {}
        Format::Json => plan_array(pins, head.source, &mut plan)?,
        Format::Lines => plan_groups(pins, &mut plan)?,
        Format::Parquet => crate::parquet::plan_file(pins, head.source, &mut plan)?,
        Format::Arrow => crate::arrow_ipc::plan_file(pins, head.source, &mut plan)?,
    }
    Ok(plan)
}

/// A file without a byte has no array and no records; any other must have one.
fn plan_array(pins: &InputPins, source: &mut dyn ByteSource, plan: &mut FilePlan) -> Result<(), Error> {
    let keys = crate::json::keys_of(pins)?;
    if plan.size > u64::from(plan.bom) {
        let array = crate::json::find_array(source, u64::from(plan.bom), &keys)?;
        plan.data_start = array.data_start;
        plan.first_line = array.line;
    }
    Ok(())
}

/// The columns of lines are the groups of their regex, in every file the same.
fn plan_groups(pins: &InputPins, plan: &mut FilePlan) -> Result<(), Error> {
    let options = pins.lines.as_ref().ok_or_else(|| Error::new("SPEC_MISSING_FIELD", "format lines needs lines.regex or lines.grok"))?;
    let regex = crate::lines::compile_regex(&options.regex, "lines.regex")?;
    plan.header = crate::lines::group_columns(&regex).into_iter().map(|(name, _)| name).collect();
    let mapping = match_columns(&pins.schema, &plan.header, false)?;
    plan.mapping = mapping.fields;
    plan.extra = mapping.extra;
    Ok(())
}

fn check_readable(pins: &InputPins) -> Result<(), Error> {
    crate::field::compile_fields(&pins.schema).map(|_| ())
}

/// The bytes at the start of a file, as many as were asked for.
struct Head<'a> {
    source: &'a mut dyn ByteSource,
    bytes: Vec<u8>,
    /// `UNKNOWN_SIZE` until the end was met.
    size: u64,
}

impl Head<'_> {
    fn is_whole(&self) -> bool {
        self.bytes.len() as u64 >= self.size
    }

    /// Reads at least twice as much as before, or all there is.
    fn more(&mut self) -> Result<(), Error> {
        let have = self.bytes.len();
        let want = (have.max(HEAD_BYTES) as u64).min(self.size - have as u64) as usize;
        self.bytes.resize(have + want, 0);
        let filled = have + read_full(self.source, have as u64, &mut self.bytes[have..])?;
        if filled < self.bytes.len() {
            if self.size != UNKNOWN_SIZE {
                return Err(Error::new("INPUT_CHANGED", format!("cannot read byte {filled}: the input is shorter than it was")));
            }
            self.bytes.truncate(filled);
            self.size = filled as u64;
        }
        Ok(())
    }

    /// Offset behind the physical line (LF, CR LF or lone CR) that begins at `from`; none if no byte stands there.
    fn line_end(&mut self, from: usize) -> Result<Option<usize>, Error> {
        loop {
            let rest = self.bytes.get(from..).unwrap_or(&[]);
            match memchr::memchr2(b'\n', b'\r', rest) {
                Some(at) if rest[at] == b'\n' => return Ok(Some(from + at + 1)),
                // Whether an LF follows a CR must be seen.
                Some(at) if at + 1 < rest.len() || self.is_whole() => {
                    return Ok(Some(from + at + 1 + usize::from(rest.get(at + 1) == Some(&b'\n'))));
                }
                None if self.is_whole() => return Ok((!rest.is_empty()).then_some(self.bytes.len())),
                _ => self.more()?,
            }
        }
    }
}

/// Looks at the first bytes: the length of a byte order mark, which must agree with the pinned encoding.
fn check_beginning(pins: &InputPins, head: &mut Head<'_>) -> Result<u32, Error> {
    let encoding = Encoding::from_label(&pins.encoding)?;
    if !head.is_whole() {
        head.more()?;
    }
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| head.bytes.starts_with(magic)) {
        let nested = if pins.compression == "none" { "" } else { "what it holds " };
        return Err(Error::new("INPUT_MAGIC", format!("cannot read the file as text: {nested}begins like {what}")));
    }
    match byte_order_mark(&head.bytes) {
        None => Ok(0),
        Some((length, _)) if encoding.is_utf8() && length == 3 => Ok(length),
        Some((_, label)) => {
            Err(Error::new("ENCODING_MISMATCH", format!("cannot read the file as {}: its byte order mark says {label}", pins.encoding)))
        }
    }
}

fn plan_columns(pins: &InputPins, head: &mut Head<'_>, plan: &mut FilePlan) -> Result<(), Error> {
    if head.size <= u64::from(plan.bom) {
        // Nothing at all is no record and no damage; a file that has lines must have its header among them.
        return Ok(());
    }
    let dialect = dialect_of(pins)?;
    let encoding = Encoding::from_label(&pins.encoding)?;
    let mut walk = HeaderWalk { head, dialect, rules: untyped_rules(pins, HEADER_COLUMNS)?, at: plan.bom as usize, row: 1, line: 1 };
    walk.skip_sep_line()?;
    if dialect.header {
        let rows = walk.header_rows(&encoding)?;
        plan.header = column_names(&rows, &dialect.header_join);
    } else {
        plan.header = numbered_names(columns_without_header(pins)?);
    }
    walk.skip_comment_rows()?;
    plan.data_start = walk.at as u64;
    plan.first_line = walk.line;
    let mapping = match_columns(&pins.schema, &plan.header, !dialect.header)?;
    plan.mapping = mapping.fields;
    plan.extra = mapping.extra;
    Ok(())
}

/// A file without a header has the columns of the samples or, if there were none, one for each field.
fn columns_without_header(pins: &InputPins) -> Result<usize, Error> {
    let fields = pins.schema.fields.len();
    let columns = if pins.columns.is_empty() { fields } else { pins.columns.len() };
    if columns < fields && pins.schema.missing_columns == MissingColumns::Fail {
        let message = format!("cannot fill {fields} fields: without a header the file has {columns} columns");
        return Err(Error::new("SCHEMA_MISSING_COLUMN", message));
    }
    Ok(columns)
}

/// Walks the rows before the data. Rows count from 1: physical lines in the preamble, records in the header.
struct HeaderWalk<'h, 's> {
    head: &'h mut Head<'s>,
    dialect: &'h Dialect,
    rules: Rules,
    at: usize,
    row: u32,
    line: u64,
}

impl HeaderWalk<'_, '_> {
    /// Excel's first line `sep=;` stands before all rows.
    fn skip_sep_line(&mut self) -> Result<(), Error> {
        let is_sep = self.dialect.skip_sep_line
            && self.head.bytes.get(self.at..self.at + 4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep="));
        if is_sep && let Some(end) = self.head.line_end(self.at)? {
            self.at = end;
            self.line += 1;
        }
        Ok(())
    }

    fn skip_line(&mut self) -> Result<(), Error> {
        self.at = self.head.line_end(self.at)?.ok_or_else(|| self.missing("it ends in the preamble"))?;
        self.row += 1;
        self.line += 1;
        Ok(())
    }

    fn header_rows(&mut self, encoding: &Encoding) -> Result<Vec<Vec<String>>, Error> {
        let wanted: Vec<u32> = if self.dialect.header_rows.is_empty() { vec![1] } else { self.dialect.header_rows.clone() };
        let (first, last) = (wanted.iter().copied().min().unwrap_or(1), wanted.iter().copied().max().unwrap_or(1));
        while self.row < first {
            self.skip_line()?;
        }
        let mut rows = Vec::new();
        while self.row <= last {
            if !wanted.contains(&self.row) || self.dialect.comment_rows.contains(&self.row) {
                self.skip_line()?;
            } else if let Some(cells) = self.header_row(encoding)? {
                rows.push(cells);
            }
        }
        Ok(rows)
    }

    /// Reads one record as a header row; none for a blank or comment line, which is no row.
    fn header_row(&mut self, encoding: &Encoding) -> Result<Option<Vec<String>>, Error> {
        let extent = loop {
            let window = &self.head.bytes[self.at..];
            if window.is_empty() && self.head.is_whole() {
                return Err(self.missing("the file ends before it"));
            }
            match next_extent(window, self.head.is_whole(), self.at as u64, &self.rules) {
                Step::Extent(extent) => break extent,
                Step::LongLine(_) => return Err(self.missing("the row is larger than maxRecordSize")),
                Step::NeedMore => self.head.more()?,
            }
        };
        let raw = &self.head.bytes[self.at..self.at + extent.length as usize];
        let cells = match extent.kind {
            ExtentKind::Blank | ExtentKind::Comment => None,
            ExtentKind::Damage { .. } => return Err(self.missing("the row has a quote that does not end")),
            ExtentKind::Record => Some(cells(raw, &self.rules, encoding)),
        };
        self.at += extent.length as usize;
        // A header that ends with the file ends its line all the same.
        self.line += extent.lines;
        self.row += u32::from(cells.is_some());
        Ok(cells)
    }

    /// Comment rows directly behind the header; those further on would need offsets in the plan.
    fn skip_comment_rows(&mut self) -> Result<(), Error> {
        let behind = |row: &&u32| **row >= self.row;
        let mut rows: Vec<u32> = self.dialect.comment_rows.iter().filter(behind).copied().collect();
        rows.sort_unstable();
        for row in rows {
            if row != self.row {
                return Err(Error::new(
                    "SPEC_NOT_AVAILABLE",
                    format!(
                        "dialect.commentRows: row {row} among the data is not available in this version, only rows before the first record"
                    ),
                ));
            }
            if self.head.line_end(self.at)?.is_none() {
                return Ok(());
            }
            self.skip_line()?;
        }
        Ok(())
    }

    fn missing(&self, why: &str) -> Error {
        Error::new("CSV_HEADER_MISSING", format!("cannot read the header in row {}: {why}", self.row))
    }
}

fn cells(raw: &[u8], rules: &Rules, encoding: &Encoding) -> Vec<String> {
    let mut plain = Vec::new();
    let text = |span: &millrace_scan::FieldSpan| {
        plain.clear();
        unescape_into(span.raw(raw), rules, &mut plain);
        encoding.decode(&plain).text.into_owned()
    };
    fields_of(raw, rules).iter().map(text).collect()
}

pub(crate) fn plan_scan(
    pins: &InputPins,
    file: &FilePlan,
    source: &mut dyn ByteSource,
    chunk_size: u64,
    emit: &mut dyn FnMut(PlannedRange),
    cancel: &dyn Fn() -> bool,
    map: &mut MapOffsets<'_>,
) -> Result<FileTotals, Error> {
    let blanks_are_records = pins.dialect.as_ref().is_some_and(|dialect| dialect.blank_rows == BlankRows::Reject);
    let mut ranges = Ranges { open: None, blanks_are_records, emit };
    let division = match pins.format {
        Format::Csv => Division::Csv(Arc::new(scan_rules(pins, file)?)),
        Format::Ndjson => Division::Lines(LineRules::json(pins.max_record_bytes)),
        Format::Lines => crate::lines::division(pins)?,
        Format::Json => return scan_array(pins, file, source, chunk_size, (&mut ranges, map), cancel),
        Format::Parquet | Format::Arrow => return Err(Error::new("PLAN_CONFLICT", "files of columns are planned by rows")),
    };
    let mut scan = PlanScan::new(division, file.data_start, file.first_line, chunk_size);
    loop {
        if cancel() {
            let totals = ranges.totals(scan.counts(), file, scan.position());
            return Ok(FileTotals { cancelled: true, ..totals });
        }
        let goes_on = scan.pull(|offset, buffer| source.read_at(offset, buffer))?;
        map_anchors(scan.take_anchors(), scan.settled(), map).into_iter().for_each(|anchor| ranges.anchor(anchor));
        if !goes_on {
            break;
        }
    }
    let plan = scan.finish();
    let size = source.size();
    if size != UNKNOWN_SIZE && plan.end < size {
        return Err(Error::new("INPUT_CHANGED", format!("cannot read byte {}: the input is shorter than it was", plan.end)));
    }
    let settled = plan.anchors.first().map_or(plan.end, |anchor| anchor.offset);
    map_anchors(plan.anchors, settled, map).into_iter().for_each(|anchor| ranges.anchor(anchor));
    let end = map(&[plan.end], plan.end)[0];
    ranges.close(end, plan.totals);
    Ok(ranges.totals(plan.totals, file, end))
}

/// Turns offsets of what is scanned, ascending, into those of the stream. Nothing before the second argument is asked for again.
pub(crate) type MapOffsets<'m> = dyn FnMut(&[u64], u64) -> Vec<u64> + 'm;

fn map_anchors(mut anchors: Vec<Anchor>, settled: u64, map: &mut MapOffsets<'_>) -> Vec<Anchor> {
    let offsets: Vec<u64> = anchors.iter().map(|anchor| anchor.offset).collect();
    for (anchor, offset) in anchors.iter_mut().zip(map(&offsets, settled)) {
        anchor.offset = offset;
    }
    anchors
}

/// Bytes read at once while looking for line ends.
const PASSED_BYTES: usize = 64 << 10;

pub(crate) fn last_line_end(pins: &InputPins, source: &mut dyn ByteSource) -> Result<Option<u64>, Error> {
    let terminator = match pins.dialect.as_ref().and_then(|dialect| dialect.line_terminator.as_deref()).filter(|text| !text.is_empty()) {
        Some(text) => Encoding::from_label(&pins.encoding)?.encode(text),
        None => None,
    };
    let any = pins.format == Format::Csv;
    let find = |bytes: &[u8]| match &terminator {
        Some(terminator) => memchr::memmem::rfind(bytes, terminator).map(|at| at + terminator.len()),
        None if any => memchr::memrchr2(b'\n', b'\r', bytes).map(|at| at + 1),
        None => memchr::memrchr(b'\n', bytes).map(|at| at + 1),
    };
    // A terminator of several bytes may lie across two reads.
    let kept = terminator.as_ref().map_or(0, |bytes| bytes.len().saturating_sub(1));
    let (mut window, mut start, mut found) = (Vec::new(), 0u64, None);
    loop {
        let held = window.len();
        window.resize(held + PASSED_BYTES, 0);
        let count = source.read_at(start + held as u64, &mut window[held..])?;
        window.truncate(held + count);
        if count == 0 {
            return Ok(found);
        }
        found = find(&window).map(|end| start + end as u64).or(found);
        let passed = window.len().saturating_sub(kept);
        window.drain(..passed);
        start += passed as u64;
    }
}

/// `plan_scan` of a JSON array, whose structure is checked on the way. Its last range ends at the array's `]`.
fn scan_array(
    pins: &InputPins,
    file: &FilePlan,
    source: &mut dyn ByteSource,
    chunk_size: u64,
    (ranges, map): (&mut Ranges<'_>, &mut MapOffsets<'_>),
    cancel: &dyn Fn() -> bool,
) -> Result<FileTotals, Error> {
    let broken = |structure: Structure, map: &mut MapOffsets<'_>| crate::json::broken(map(&[structure.offset], 0)[0], structure.why);
    let mut end = None;
    let outer = crate::json::keys_of(pins)?.len() as u64;
    let mut scan = ArrayScan::new(file.data_start, file.first_line, chunk_size, pins.max_record_bytes, outer);
    if file.size <= u64::from(file.bom) {
        return Ok(ranges.totals(Counts::default(), file, file.size));
    }
    let mut block = vec![0; BLOCK];
    loop {
        if cancel() {
            let totals = ranges.totals(scan.counts(), file, scan.position());
            return Ok(FileTotals { cancelled: true, ..totals });
        }
        let read = source.read_at(scan.position(), &mut block)?;
        if read == 0 {
            break;
        }
        scan.push(&block[..read]).map_err(|structure| broken(structure, map))?;
        map_anchors(scan.take_anchors(), scan.settled(), map).into_iter().for_each(|anchor| ranges.anchor(anchor));
        // What follows the array may be long: its end is not looked for again.
        match scan.array_end() {
            Some(found) if end.is_none() => end = Some(map(&[found], scan.position())[0]),
            Some(_) => drop(map(&[], scan.position())),
            None => {}
        }
    }
    let size = source.size();
    if size != UNKNOWN_SIZE && scan.position() < size {
        return Err(Error::new("INPUT_CHANGED", format!("cannot read byte {}: the input is shorter than it was", scan.position())));
    }
    let array = scan.finish().map_err(|structure| broken(structure, map))?;
    ranges.close(end.unwrap_or(array.end), array.totals);
    let stream_end = map(&[scan.position()], scan.position())[0];
    Ok(ranges.totals(Counts { lines: array.lines, ..array.totals }, file, stream_end))
}

/// Makes ranges of anchors: each ends where the next one begins.
struct Ranges<'a> {
    open: Option<Anchor>,
    /// Under `blankRows: reject` a blank line is a record, and no blank line.
    blanks_are_records: bool,
    emit: &'a mut dyn FnMut(PlannedRange),
}

impl Ranges<'_> {
    fn anchor(&mut self, anchor: Anchor) {
        self.close(anchor.offset, anchor.before);
        self.open = Some(anchor);
    }

    fn close(&mut self, end: u64, before: Counts) {
        let Some(anchor) = self.open.take() else { return };
        let inside = self.counted(before.since(&anchor.before));
        let blanks_before = if self.blanks_are_records { anchor.before.blank_lines } else { 0 };
        (self.emit)(PlannedRange {
            start: anchor.offset,
            end,
            record: anchor.record + blanks_before,
            line: anchor.line,
            records: inside.records,
            lines: inside.lines,
            damages: inside.damages,
            blank_lines: inside.blank_lines,
            comment_lines: inside.comment_lines,
        });
    }

    fn counted(&self, counts: Counts) -> Counts {
        if !self.blanks_are_records {
            return counts;
        }
        Counts { records: counts.records + counts.blank_lines, blank_lines: 0, ..counts }
    }

    fn totals(&self, counts: Counts, file: &FilePlan, end: u64) -> FileTotals {
        let counts = self.counted(counts);
        FileTotals {
            records: counts.records,
            lines: file.first_line - 1 + counts.lines,
            damages: counts.damages,
            blank_lines: counts.blank_lines,
            comment_lines: counts.comment_lines,
            bytes: end,
            cancelled: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::FieldType;
    use crate::testing::{csv_pins, field};

    fn planned(pins: &InputPins, bytes: &[u8]) -> Result<FilePlan, &'static str> {
        let mut source = bytes;
        plan_file(pins, 0, 0, "file:///a.csv", "e", &mut source).map_err(|error| error.code)
    }

    #[test]
    fn header_and_preamble() {
        let mut pins = csv_pins(vec![field("a", FieldType::String), field("b", FieldType::Integer)]);
        let plan = planned(&pins, b"\xef\xbb\xbfb,\"x\r\ny\",a\r\n1,2,3\r\n").expect("a header");
        assert_eq!((plan.bom, plan.data_start, plan.first_line), (3, 15, 3));
        assert_eq!(plan.header, ["b", "x\r\ny", "a"]);
        assert_eq!(plan.mapping, [Some(1), None, Some(0)]);
        assert_eq!(plan.extra, ["x\r\ny"]);

        let dialect = pins.dialect.as_mut().expect("csv");
        dialect.header_rows = vec![3, 4];
        dialect.comment_rows = vec![5];
        dialect.skip_sep_line = true;
        let plan = planned(&pins, b"sep=,\nReport \"of\" today\n\na,b\n ,kg\nunits\n1,2\n").expect_err("b has another name");
        assert_eq!(plan, "SCHEMA_MISSING_COLUMN");
        let plan = planned(&pins, b"sep=,\nReport \"of\" today\n\na,b\n,\nunits\n1,2\n").expect("a header");
        assert_eq!((plan.header.clone(), plan.data_start, plan.first_line), (vec!["a".to_string(), "b".into()], 37, 7));
    }

    #[test]
    fn a_file_without_a_byte_has_no_records() {
        let pins = csv_pins(vec![field("a", FieldType::String)]);
        for bytes in [&b""[..], b"\xef\xbb\xbf"] {
            let plan = planned(&pins, bytes).expect("an empty file");
            assert_eq!((plan.data_start, plan.header.len()), (bytes.len() as u64, 0));
        }
    }

    #[test]
    fn files_that_are_refused() {
        let pins = csv_pins(vec![field("a", FieldType::String)]);
        for (bytes, code) in [
            (&b"\n\n"[..], "CSV_HEADER_MISSING"),
            (b"\"a", "CSV_HEADER_MISSING"),
            (b"b\n", "SCHEMA_MISSING_COLUMN"),
            (b"\xff\xfea\0", "ENCODING_MISMATCH"),
            (b"\x1f\x8b\x08", "INPUT_MAGIC"),
        ] {
            assert_eq!(planned(&pins, bytes).err(), Some(code), "{bytes:?}");
        }
        let mut other = pins.clone();
        other.encoding = "windows-1252".into();
        assert_eq!(planned(&other, b"\xef\xbb\xbfa\n").err(), Some("ENCODING_MISMATCH"));
        let mut late = pins;
        late.dialect.as_mut().expect("csv").comment_rows = vec![5];
        assert_eq!(planned(&late, b"a\n1\n").err(), Some("SPEC_NOT_AVAILABLE"));
    }

    #[test]
    fn a_file_without_header_is_matched_by_position() {
        let mut pins = csv_pins(vec![field("a", FieldType::String), field("b", FieldType::Integer)]);
        pins.dialect.as_mut().expect("csv").header = false;
        pins.columns = vec!["column_1".into(), "column_2".into(), "column_3".into()];
        let plan = planned(&pins, b"x,1,2\n").expect("a plan");
        assert_eq!((plan.data_start, plan.mapping), (0, vec![Some(0), Some(1), None]));
        pins.columns.truncate(1);
        assert_eq!(planned(&pins, b"x\n").err(), Some("SCHEMA_MISSING_COLUMN"));
    }
}
