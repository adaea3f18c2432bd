//! `integer`: an optional sign and digits, with a group character where the schema names one; 64 bits.

use std::borrow::Cow;

use super::ValueError;

const NOT: &str = "TYPE_INTEGER";

/// How integers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerFormat {
    pub group: Option<char>,
    /// False: characters around the number are cut first (`12 %`, `€ 7`).
    pub bare: bool,
}

impl IntegerFormat {
    pub const PLAIN: IntegerFormat = IntegerFormat { group: None, bare: true };

    pub fn is_plain(&self) -> bool {
        self.group.is_none() && self.bare
    }
}

pub fn parse(text: &[u8], format: &IntegerFormat) -> Result<i64, ValueError> {
    if format.is_plain() {
        return parse_plain(text);
    }
    let text = std::str::from_utf8(text).map_err(|_| ValueError::new(NOT, "a character that is no digit"))?;
    let text = if format.bare { text } else { strip_around(text, format.group, None) };
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (&text[..1], rest),
        None => ("", text),
    };
    let digits = drop_groups(digits, format.group).ok_or(ValueError::new(NOT, "digit groups of the wrong size"))?;
    if sign.is_empty() { parse_plain(digits.as_bytes()) } else { parse_plain(format!("{sign}{digits}").as_bytes()) }
}

/// `[+-]?digits`, nothing else.
#[inline]
pub fn parse_plain(text: &[u8]) -> Result<i64, ValueError> {
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(value) = super::short_digits(digits) {
        return Ok(if negative { -(value as i64) } else { value as i64 });
    }
    // Up to 18 digits cannot overflow, so the common case needs no checks.
    if digits.len() <= 18 {
        let mut value = 0i64;
        for &byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(ValueError::new(NOT, "a character that is no digit"));
            }
            value = value * 10 + i64::from(digit);
        }
        if digits.is_empty() {
            return Err(ValueError::new(NOT, "no digit"));
        }
        return Ok(if negative { -value } else { value });
    }
    parse_long(digits, negative)
}

#[cold]
fn parse_long(digits: &[u8], negative: bool) -> Result<i64, ValueError> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(ValueError::new(NOT, "a character that is no digit"));
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = i64::from(byte - b'0');
        let next = value.checked_mul(10).and_then(|v| if negative { v.checked_sub(digit) } else { v.checked_add(digit) });
        value = next.ok_or(ValueError::new("TYPE_RANGE", "outside the 64-bit integers"))?;
    }
    Ok(value)
}

/// The digits without group characters: the first group has 1–3 digits, middle ones 2 or 3, the last 3. None if a group is wrong.
pub(crate) fn drop_groups(digits: &str, group: Option<char>) -> Option<Cow<'_, str>> {
    let Some(group) = group.filter(|&group| digits.contains(group)) else { return Some(Cow::Borrowed(digits)) };
    let groups: Vec<&str> = digits.split(group).collect();
    let last = groups.len() - 1;
    let fits = |(place, part): (usize, &&str)| match place {
        0 => (1..=3).contains(&part.len()),
        _ if place == last => part.len() == 3,
        _ => (2..=3).contains(&part.len()),
    };
    groups.iter().enumerate().all(fits).then(|| Cow::Owned(groups.concat()))
}

/// Cuts leading and trailing characters that are no digit, sign, decimal or group character.
pub(crate) fn strip_around(text: &str, group: Option<char>, decimal: Option<char>) -> &str {
    text.trim_matches(|c: char| !(c.is_ascii_digit() || c == '+' || c == '-' || Some(c) == group || Some(c) == decimal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grouped(text: &str) -> Result<i64, &'static str> {
        parse(text.as_bytes(), &IntegerFormat { group: Some(','), bare: true }).map_err(|error| error.code)
    }

    #[test]
    fn plain_integers() {
        for (text, want) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("+7", Ok(7)),
            ("007", Ok(7)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("00000000000000000000000000001", Ok(1)),
            ("9223372036854775808", Err("TYPE_RANGE")),
            ("-9223372036854775809", Err("TYPE_RANGE")),
            ("", Err(NOT)),
            ("-", Err(NOT)),
            ("1.0", Err(NOT)),
            ("1 000", Err(NOT)),
            ("--1", Err(NOT)),
            ("1e3", Err(NOT)),
            ("١", Err(NOT)),
            ("12345678901234567890x", Err(NOT)),
        ] {
            assert_eq!(parse_plain(text.as_bytes()).map_err(|error| error.code), want, "{text:?}");
        }
    }

    #[test]
    fn groups_and_bare_numbers() {
        for (text, want) in [
            ("1,234", Ok(1234)),
            ("-12,34,567", Ok(-1_234_567)),
            ("1234", Ok(1234)),
            ("1,23", Err(NOT)),
            (",123", Err(NOT)),
            ("1234,567", Err(NOT)),
            ("1,,234", Err(NOT)),
            ("1,234,", Err(NOT)),
        ] {
            assert_eq!(grouped(text), want, "{text:?}");
        }
        let loose = IntegerFormat { group: Some('\u{a0}'), bare: false };
        assert_eq!(parse("€ 1\u{a0}234 %".as_bytes(), &loose), Ok(1234));
        assert_eq!(parse(b"(5)", &loose), Ok(5));
        assert_eq!(parse(b"abc", &loose).map_err(|error| error.code), Err(NOT));
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(text in "[+-]?[0-9]{0,22}[ax.]?") {
            prop_assert_eq!(parse_plain(text.as_bytes()).ok(), text.parse::<i64>().ok());
        }
    }
}
