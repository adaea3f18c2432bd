//! The format of text, by content and never by name.

use super::{Findings, Text};
use crate::error::Error;
use crate::pins::Format;

/// Lines of one sample that are looked at.
const LINES: usize = 200;
/// From this share of lines on that are whole objects it is NDJSON.
const OBJECT_SHARE: f64 = 0.9;

/// Written parts of an input that only one format has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    pub has_dialect: bool,
    /// `json.records` names an array inside the file.
    pub has_records: bool,
}

pub(super) fn detect(texts: &[Text<'_>], written: &str, hints: Hints, findings: &mut Findings) -> Result<Format, Error> {
    let format = match written {
        "csv" => Format::Csv,
        "ndjson" => Format::Ndjson,
        "json" => Format::Json,
        "lines" => Format::Lines,
        "auto" => {
            let (format, confidence) = match hints {
                // Only CSV has a dialect and only JSON an array to be found, so what was written says what the format is.
                Hints { has_dialect: true, has_records: true } => return Err(both()),
                Hints { has_dialect: true, .. } => (Format::Csv, 1.0),
                Hints { has_records: true, .. } => (Format::Json, 1.0),
                _ => by_content(texts)?,
            };
            findings.detected("format", name(format), confidence, None);
            return Ok(format);
        }
        other @ ("parquet" | "arrow") => {
            return Err(Error::new("SPEC_NOT_AVAILABLE", format!("format {other} is not available in this version; use csv or ndjson")));
        }
        other => return Err(Error::new("SPEC_BAD_VALUE", format!("expected format csv, ndjson, json or lines, got {other:?}"))),
    };
    if format != Format::Csv && hints.has_dialect {
        return Err(Error::new("SPEC_CONFLICT", format!("a dialect is for CSV only, but format is {written}")));
    }
    if format != Format::Json && hints.has_records {
        return Err(Error::new("SPEC_CONFLICT", format!("json.records is for format json only, but format is {written}")));
    }
    findings.set("format", written);
    Ok(format)
}

fn both() -> Error {
    Error::new("SPEC_CONFLICT", "a dialect is for CSV only, and json.records for JSON only")
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::Ndjson => "ndjson",
        Format::Json => "json",
        Format::Lines => "lines",
        Format::Parquet => "parquet",
        Format::Arrow => "arrow",
    }
}

fn by_content(texts: &[Text<'_>]) -> Result<(Format, f64), Error> {
    let mut tallies = Vec::with_capacity(texts.len());
    let mut json_like = false;
    if texts.iter().any(|text| !text.bytes.is_empty()) && texts.iter().all(|text| text.bytes.is_empty() || is_array(text.bytes)) {
        return Ok((Format::Json, 1.0));
    }
    for text in texts {
        let start = text.bytes.trim_ascii_start();
        json_like |= start.first() == Some(&b'{');
        tallies.push(Tally::of(text));
    }
    let lines: u32 = tallies.iter().map(|tally| tally.lines).sum();
    let objects: u32 = tallies.iter().map(|tally| tally.objects).sum();
    if !json_like || lines == 0 {
        return Ok((Format::Csv, 1.0));
    }
    refuse_mixture(texts, &tallies)?;
    let share = f64::from(objects) / f64::from(lines);
    if share >= OBJECT_SHARE {
        return Ok((Format::Ndjson, share));
    }
    refuse_pretty_object(texts)?;
    Ok((Format::Csv, 1.0 - share))
}

/// How many of a sample's lines are objects.
struct Tally {
    lines: u32,
    objects: u32,
}

impl Tally {
    fn of(text: &Text<'_>) -> Tally {
        // One line longer than the sample is cut off, and an object as far as it goes.
        let is_cut = !text.complete && memchr::memchr(b'\n', text.bytes).is_none();
        let mut tally = Tally { lines: 0, objects: 0 };
        for line in sampled_lines(text) {
            tally.lines += 1;
            tally.objects += u32::from(is_object(line, is_cut));
        }
        tally
    }
}

/// Lines of objects and lines of something else are no one table, whichever of them are more.
fn refuse_mixture(texts: &[Text<'_>], tallies: &[Tally]) -> Result<(), Error> {
    let find = |is: fn(&Tally) -> bool| tallies.iter().position(is).map(|at| texts[at].uri);
    let is_all_objects = |tally: &Tally| tally.lines > 0 && f64::from(tally.objects) >= OBJECT_SHARE * f64::from(tally.lines);
    let has_no_object = |tally: &Tally| tally.lines > 0 && tally.objects == 0;
    match (find(is_all_objects), find(has_no_object)) {
        (Some(objects), Some(other)) => {
            let message = format!(
                "cannot read {objects} and {other} as files of one format: the first has a JSON object on each line, the second has none; make them inputs of their own, or write pin: file and a schema"
            );
            Err(Error::new("SCHEMA_DRIFT", message))
        }
        _ => Ok(()),
    }
}

/// Whole lines that are not blank; the last one only if it cannot be cut off, or is the only one.
fn sampled_lines<'a>(text: &Text<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let whole = if text.complete { text.bytes.len() } else { memchr::memrchr(b'\n', text.bytes).unwrap_or(text.bytes.len()) };
    text.bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES)
}

/// `is_cut`: the line goes on behind what is there.
fn is_object(line: &[u8], is_cut: bool) -> bool {
    let line = line.trim_ascii();
    line.first() == Some(&b'{')
        && match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
            Ok(_) => true,
            Err(error) => is_cut && error.is_eof(),
        }
}

/// A log line may begin with a bracket too; an array of records goes on with another one.
fn is_array(bytes: &[u8]) -> bool {
    let after = bytes.trim_ascii_start().strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    after.is_some_and(|after| matches!(after.first(), Some(b'{' | b'[' | b']')))
}

/// One object over many lines would make a very odd table.
fn refuse_pretty_object(texts: &[Text<'_>]) -> Result<(), Error> {
    for text in texts {
        let mut values = serde_json::Deserializer::from_slice(text.bytes).into_iter::<serde::de::IgnoredAny>();
        if text.bytes.trim_ascii_start().first() == Some(&b'{') && matches!(values.next(), Some(Ok(_))) {
            let message = format!(
                "cannot read {}: it is one JSON object over several lines; name the array in it with json.records, or write one object a line",
                text.uri
            );
            return Err(Error::new("SPEC_MISSING_FIELD", message));
        }
    }
    Ok(())
}
