//! CSV or NDJSON, by content and never by name.

use super::{Findings, Text};
use crate::error::Error;
use crate::pins::Format;

/// Lines of one sample that are looked at.
const LINES: usize = 200;
/// From this share of lines on that are whole objects it is NDJSON.
const OBJECT_SHARE: f64 = 0.9;

pub(super) fn detect(texts: &[Text<'_>], written: &str, has_dialect: bool, findings: &mut Findings) -> Result<Format, Error> {
    let format = match written {
        "csv" => Format::Csv,
        "ndjson" => Format::Ndjson,
        "auto" => {
            // Only CSV has a dialect, so one that was written says what the format is.
            let (format, confidence) = if has_dialect { (Format::Csv, 1.0) } else { by_content(texts)? };
            findings.detected("format", name(format), confidence, None);
            return Ok(format);
        }
        other @ ("json" | "parquet" | "arrow" | "lines") => {
            return Err(Error::new("SPEC_NOT_AVAILABLE", format!("format {other} is not available in this version; use csv or ndjson")));
        }
        other => return Err(Error::new("SPEC_BAD_VALUE", format!("expected format csv or ndjson, got {other:?}"))),
    };
    if format == Format::Ndjson && has_dialect {
        return Err(Error::new("SPEC_CONFLICT", "a dialect is for CSV only, but format is ndjson"));
    }
    findings.set("format", written);
    Ok(format)
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::Ndjson => "ndjson",
    }
}

fn by_content(texts: &[Text<'_>]) -> Result<(Format, f64), Error> {
    let (mut objects, mut lines) = (0u32, 0u32);
    let mut json_like = false;
    for text in texts {
        let start = text.bytes.trim_ascii_start();
        refuse_array(text.uri, start)?;
        json_like |= start.first() == Some(&b'{');
        for line in sampled_lines(text) {
            lines += 1;
            objects += u32::from(is_object(line));
        }
    }
    if !json_like || lines == 0 {
        return Ok((Format::Csv, 1.0));
    }
    let share = f64::from(objects) / f64::from(lines);
    if share >= OBJECT_SHARE {
        return Ok((Format::Ndjson, share));
    }
    refuse_pretty_object(texts)?;
    Ok((Format::Csv, 1.0 - share))
}

/// Whole lines that are not blank; the last one only if it cannot be cut off.
fn sampled_lines<'a>(text: &Text<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let whole = if text.complete { text.bytes.len() } else { memchr::memrchr(b'\n', text.bytes).unwrap_or(text.bytes.len()) };
    text.bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES)
}

fn is_object(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn refuse_array(uri: &str, start: &[u8]) -> Result<(), Error> {
    let after = start.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    if after.is_some_and(|after| matches!(after.first(), Some(b'{' | b'[' | b']'))) {
        let message =
            format!("cannot read {uri}: it is one JSON array, and format json is not available in this version; write one object a line");
        return Err(Error::new("SPEC_NOT_AVAILABLE", message));
    }
    Ok(())
}

/// One object over many lines would make a very odd table.
fn refuse_pretty_object(texts: &[Text<'_>]) -> Result<(), Error> {
    for text in texts {
        let mut values = serde_json::Deserializer::from_slice(text.bytes).into_iter::<serde::de::IgnoredAny>();
        if text.bytes.trim_ascii_start().first() == Some(&b'{') && matches!(values.next(), Some(Ok(_))) {
            let message = format!(
                "cannot read {}: it is JSON over several lines, and format json is not available in this version; write one object a line",
                text.uri
            );
            return Err(Error::new("SPEC_NOT_AVAILABLE", message));
        }
    }
    Ok(())
}
