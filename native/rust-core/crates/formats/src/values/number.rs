//! `number`: a 64-bit float, or an exact decimal of the schema's precision and scale.

use super::ValueError;
use super::integer::{drop_groups, strip_around};

const NOT: &str = "TYPE_NUMBER";
const LOST: &str = "TYPE_PRECISION";

/// How numbers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    pub decimal: char,
    pub group: Option<char>,
    /// False: characters around the number are cut first.
    pub bare: bool,
}

impl NumberFormat {
    /// As in JSON and most programs.
    pub const PLAIN: NumberFormat = NumberFormat { decimal: '.', group: None, bare: true };

    pub fn is_plain(&self) -> bool {
        self.decimal == '.' && self.group.is_none() && self.bare
    }
}

/// The parts of a number in plain form: digits before and after the point, and the exponent's value.
struct Parts<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// Nearest 64-bit float, ties to even. `NaN`, `INF` and `-INF` are values; what rounds to infinity is out of range.
pub fn parse_float(text: &[u8], format: &NumberFormat) -> Result<f64, ValueError> {
    if format.is_plain() {
        return parse_plain_float(text);
    }
    if let Some(value) = special(text) {
        return Ok(value);
    }
    parse_plain_float(normalise(text, format)?.as_bytes())
}

/// The number times `10^scale`. A digit that `scale` or `precision` would drop is an error unless it is a trailing zero.
pub fn parse_decimal(text: &[u8], format: &NumberFormat, precision: u8, scale: u8) -> Result<i128, ValueError> {
    if format.is_plain() {
        return scaled(&split(text)?, precision, scale);
    }
    scaled(&split(normalise(text, format)?.as_bytes())?, precision, scale)
}

fn special(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"INF" => Some(f64::INFINITY),
        b"-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

const POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

fn parse_plain_float(text: &[u8]) -> Result<f64, ValueError> {
    if let Some(value) = short_float(text) {
        return Ok(value);
    }
    if let Some(value) = special(text) {
        return Ok(value);
    }
    split(text)?;
    // The grammar above is a subset of the standard library's, and all ASCII.
    let value: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(ValueError::new(NOT, "not a number"))?;
    if value.is_infinite() { Err(ValueError::new("TYPE_RANGE", "larger than a 64-bit float holds")) } else { Ok(value) }
}

/// Two to eight bytes, one of them a point and all others digits, at once; none for anything else, of which nothing is said then.
#[inline(always)]
fn eight_places(text: &[u8]) -> Option<f64> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    if text.len() < 2 {
        return None;
    }
    let word = super::up_to_eight(text)?;
    // The lowest byte that is a point gets the highest bit of its place.
    let points = word ^ (ONES * u64::from(b'.'));
    let found = points.wrapping_sub(ONES) & !points & (ONES << 7);
    if found == 0 {
        return None;
    }
    let place = found.trailing_zeros() / 8;
    // Digits before the point move up by one byte, over it, and a zero comes in front.
    let before = word & ((1 << (8 * place)) - 1);
    let digits = (word ^ before) & !(0xff << (8 * place)) | before << 8 | u64::from(b'0');
    let mantissa = super::eight_digits(digits)?;
    Some(mantissa as f64 / POWERS[7 - place as usize])
}

/// Numbers of at most 15 digits without exponent, where one division of two exact floats rounds correctly. None: take the long way.
#[inline]
fn short_float(text: &[u8]) -> Option<f64> {
    let (negative, rest) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(value) = eight_places(rest) {
        return Some(if negative { -value } else { value });
    }
    if rest.len() > 16 {
        return None;
    }
    let (mut mantissa, mut digits, mut point) = (0u64, 0usize, None);
    for (place, &byte) in rest.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            mantissa = mantissa * 10 + u64::from(digit);
            digits += 1;
        } else if byte == b'.' && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    if digits == 0 || digits > 15 {
        return None;
    }
    let decimals = point.map_or(0, |place| rest.len() - place - 1);
    let value = mantissa as f64 / POWERS[decimals];
    Some(if negative { -value } else { value })
}

/// Brings a number with own decimal and group characters to plain form.
fn normalise(text: &[u8], format: &NumberFormat) -> Result<String, ValueError> {
    let not = |why| ValueError::new(NOT, why);
    let text = std::str::from_utf8(text).map_err(|_| not("a character that belongs to no number"))?;
    let text = if format.bare { text } else { strip_around(text, format.group, Some(format.decimal)) };
    let whole_end = text.find([format.decimal, 'e', 'E']).unwrap_or(text.len());
    let (sign, whole) = match text[..whole_end].strip_prefix(['+', '-']) {
        Some(rest) => (&text[..1], rest),
        None => ("", &text[..whole_end]),
    };
    let whole = drop_groups(whole, format.group).ok_or(not("digit groups of the wrong size"))?;
    let mut rest = &text[whole_end..];
    let mut plain = format!("{sign}{whole}");
    if let Some(after) = rest.strip_prefix(format.decimal) {
        plain.push('.');
        rest = after;
    } else if rest.starts_with('.') {
        return Err(not("another decimal character than the schema's"));
    }
    if rest.contains('.') || (whole.contains('.') && format.decimal != '.') {
        return Err(not("another decimal character than the schema's"));
    }
    plain.push_str(rest);
    Ok(plain)
}

/// Checks `[+-]?(digits[. digits?]? | . digits)([eE][+-]?digits)?` and cuts it into parts.
fn split(text: &[u8]) -> Result<Parts<'_>, ValueError> {
    let not = |why| Err(ValueError::new(NOT, why));
    let (negative, rest) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, rest) = rest.split_at(super::digit_run(rest, rest.len()));
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(after) => after.split_at(super::digit_run(after, after.len())),
        None => (&rest[..0], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return not("no digit");
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', digits @ ..] => match exponent(digits) {
            Some(exponent) => exponent,
            None => return not("an exponent without digits"),
        },
        _ => return not("a character that belongs to no number"),
    };
    Ok(Parts { negative, whole, fraction, exponent })
}

/// The exponent, held within ±1,000,000 as no larger one makes a difference.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if negative { -value } else { value })
}

fn scaled(parts: &Parts<'_>, precision: u8, scale: u8) -> Result<i128, ValueError> {
    let lost = |why| ValueError::new(LOST, why);
    // Digit `i` of whole and fraction together stands for 10^(places - i), counted in units of 10^-scale.
    let mut places = parts.whole.len() as i64 - 1 + parts.exponent + i64::from(scale);
    let mut value = 0i128;
    for &byte in parts.whole.iter().chain(parts.fraction) {
        let digit = i128::from(byte - b'0');
        if places < 0 && digit != 0 {
            return Err(lost("more digits after the point than the scale"));
        }
        if places >= 0 {
            value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(lost("more digits than the precision"))?;
        }
        places -= 1;
    }
    if value != 0 && places >= 0 {
        let missing = u32::try_from(places + 1).unwrap_or(u32::MAX);
        let factor = 10i128.checked_pow(missing).ok_or(lost("more digits than the precision"))?;
        value = value.checked_mul(factor).ok_or(lost("more digits than the precision"))?;
    }
    if value >= 10i128.pow(u32::from(precision.min(38))) {
        return Err(lost("more digits than the precision"));
    }
    Ok(if parts.negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn float(text: &str) -> Result<f64, &'static str> {
        parse_float(text.as_bytes(), &NumberFormat::PLAIN).map_err(|error| error.code)
    }

    #[test]
    fn floats() {
        for (text, want) in [
            ("0", Ok(0.0)),
            ("1.", Ok(1.0)),
            (".5", Ok(0.5)),
            ("+1.25e-3", Ok(0.001_25)),
            ("1E5", Ok(100_000.0)),
            ("INF", Ok(f64::INFINITY)),
            ("-INF", Ok(f64::NEG_INFINITY)),
            ("123456789012345678901234567890", Ok(123_456_789_012_345_678_901_234_567_890.0)),
            ("1e400", Err("TYPE_RANGE")),
            ("1e999999999999999999999", Err("TYPE_RANGE")),
            ("inf", Err(NOT)),
            ("nan", Err(NOT)),
            ("infinity", Err(NOT)),
            (".", Err(NOT)),
            ("1e", Err(NOT)),
            ("1,5", Err(NOT)),
            ("0x10", Err(NOT)),
            ("1.2.3", Err(NOT)),
            ("", Err(NOT)),
        ] {
            assert_eq!(float(text), want, "{text:?}");
        }
        assert!(float("NaN").is_ok_and(f64::is_nan));
        assert!(float("-0").is_ok_and(|value| value == 0.0 && value.is_sign_negative()));
    }

    #[test]
    fn own_decimal_and_group_characters() {
        let german = NumberFormat { decimal: ',', group: Some('.'), bare: false };
        for (text, want) in [
            ("1.234,5", Ok(1234.5)),
            ("1.234", Ok(1234.0)),
            ("12,5 %", Ok(12.5)),
            ("€ -7", Ok(-7.0)),
            (",5", Ok(0.5)),
            ("1.23", Err(NOT)),
            ("1,2,3", Err(NOT)),
            ("1,234.5", Err(NOT)),
            ("NaN", Ok(f64::NAN)),
        ] {
            let got = parse_float(text.as_bytes(), &german).map_err(|error| error.code);
            assert!(got == want || (got.is_ok_and(f64::is_nan) && want.is_ok_and(f64::is_nan)), "{text:?}: {got:?}");
        }
        let comma_only = NumberFormat { decimal: ',', group: None, bare: true };
        assert_eq!(parse_float(b"1.5", &comma_only).map_err(|error| error.code), Err(NOT));
    }

    #[test]
    fn decimals() {
        for (text, precision, scale, want) in [
            ("1.25", 10, 2, Ok(125)),
            ("-1.2", 10, 2, Ok(-120)),
            ("1.2500", 10, 2, Ok(125)),
            ("1.251", 10, 2, Err(LOST)),
            ("125e-2", 10, 2, Ok(125)),
            ("1e3", 10, 2, Ok(100_000)),
            ("0.00e99999", 10, 2, Ok(0)),
            ("99999999.99", 10, 2, Ok(9_999_999_999)),
            ("100000000.00", 10, 2, Err(LOST)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10i128.pow(38) - 1)),
            ("1e38", 38, 0, Err(LOST)),
            ("1e999999999", 38, 0, Err(LOST)),
            ("000000000000000000000000000000000000000000001", 3, 0, Ok(1)),
            ("0.000000000000000000000000000000000000000000000", 3, 0, Ok(0)),
            ("NaN", 10, 2, Err(NOT)),
            ("", 10, 2, Err(NOT)),
        ] {
            let got = parse_decimal(text.as_bytes(), &NumberFormat::PLAIN, precision, scale).map_err(|error| error.code);
            assert_eq!(got, want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn floats_agree_with_the_standard_library(text in "[+-]?[0-9]{0,20}(\\.[0-9]{0,20})?(e[+-]?[0-9]{1,3})?") {
            let got = float(&text);
            match text.parse::<f64>() {
                Ok(want) if want.is_finite() => prop_assert_eq!(got.map(f64::to_bits), Ok(want.to_bits())),
                Ok(_) => prop_assert_eq!(got, Err("TYPE_RANGE")),
                Err(_) => prop_assert_eq!(got, Err(NOT)),
            }
        }

        #[test]
        fn decimals_agree_with_integer_arithmetic(value in -10i128.pow(20)..10i128.pow(20), scale in 0u8..10, zeros in 0usize..4) {
            let digits = format!("{:0width$}", value.abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let text = format!("{}{whole}.{fraction}{}", if value < 0 { "-" } else { "" }, "0".repeat(zeros));
            prop_assert_eq!(parse_decimal(text.as_bytes(), &NumberFormat::PLAIN, 38, scale), Ok(value));
        }
    }
}
