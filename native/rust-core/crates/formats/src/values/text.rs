//! `string`: any text, or one that looks like an e-mail address, a URI or a UUID.

use super::ValueError;

const fn not(why: &'static str) -> ValueError {
    ValueError::new("TYPE_FORMAT", why)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    Any,
    Email,
    Uri,
    Uuid,
}

/// Checks a text; it is its own value.
pub fn check(text: &str, format: TextFormat) -> Result<(), ValueError> {
    match format {
        TextFormat::Any => Ok(()),
        TextFormat::Email => check_email(text),
        TextFormat::Uri => check_uri(text),
        TextFormat::Uuid => check_uuid(text),
    }
}

/// One `@`, a local part of 1–64 characters, a domain with a dot inside, no blanks or controls.
fn check_email(text: &str) -> Result<(), ValueError> {
    let (local, domain) = text.split_once('@').ok_or(not("no @"))?;
    if domain.contains('@') {
        return Err(not("more than one @"));
    }
    if local.is_empty() || local.chars().count() > 64 {
        return Err(not("the part before @ must have 1 to 64 characters"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(not("a blank or control character"));
    }
    let labels: Vec<&str> = domain.split('.').collect();
    if labels.len() < 2 || labels.iter().any(|label| label.is_empty()) {
        return Err(not("the domain needs a dot between two names"));
    }
    Ok(())
}

/// RFC 3986 with a scheme: `scheme ":" hier-part ["?" query] ["#" fragment]`.
fn check_uri(text: &str) -> Result<(), ValueError> {
    let (scheme, rest) = text.split_once(':').ok_or(not("no scheme"))?;
    let mut letters = scheme.bytes();
    let begins = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if !begins || !letters.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return Err(not("the scheme must be a letter, then letters, digits, + - ."));
    }
    let (before_fragment, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = before_fragment.split_once('?').unwrap_or((before_fragment, ""));
    let (authority, path) = match path.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", path),
    };
    check_characters(path, b":@/")?;
    check_characters(query, b":@/?")?;
    check_characters(fragment, b":@/?")?;
    check_authority(authority)
}

fn check_authority(authority: &str) -> Result<(), ValueError> {
    let (user, host_port) = authority.rsplit_once('@').unwrap_or(("", authority));
    check_characters(user, b":")?;
    let (host, port) = match host_port.strip_prefix('[') {
        Some(after) => {
            let (address, tail) = after.split_once(']').ok_or(not("an IPv6 address without ]"))?;
            if address.parse::<std::net::Ipv6Addr>().is_err() && !is_future_address(address) {
                return Err(not("not an IPv6 address"));
            }
            ("", if tail.is_empty() { "" } else { tail.strip_prefix(':').ok_or(not("something after ]"))? })
        }
        None => host_port.split_once(':').unwrap_or((host_port, "")),
    };
    check_characters(host, b"")?;
    if port.bytes().all(|byte| byte.is_ascii_digit()) { Ok(()) } else { Err(not("a port that is no number")) }
}

/// `v<hex>.<characters>`, the form RFC 3986 keeps for later kinds of address.
fn is_future_address(address: &str) -> bool {
    let Some((version, rest)) = address.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')) else { return false };
    let hex = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex && !rest.is_empty() && !rest.contains('%') && check_characters(rest, b":").is_ok()
}

/// Unreserved characters, sub-delimiters, percent-encoded bytes, and those of `also`.
fn check_characters(text: &str, also: &[u8]) -> Result<(), ValueError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'%' {
            let hex = bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
            if !hex {
                return Err(not("a % without two hex digits"));
            }
            at += 3;
        } else if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) || also.contains(&byte) {
            at += 1;
        } else {
            return Err(not("a character that no URI may hold unencoded"));
        }
    }
    Ok(())
}

/// 8-4-4-4-12 hex digits.
fn check_uuid(text: &str) -> Result<(), ValueError> {
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if fits { Ok(()) } else { Err(not("not 8-4-4-4-12 hex digits")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (format, good, bad) in [
            (
                TextFormat::Email,
                &["a@b.de", "x.y+z@sub.example.org", "ü@bücher.example"][..],
                &["a", "a@b", "@b.de", "a@@b.de", "a@b..de", "a b@c.de", "a@b.de.", ""][..],
            ),
            (
                TextFormat::Uri,
                &[
                    "http://example.org",
                    "urn:isbn:123",
                    "mailto:a@b.de",
                    "http://u:p@[::1]:80/a%20b?x=1#f",
                    "file:///tmp/a",
                    "x:",
                    "http://[v1.a]/",
                ],
                &[
                    "example.org",
                    "1http://a",
                    "http://a b",
                    "http://a/%2",
                    "http://a:b/",
                    "http://[::1",
                    "http://[x]/",
                    "a:ä",
                    "a:b#c#d",
                    "",
                ],
            ),
            (
                TextFormat::Uuid,
                &["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
                &["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g", "{123e4567-e89b-12d3-a456-426614174000}"],
            ),
        ] {
            for text in good {
                assert_eq!(check(text, format), Ok(()), "{text:?}");
            }
            for text in bad {
                assert_eq!(check(text, format).map_err(|error| error.code), Err("TYPE_FORMAT"), "{text:?}");
            }
        }
    }
}
