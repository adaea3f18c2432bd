//! A range of a file as a producer named it: bytes that nobody has scanned become a range that readers take.
//!
//! The records are those that start in the range, so its end may lie anywhere. Where it begins a record must begin, or be found: behind the next line end
//! where a line end always ends a record, at once where quotes may hold one.

use millrace_scan::fits_record;

use crate::csv::untyped_rules;
use crate::encoding::shows_structure;
use crate::error::Error;
use crate::pins::{FilePlan, Format, InputPins};
use crate::position::UNNUMBERED;
use crate::read::ReadRange;
use crate::source::{ByteSource, read_full};

const WINDOW_BYTES: usize = 64 << 10;

/// `[start, end)` of a stream of `size` bytes. `whole`: all of an object, the only range that one without visible structure has.
///
/// Errors: `INPUT_RANGE`, and what the source says.
pub fn given_range(
    pins: &InputPins,
    file: &FilePlan,
    (start, end): (u64, u64),
    whole: bool,
    size: u64,
    source: &mut dyn ByteSource,
) -> Result<ReadRange, Error> {
    if whole {
        return Ok(ReadRange { start: file.data_start, end: size, record: 1, line: file.first_line });
    }
    check_divisible(pins, file)?;
    if start > end || end > size {
        return Err(Error::new("INPUT_RANGE", format!("cannot read bytes {start} to {end} of {}: it has {size}", file.uri)));
    }
    let end = end.max(file.data_start);
    if start <= file.data_start {
        return Ok(ReadRange { start: file.data_start, end, record: 1, line: file.first_line });
    }
    let first = match pins.format {
        Format::Csv => record_start(pins, file, start, source)?,
        _ => behind_line_end(start - 1, size, source)?,
    };
    Ok(ReadRange { start: first.min(end), end, record: UNNUMBERED, line: UNNUMBERED })
}

/// Ranges name bytes of the object, so these must be the bytes that are read, and show where records end.
fn check_divisible(pins: &InputPins, file: &FilePlan) -> Result<(), Error> {
    let refuse = |what: &str| Err(Error::new("INPUT_RANGE", format!("cannot read a part of {}: {what}; send it whole", file.uri)));
    if pins.compression != "none" {
        return refuse("it is compressed");
    }
    if !matches!(pins.format, Format::Csv | Format::Ndjson | Format::Lines) {
        return refuse("its format has no lines");
    }
    if pins.lines.as_ref().is_some_and(|lines| lines.record_start.is_some()) {
        return refuse("a record may have several lines (recordStart)");
    }
    if !shows_structure(&pins.encoding) {
        return refuse("line ends cannot be told in its encoding");
    }
    Ok(())
}

/// CSV must begin where a record does: a line end may lie inside quotes, and what follows it shows whether it does.
fn record_start(pins: &InputPins, file: &FilePlan, start: u64, source: &mut dyn ByteSource) -> Result<u64, Error> {
    let refuse =
        |why: &str| Err(Error::new("INPUT_RANGE", format!("cannot read {} from byte {start} on: {why}; send record starts", file.uri)));
    let size = source.size();
    if start >= size {
        return Ok(start);
    }
    let written = pins.dialect.as_ref().and_then(|dialect| dialect.line_terminator.as_deref()).filter(|text| !text.is_empty());
    let mut before = [0];
    read_full(source, start - 1, &mut before)?;
    let ends_line = match written {
        Some(terminator) => terminator.as_bytes().last() == Some(&before[0]),
        None => matches!(before[0], b'\n' | b'\r'),
    };
    if !ends_line {
        return refuse("no line ends before it");
    }
    let rules = untyped_rules(pins, file.header.len())?;
    let mut window = Vec::new();
    loop {
        let held = window.len();
        window.resize(held + WINDOW_BYTES.max(held), 0);
        let filled = read_full(source, start + held as u64, &mut window[held..])?;
        window.truncate(held + filled);
        let at_end = start + window.len() as u64 >= size;
        match fits_record(&window, at_end, start, &rules) {
            Some(true) => return Ok(start),
            None if !at_end => {}
            _ => return refuse("what stands there is no whole record"),
        }
    }
}

/// Behind the first line end at or after `from`; the end of the stream when none comes.
fn behind_line_end(from: u64, size: u64, source: &mut dyn ByteSource) -> Result<u64, Error> {
    let mut at = from;
    let mut block = vec![0; WINDOW_BYTES];
    while at < size {
        let filled = read_full(source, at, &mut block)?;
        if let Some(found) = memchr::memchr(b'\n', &block[..filled]) {
            return Ok(at + found as u64 + 1);
        }
        if filled == 0 {
            break;
        }
        at += filled as u64;
    }
    Ok(size)
}
