//! Content that is no text, or is compressed: told by its first bytes, and named.

use super::{Declared, Findings, Sample};
use crate::error::Error;

/// What a file is that cannot be read as it is, and what to do about it.
enum Found {
    /// A compression that the product knows and this version does not read.
    Compressed(&'static str),
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

fn find(head: &[u8]) -> Option<Found> {
    let zip = || {
        let workbook = ["xl/", "[Content_Types].xml", "_rels/"]
            .iter()
            .any(|part| head.get(30..).is_some_and(|rest| rest.starts_with(part.as_bytes())));
        if workbook {
            Found::Foreign("a workbook or another Office file (.xlsx)", "save the sheet as CSV")
        } else {
            Found::Compressed("zip")
        }
    };
    match head {
        [0x1f, 0x8b, ..] => Some(Found::Compressed("gzip")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Found::Compressed("zstd")),
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Found::Compressed("zstd")),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Some(Found::Compressed("bzip2")),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Found::Compressed("xz")),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(Found::Compressed("lz4")),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(zip()),
        [b'P', b'A', b'R', b'1', ..] => Some(Found::Format("parquet")),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Found::Format("arrow")),
        _ => FOREIGN.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, fix)| Found::Foreign(what, fix)),
    }
}

/// Refuses samples that are no plain text, and compressions that were written but are not read yet.
pub(super) fn check(samples: &[Sample], declared: &Declared, findings: &mut Findings) -> Result<(), Error> {
    if !matches!(declared.compression.as_str(), "auto" | "none") {
        return Err(not_available(&format!("compression {}", declared.compression), "decompress the files first"));
    }
    for sample in samples {
        let at = &sample.uri;
        match find(&sample.head) {
            None => {}
            Some(Found::Compressed(what)) if declared.compression == "none" => {
                return Err(Error::new(
                    "INPUT_MAGIC",
                    format!("cannot read {at}: it is compressed with {what}, but compression is set to none"),
                ));
            }
            Some(Found::Compressed(what)) => return Err(not_available(&format!("{at}: its compression {what}"), "decompress it first")),
            Some(Found::Format(what)) if declared.format == "auto" || declared.format == what => {
                return Err(not_available(&format!("{at}: its format {what}"), "convert it to CSV or NDJSON"));
            }
            Some(Found::Format(what)) => {
                return Err(Error::new("INPUT_MAGIC", format!("cannot read {at}: it is {what}, but format is set to {}", declared.format)));
            }
            Some(Found::Foreign(what, fix)) => return Err(Error::new("INPUT_MAGIC", format!("cannot read {at}: it is {what}; {fix}"))),
        }
    }
    match declared.compression.as_str() {
        "auto" => findings.detected("compression", "none", 1.0, None),
        written => findings.set("compression", written),
    }
    Ok(())
}

fn not_available(what: &str, fix: &str) -> Error {
    Error::new("SPEC_NOT_AVAILABLE", format!("cannot read {what} is not available in this version; {fix}"))
}
