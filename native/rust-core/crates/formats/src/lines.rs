//! Lines: text matched by a regex whose named groups are columns. `grok` makes a regex of grok patterns, `ascii` matches
//! what most logs hold, `rules` knows which group feeds which field, `reader` walks the records of a range, `matches` types what was matched.

mod ascii;
mod grok;
mod matches;
mod patterns;
mod reader;
mod rules;
#[cfg(test)]
mod tests;

use crate::batch::RecordReader;
use crate::error::Error;
use crate::pins::{FilePlan, InputPins};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::source::ByteSource;

pub(crate) use grok::expand_grok;
pub(crate) use rules::{LinesRules, compile_regex, division, group_columns};

pub(crate) fn open(
    pins: &InputPins,
    file: &FilePlan,
    range: ReadRange,
    excluded: &[ExcludedRange],
    source: Box<dyn ByteSource>,
    options: ReadOptions,
) -> Result<Box<dyn RecordReader>, Error> {
    Ok(Box::new(reader::LinesReader::open(pins, file, range, excluded, source, options)?))
}

/// The texts of all groups of one record, empty where there is none; none if the record does not match.
pub(crate) fn cut_fields(rules: &LinesRules, raw: &[u8]) -> Vec<String> {
    let text = rules.encoding.decode(millrace_scan::groups::content(raw)).text;
    rules.groups_of(&text).map_or(Vec::new(), |spans| {
        spans.into_iter().map(|span| span.map_or(String::new(), |(start, end)| text[start..end].to_string())).collect()
    })
}
