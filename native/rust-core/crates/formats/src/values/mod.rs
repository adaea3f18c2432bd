//! Text to typed values, one file a type. Every `parse` takes the text of one value, already trimmed and known to be no missing value.

pub mod base64;
pub mod boolean;
pub mod date;
pub mod datetime;
pub mod duration;
pub mod integer;
pub mod json;
pub mod number;
pub mod pattern;
pub mod text;
pub mod time;
pub mod year;
pub mod yearmonth;

/// Why a text is no value of its type. Small and copied freely: a dirty column makes one for each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// A data code such as `TYPE_INTEGER`.
    pub code: &'static str,
    /// What is wrong, as the end of a sentence: `not an integer: <why>`.
    pub why: &'static str,
}

impl ValueError {
    pub const fn new(code: &'static str, why: &'static str) -> ValueError {
        ValueError { code, why }
    }
}

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The value of eight digits, of which the first is the lowest byte; none if one of the bytes is no digit.
#[inline(always)]
fn eight_digits(word: u64) -> Option<u64> {
    let pairs = digit_pairs(word)?;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}

/// The values of four times two digits, each in 16 bits, the first pair in the lowest; none if one of the bytes is no digit.
#[inline(always)]
fn digit_pairs(word: u64) -> Option<u64> {
    // A digit has 3 in its upper half, and keeps it when 6 is added.
    let upper = 0xf0f0_f0f0_f0f0_f0f0;
    if word & upper != ZEROS || word.wrapping_add(0x0606_0606_0606_0606) & upper != ZEROS {
        return None;
    }
    let ones = word - ZEROS;
    Some((ones.wrapping_mul(10) + (ones >> 8)) & 0x00ff_00ff_00ff_00ff)
}

#[inline(always)]
fn four_bytes(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..at + 4).and_then(|four| four.try_into().ok()).map(|four| u64::from(u32::from_le_bytes(four)))
}

#[inline(always)]
fn eight_bytes(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes)
}

/// One to eight bytes, with digits zero in front so that they are eight. None for more.
#[inline(always)]
fn up_to_eight(text: &[u8]) -> Option<u64> {
    let length = text.len();
    // The loads overlap.
    let word = match length {
        1..=3 => u64::from(text[0]) | u64::from(text[length / 2]) << (8 * (length / 2)) | u64::from(text[length - 1]) << (8 * (length - 1)),
        4..=8 => four_bytes(text, 0)? | four_bytes(text, length - 4)? << (8 * (length - 4)),
        _ => return None,
    };
    let missing = 8 * (8 - length);
    Some(word << missing | ZEROS & ((1 << missing) - 1))
}

/// The value of 1 to 16 digits, eight at a time; none for any other text, of which nothing is said then.
#[inline(always)]
pub(crate) fn short_digits(digits: &[u8]) -> Option<u64> {
    match digits.len() {
        1..=8 => eight_digits(up_to_eight(digits)?),
        length @ 9..=16 => {
            let last = eight_digits(eight_bytes(digits, length - 8)?)?;
            let missing = 8 * (16 - length);
            let first = eight_bytes(digits, 0)? << missing | ZEROS & ((1 << missing) - 1);
            Some(eight_digits(first)? * 100_000_000 + last)
        }
        _ => None,
    }
}

/// The value of `count` decimal digits at the start of `text`; none if there are fewer or another byte stands among them.
pub(crate) fn fixed_digits(text: &[u8], count: usize) -> Option<u32> {
    let digits = text.get(..count)?;
    digits.iter().try_fold(0u32, |value, &byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
}

/// Length of the run of ASCII digits at the start of `text`, at most `limit`.
pub(crate) fn digit_run(text: &[u8], limit: usize) -> usize {
    text.iter().take(limit).take_while(|byte| byte.is_ascii_digit()).count()
}

/// A fraction of a second (1–9 digits, without the point) in microseconds; an error if a digit beyond them is not zero.
pub(crate) fn fraction_micros(digits: &[u8]) -> Result<i64, ValueError> {
    let mut micros = 0i64;
    for place in 0..6 {
        micros = micros * 10 + i64::from(digits.get(place).map_or(0, |digit| digit - b'0'));
    }
    if digits.iter().skip(6).any(|&digit| digit != b'0') {
        return Err(ValueError::new("TYPE_PRECISION", "more digits than microseconds can hold"));
    }
    Ok(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_eight_at_a_time_agree_with_one_by_one(text in "[0-9]{0,18}|[0-9]{0,8}[ -~][0-9]{0,8}|\\PC{2,6}") {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (1..=16).contains(&text.len());
            prop_assert_eq!(short_digits(text.as_bytes()), plain.then(|| text.parse().unwrap()));
        }
    }
}
