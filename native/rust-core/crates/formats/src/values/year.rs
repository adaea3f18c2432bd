//! `year`: a sign or none, and four digits.

use super::{ValueError, fixed_digits};

pub fn parse(text: &[u8]) -> Result<i32, ValueError> {
    let (sign, digits) = match text.first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    match fixed_digits(digits, 4) {
        Some(year) if digits.len() == 4 => Ok(sign * year as i32),
        _ => Err(ValueError::new("TYPE_YEAR", "not four digits")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn four_digits() {
        for (text, want) in [("2026", Some(2026)), ("-0044", Some(-44)), ("+1999", Some(1999)), ("26", None), ("20260", None), ("", None)] {
            assert_eq!(super::parse(text.as_bytes()).ok(), want, "{text:?}");
        }
    }
}
