//! CSV: the records of one range of one file, as typed batches.
//!
//! `millrace_scan` says where records begin and end and where their separators stand; `gather` types them column by column;
//! `record` judges one record by itself and makes the rejects.

mod gather;
mod reader;
mod record;
mod rules;
#[cfg(test)]
mod tests;

use millrace_scan::{ExtentKind, Step, next_extent};

use crate::batch::RecordReader;
use crate::error::Error;
use crate::pins::{FilePlan, InputPins};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::source::ByteSource;

pub(crate) use rules::{CsvRules, dialect_of, scan_rules, untyped_rules};

pub(crate) fn open(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    Ok(Box::new(reader::CsvReader::open(pins, file, range, excluded, source, options)?))
}

/// The fields of one record as text; none if the bytes are not exactly one record.
pub(crate) fn cut_fields(rules: &CsvRules, raw: &[u8]) -> Vec<String> {
    match next_extent(raw, true, 0, &rules.scan) {
        Step::Extent(extent) if extent.kind == ExtentKind::Record && extent.length == raw.len() as u64 => record::texts(rules, raw),
        _ => Vec::new(),
    }
}
