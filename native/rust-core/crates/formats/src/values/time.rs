//! `time`: `hh:mm[:ss[.f]]` in microseconds since midnight, or a pattern.

use super::pattern::Pattern;
use super::{ValueError, digit_run, fixed_digits, fraction_micros};

const NOT: ValueError = ValueError::new("TYPE_TIME", "not hh:mm[:ss[.f]]");

#[derive(Clone, Debug)]
pub enum TimeFormat {
    Iso,
    Pattern(Pattern),
}

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

pub fn parse(text: &[u8], format: &TimeFormat) -> Result<i64, ValueError> {
    match format {
        TimeFormat::Iso => match read_iso(text)? {
            (micros, used) if used == text.len() => Ok(micros),
            _ => Err(NOT),
        },
        TimeFormat::Pattern(pattern) => pattern.parse_time(text),
    }
}

/// Reads a time at the start of `text`: microseconds since midnight and how many bytes it took.
pub(crate) fn read_iso(text: &[u8]) -> Result<(i64, usize), ValueError> {
    let hour = fixed_digits(text, 2).ok_or(NOT)?;
    if text.get(2) != Some(&b':') {
        return Err(NOT);
    }
    let minute = fixed_digits(&text[3..], 2).ok_or(NOT)?;
    if text.get(5) != Some(&b':') {
        return Ok((micros(hour, minute, 0).ok_or(NOT)?, 5));
    }
    let second = fixed_digits(&text[6..], 2).ok_or(NOT)?;
    let whole = micros(hour, minute, second).ok_or(NOT)?;
    if text.get(8) != Some(&b'.') {
        return Ok((whole, 8));
    }
    let count = digit_run(&text[9..], 10);
    if count == 0 || count > 9 {
        return Err(NOT);
    }
    Ok((whole + fraction_micros(&text[9..9 + count])?, 9 + count))
}

/// Microseconds since midnight; none for 24:00, second 60 and beyond.
pub(crate) fn micros(hour: u32, minute: u32, second: u32) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then(|| i64::from(hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{NaiveTime, Timelike};
    use proptest::prelude::*;

    #[test]
    fn iso_times() {
        for (text, want) in [
            ("00:00", Ok(0)),
            ("23:59:59.999999", Ok(MICROS_PER_DAY - 1)),
            ("12:30:01", Ok(45_001_000_000)),
            ("12:30:01.5", Ok(45_001_500_000)),
            ("12:30:01.123456000", Ok(45_001_123_456)),
            ("12:30:01.1234567", Err("TYPE_PRECISION")),
            ("12:30:01.1234567890", Err("TYPE_TIME")),
            ("12:30:01.", Err("TYPE_TIME")),
            ("24:00", Err("TYPE_TIME")),
            ("12:60", Err("TYPE_TIME")),
            ("12:30:60", Err("TYPE_TIME")),
            ("1:30", Err("TYPE_TIME")),
            ("12:30Z", Err("TYPE_TIME")),
            ("", Err("TYPE_TIME")),
        ] {
            assert_eq!(parse(text.as_bytes(), &TimeFormat::Iso).map_err(|error| error.code), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(hour in 0u32..26, minute in 0u32..62, second in 0u32..60, fraction in 0u32..1_000_000) {
            let text = format!("{hour:02}:{minute:02}:{second:02}.{fraction:06}");
            let want = NaiveTime::parse_from_str(&text, "%H:%M:%S%.f").ok();
            let want = want.map(|time| i64::from(time.num_seconds_from_midnight()) * MICROS_PER_SECOND + i64::from(time.nanosecond() / 1000));
            prop_assert_eq!(parse(text.as_bytes(), &TimeFormat::Iso).ok(), want);
        }
    }
}
