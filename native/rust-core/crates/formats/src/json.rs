//! JSON: the elements of one array, as typed batches. `find` walks to the array, `scan` of this crate's `plan` divides it, `reader` reads
//! its elements as NDJSON records are read.

mod find;
mod reader;
#[cfg(test)]
mod tests;

use crate::batch::RecordReader;
use crate::error::Error;
use crate::pins::{FilePlan, InputPins};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::source::ByteSource;

pub(crate) use find::find_array;

/// The keys that lead to the array, from the outside in.
///
/// Errors: `SPEC_BAD_VALUE` for `json.records` that is no JSON Pointer.
pub(crate) fn keys_of(pins: &InputPins) -> Result<Vec<String>, Error> {
    let records = &pins.json.records;
    crate::ndjson::split_pointer(records)
        .ok_or_else(|| Error::new("SPEC_BAD_VALUE", format!("cannot use json.records {records:?}: it is no JSON Pointer (RFC 6901)")))
}

/// The structure of the array or of what stands around it cannot be followed.
pub(crate) fn broken(offset: u64, why: &str) -> Error {
    Error::new("JSON_ARRAY_BROKEN", format!("cannot follow the array at byte {offset}: {why}"))
}

pub(crate) fn open(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    Ok(Box::new(reader::ArrayReader::open(pins, file, range, excluded, source, options)?))
}
