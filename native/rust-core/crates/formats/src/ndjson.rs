//! NDJSON: the lines of one range of one file, as typed batches.
//!
//! `pointers` knows which values feed which fields, `walk` finds them in one pass over any line, `record` judges what was found. `stencil`
//! finds them faster in records that look like those before, `rows` puts both together.

mod pointers;
mod reader;
mod record;
mod rows;
mod stencil;
#[cfg(test)]
mod tests;
mod walk;

use crate::batch::RecordReader;
use crate::error::Error;
use crate::pins::{FilePlan, InputPins};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::source::ByteSource;

pub(crate) use pointers::split_pointer;
pub(crate) use reader::too_large;
pub(crate) use record::JsonRules;
pub(crate) use rows::{Reuse, Rows, Window};

pub(crate) fn open(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    Ok(Box::new(reader::NdjsonReader::open(pins, file, range, excluded, source, options)?))
}

/// The texts of the schema's fields in one record, empty where there is none; none if the bytes are no JSON object.
pub(crate) fn cut_fields(rules: &JsonRules, raw: &[u8]) -> Vec<String> {
    record::texts(rules, raw)
}
