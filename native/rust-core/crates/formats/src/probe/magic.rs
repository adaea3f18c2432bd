//! Content that is no text, or is compressed: told by its first bytes, and named.

use super::{Declared, Findings, Sample};
use crate::decompress::Compression;
use crate::error::Error;

/// So many bytes tell a compression, and a zip from a workbook.
pub(super) const MAGIC_BYTES: usize = 4 << 10;

/// What a file is that cannot be read as it is, and what to do about it.
enum Found {
    Compressed(Compression),
    /// A format that the product knows and this version does not read.
    Format(&'static str),
    /// Nothing that is ever read.
    Foreign(&'static str, &'static str),
}

const FOREIGN: [(&[u8], &str, &str); 7] = [
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!\x1a\x07", "a rar archive", "unpack it"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (.xls)", "save the sheet as CSV"),
    (b"%PDF-", "a PDF document", "export the table as CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image", "check the URI"),
    (b"\x7fELF", "a program", "check the URI"),
];

/// Workbooks and other Office files are zip archives with these names in them.
pub(super) fn is_office_file(head: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"xl/", b"[Content_Types].xml", b"_rels/", b"mimetypeapplication/vnd.oasis"];
    head.starts_with(b"PK\x03\x04") && NAMES.iter().any(|name| head.get(30..).is_some_and(|rest| rest.starts_with(name)))
}

fn find(head: &[u8]) -> Option<Found> {
    if is_office_file(head) {
        return Some(Found::Foreign("a workbook or another Office file (.xlsx, .ods)", "save the sheet as CSV"));
    }
    match head {
        _ if Compression::of_magic(head).is_some() => Compression::of_magic(head).map(Found::Compressed),
        [b'P', b'A', b'R', b'1', ..] => Some(Found::Format("parquet")),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Found::Format("arrow")),
        _ => FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, fix)| Found::Foreign(what, fix)),
    }
}

/// The compression of all samples. Refuses what holds no plain text, and samples that contradict each other or what was declared.
pub(super) fn check(samples: &[Sample], declared: &Declared, findings: &mut Findings) -> Result<Option<Compression>, Error> {
    let known = matches!(declared.compression.as_str(), "auto" | "none") || Compression::from_name(&declared.compression).is_some();
    if !known {
        return Err(Error::new("SPEC_BAD_VALUE", format!("expected the name of a compression, got {:?}", declared.compression)));
    }
    for sample in samples {
        check_content(sample, declared)?;
    }
    let name = |compression: Option<Compression>| compression.map_or("none", Compression::name);
    let first = samples.first().and_then(|sample| sample.compression);
    if let Some(other) = samples.iter().find(|sample| sample.compression != first) {
        let message = format!(
            "cannot read {} and {} as one input: the compression of the first is {}, that of the second {}; make them two inputs",
            samples[0].uri,
            other.uri,
            name(first),
            name(other.compression),
        );
        return Err(Error::new("INPUT_MAGIC", message));
    }
    match declared.compression.as_str() {
        "auto" => findings.detected("compression", name(first), 1.0, None),
        written => findings.set("compression", written),
    }
    Ok(if samples.is_empty() { Compression::from_name(&declared.compression) } else { first })
}

fn check_content(sample: &Sample, declared: &Declared) -> Result<(), Error> {
    let at = &sample.uri;
    let refuse = |why: String| Err(Error::new("INPUT_MAGIC", format!("cannot read {at}: {why}")));
    match find(&sample.head) {
        None => Ok(()),
        Some(Found::Compressed(inner)) => match sample.compression {
            Some(outer) => refuse(format!("inside {} it is compressed again, with {}; unpack it once", outer.name(), inner.name())),
            None => refuse(format!("it is compressed with {}, but compression is set to none", inner.name())),
        },
        Some(Found::Format(what)) if declared.format == "auto" || declared.format == what => {
            Err(not_available(&format!("{at}: its format {what}"), "convert it to CSV or NDJSON"))
        }
        Some(Found::Format(what)) => refuse(format!("it is {what}, but format is set to {}", declared.format)),
        Some(Found::Foreign(what, fix)) => refuse(format!("it is {what}; {fix}")),
    }
}

fn not_available(what: &str, fix: &str) -> Error {
    Error::new("SPEC_NOT_AVAILABLE", format!("cannot read {what} is not available in this version; {fix}"))
}
