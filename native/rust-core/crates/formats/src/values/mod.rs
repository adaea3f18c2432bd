//! Text to typed values, one file a type. Every `parse` takes the text of one value, already trimmed and known to be no missing value.

pub mod boolean;
pub mod date;
pub mod datetime;
pub mod integer;
pub mod number;
pub mod pattern;
pub mod text;
pub mod time;
pub mod year;

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
