//! `file://` URIs and paths. Only `%`, `?`, `#` and bytes outside printable ASCII are percent-encoded, so that people can read them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const SCHEME: &str = "file://";

/// The absolute path that `uri` names. Another scheme or a host is refused.
pub fn path_of_uri(uri: &str) -> Result<PathBuf> {
    let refuse = |cause: &str| Error::new("SPEC_URI", "use", uri, cause);
    let rest = uri.strip_prefix(SCHEME).ok_or_else(|| refuse("expected a file:// URI"))?;
    if !rest.starts_with('/') {
        return Err(refuse("expected an absolute path without a host"));
    }
    let bytes = decode(rest.as_bytes()).ok_or_else(|| refuse("expected two hex digits after %"))?;
    if bytes.contains(&0) {
        return Err(refuse("a path cannot hold a zero byte"));
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

/// The URI of an absolute path.
pub fn uri_of_path(path: &Path) -> String {
    let mut uri = String::from(SCHEME);
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' | 0..=0x20 | 0x7f.. => uri.push_str(&format!("%{byte:02X}")),
            _ => uri.push(char::from(byte)),
        }
    }
    uri
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'%' {
            bytes.push(text[at]);
            at += 1;
            continue;
        }
        let digits = text.get(at + 1..at + 3)?;
        let high = char::from(digits[0]).to_digit(16)?;
        let low = char::from(digits[1]).to_digit(16)?;
        bytes.push((high * 16 + low) as u8);
        at += 3;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_schemes_hosts_and_broken_escapes_are_refused() {
        for uri in ["s3://a/b", "file://host/a", "file:/a", "/a", "file:///a%2", "file:///a%zz", "file:///a%00"] {
            assert_eq!(path_of_uri(uri).unwrap_err().code, "SPEC_URI", "{uri}");
        }
    }

    proptest! {
        #[test]
        fn every_path_comes_back_from_its_uri(name in prop::collection::vec(1u8.., 0..40)) {
            let mut bytes = b"/".to_vec();
            bytes.extend(name);
            let path = PathBuf::from(OsString::from_vec(bytes));
            let uri = uri_of_path(&path);
            prop_assert!(uri.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
            prop_assert_eq!(path_of_uri(&uri).unwrap(), path);
        }
    }
}
