//! Encodings whose structure shows in the raw bytes: UTF-8 and the single-byte ones. Values are converted field by field, so that
//! offsets always are those of the file.

use std::borrow::Cow;

use crate::error::Error;

/// How the bytes of an input become characters.
#[derive(Clone, Debug)]
pub enum Encoding {
    Utf8,
    /// The character of each byte; U+FFFD where the byte has none.
    Single(Box<[char; 256]>),
}

/// A piece of text, with what was illegal in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Illegal bytes are U+FFFD here.
    pub text: Cow<'a, str>,
    /// Offset of the first illegal byte.
    pub invalid_at: Option<usize>,
    /// The first illegal sequence is the beginning of a character that the bytes end in.
    pub cut_off: bool,
}

impl Encoding {
    /// Knows the labels of the Encoding Standard, and `latin-1` and `iso-8859-1` as the true ISO 8859-1.
    ///
    /// Errors: `SPEC_ENCODING` for a label nobody knows or that is never read, `SPEC_NOT_AVAILABLE` for one that is converted first or not read yet.
    pub fn from_label(label: &str) -> Result<Encoding, Error> {
        let plain = label.trim().to_ascii_lowercase();
        if matches!(plain.as_str(), "latin-1" | "iso-8859-1") {
            return Ok(Encoding::Single(Box::new(std::array::from_fn(|byte| char::from(byte as u8)))));
        }
        let Some(encoding) = encoding_rs::Encoding::for_label(plain.as_bytes()).filter(|known| *known != encoding_rs::REPLACEMENT) else {
            return Err(Error::new("SPEC_ENCODING", format!("cannot read encoding {label:?}: not a label of the Encoding Standard")));
        };
        if encoding == encoding_rs::UTF_8 {
            return Ok(Encoding::Utf8);
        }
        if !encoding.is_single_byte() {
            return Err(Error::new("SPEC_NOT_AVAILABLE", format!("encoding {label:?} is not available in this version")));
        }
        Ok(Encoding::Single(Box::new(std::array::from_fn(|byte| single_character(encoding, byte as u8)))))
    }

    pub fn is_utf8(&self) -> bool {
        matches!(self, Encoding::Utf8)
    }

    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
        match self {
            Encoding::Utf8 => decode_utf8(bytes),
            Encoding::Single(table) => decode_single(bytes, table),
        }
    }

    /// Offset in `bytes` of the offset `at` in their decoded `text`; one inside a character is that of the character.
    pub(crate) fn byte_offset(&self, bytes: &[u8], text: &str, at: usize) -> usize {
        let at = at.min(text.len());
        match self {
            // One byte a character.
            Encoding::Single(_) => text.char_indices().take_while(|&(start, character)| start + character.len_utf8() <= at).count(),
            Encoding::Utf8 if std::str::from_utf8(bytes).is_ok() => at,
            Encoding::Utf8 => utf8_offset(bytes, at),
        }
    }

    /// Bytes of `text` in this encoding; none if it has a character that the encoding lacks.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        match self {
            Encoding::Utf8 => Some(text.as_bytes().to_vec()),
            Encoding::Single(table) => text
                .chars()
                .map(|c| table.iter().position(|&have| have == c && c != char::REPLACEMENT_CHARACTER).map(|byte| byte as u8))
                .collect(),
        }
    }
}

fn single_character(encoding: &'static encoding_rs::Encoding, byte: u8) -> char {
    let one = [byte];
    let (text, _) = encoding.decode_without_bom_handling(&one);
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn decode_utf8(bytes: &[u8]) -> Decoded<'_> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => Decoded { text: Cow::Borrowed(text), invalid_at: None, cut_off: false },
        Err(error) => {
            Decoded { text: String::from_utf8_lossy(bytes), invalid_at: Some(error.valid_up_to()), cut_off: error.error_len().is_none() }
        }
    }
}

fn decode_single<'a>(bytes: &'a [u8], table: &[char; 256]) -> Decoded<'a> {
    // Every single-byte encoding of the standard agrees with ASCII in its lower half.
    if bytes.is_ascii()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Decoded { text: Cow::Borrowed(text), invalid_at: None, cut_off: false };
    }
    let text: String = bytes.iter().map(|&byte| table[usize::from(byte)]).collect();
    let invalid_at = bytes.iter().position(|&byte| table[usize::from(byte)] == char::REPLACEMENT_CHARACTER);
    Decoded { text: Cow::Owned(text), invalid_at, cut_off: false }
}

/// The same for bytes of which some were replaced.
fn utf8_offset(bytes: &[u8], at: usize) -> usize {
    let (mut passed, mut characters) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        if at < characters + chunk.valid().len() {
            break;
        }
        passed += chunk.valid().len();
        characters += chunk.valid().len();
        if chunk.invalid().is_empty() || at < characters + char::REPLACEMENT_CHARACTER.len_utf8() {
            break;
        }
        passed += chunk.invalid().len();
        characters += char::REPLACEMENT_CHARACTER.len_utf8();
    }
    passed + at.saturating_sub(characters)
}

/// Whether a label can be read at all, as it is or converted. Errors as in `Encoding::from_label`.
pub fn check_label(label: &str) -> Result<(), Error> {
    if shows_structure(label) { Encoding::from_label(label).map(|_| ()) } else { Ok(()) }
}

/// Whether records and fields can be told apart in the raw bytes. Otherwise the stream is converted before anything looks at it.
pub fn shows_structure(label: &str) -> bool {
    crate::convert::converted(label).is_none()
}

/// The byte order mark at the start of a file and what it says: its length and the label, none without one.
pub fn byte_order_mark(head: &[u8]) -> Option<(u32, &'static str)> {
    match head {
        [0xEF, 0xBB, 0xBF, ..] => Some((3, "utf-8")),
        [0xFF, 0xFE, ..] => Some((2, "utf-16le")),
        [0xFE, 0xFF, ..] => Some((2, "utf-16be")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(label: &str, bytes: &[u8]) -> (String, Option<usize>) {
        let encoding = Encoding::from_label(label).expect("a label");
        let decoded = encoding.decode(bytes);
        (decoded.text.into_owned(), decoded.invalid_at)
    }

    #[test]
    fn labels() {
        for (label, want) in [
            ("utf-8", Ok(())),
            ("UTF8", Ok(())),
            ("latin-1", Ok(())),
            ("windows-1252", Ok(())),
            ("iso-8859-15", Ok(())),
            ("koi8-r", Ok(())),
            ("shift_jis", Err("SPEC_NOT_AVAILABLE")),
            ("utf-16le", Err("SPEC_NOT_AVAILABLE")),
            ("utf-7", Err("SPEC_ENCODING")),
            ("utf-32", Err("SPEC_ENCODING")),
            ("hz-gb-2312", Err("SPEC_ENCODING")),
            ("klingon", Err("SPEC_ENCODING")),
        ] {
            assert_eq!(Encoding::from_label(label).map(|_| ()).map_err(|error| error.code), want, "{label}");
        }
    }

    #[test]
    fn latin_1_is_not_windows_1252() {
        assert_eq!(decoded("latin-1", b"\x80\xe4"), ("\u{80}ä".into(), None));
        assert_eq!(decoded("windows-1252", b"\x80\xe4"), ("€ä".into(), None));
        assert_eq!(decoded("iso-8859-15", b"\xa4"), ("€".into(), None));
        assert_eq!(decoded("windows-1253", b"a\xd2"), ("a\u{fffd}".into(), Some(1)));
    }

    #[test]
    fn illegal_and_cut_off_utf8() {
        let utf8 = Encoding::Utf8;
        assert_eq!(utf8.decode(b"a\xffb").invalid_at, Some(1));
        assert!(!utf8.decode(b"a\xffb").cut_off);
        assert!(utf8.decode("aä".as_bytes()[..2].as_ref()).cut_off);
        assert_eq!(utf8.decode(b"\xed\xa0\x80").invalid_at, Some(0));
    }

    #[test]
    fn every_label_that_a_spec_may_say_is_known() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../../../schemas/vectors/encoding-labels.json")).expect("a list of labels");
        let labels = |key: &str| -> Vec<String> { serde_json::from_value(vectors[key].clone()).expect("texts") };
        for label in labels("available") {
            assert!(check_label(&label).is_ok(), "{label}");
        }
    }

    #[test]
    fn every_single_byte_encoding_agrees_with_ascii() {
        for label in
            ["latin-1", "windows-1250", "windows-1251", "windows-1258", "iso-8859-2", "iso-8859-16", "koi8-u", "macintosh", "ibm866"]
        {
            let encoding = Encoding::from_label(label).expect("a label");
            for byte in 0..128u8 {
                assert_eq!(encoding.encode(&char::from(byte).to_string()), Some(vec![byte]), "{label} {byte}");
            }
        }
    }
}
