//! Ranges that the schema's attributes ask for, checked on plain structs: after decoding, and before encoding so that we never send what a peer
//! must refuse. Which field has which bound is generated into `messages.rs`.

use crate::error::{DecodeError, Path};
use crate::limits::MAX_NUMBER;

pub(crate) trait Bounds {
    fn check(&self, path: &Path) -> Result<(), DecodeError>;
}

impl Bounds for u64 {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        check_number(*self, 0, MAX_NUMBER, path)
    }
}

impl<T: Bounds> Bounds for Option<T> {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.as_ref().map_or(Ok(()), |value| value.check(path))
    }
}

impl<T: Bounds> Bounds for Vec<T> {
    fn check(&self, path: &Path) -> Result<(), DecodeError> {
        self.iter().enumerate().try_for_each(|(index, entry)| entry.check(&path.index(index)))
    }
}

pub(crate) fn check_number(value: u64, least: u64, most: u64, path: &Path) -> Result<(), DecodeError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(path.error(format_args!("expected {least} to {most}, got {value}"))) }
}

pub(crate) fn check_count(count: usize, least: usize, most: usize, path: &Path) -> Result<(), DecodeError> {
    if (least..=most).contains(&count) { Ok(()) } else { Err(path.error(format_args!("expected {least} to {most} entries, got {count}"))) }
}

pub(crate) fn check_filled(text: Option<&str>, path: &Path) -> Result<(), DecodeError> {
    if text == Some("") { Err(path.error("expected a text that is not empty")) } else { Ok(()) }
}

pub(crate) fn check_digest(text: Option<&str>, path: &Path) -> Result<(), DecodeError> {
    let Some(text) = text else { return Ok(()) };
    let is_digest = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_digest { Ok(()) } else { Err(path.error("expected a SHA-256 in lower-case hex")) }
}
