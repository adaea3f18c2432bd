//! `datetime`: microseconds since 1970 in UTC. A text without an offset is local time of the field's zone.

use chrono::{DateTime, LocalResult, TimeZone};
use chrono_tz::Tz;

use super::pattern::Pattern;
use super::time::{MICROS_PER_DAY, MICROS_PER_SECOND, micros, read_iso};
use super::{ValueError, date, digit_pairs, eight_bytes, fixed_digits};

const NOT: ValueError = ValueError::new("TYPE_DATETIME", "not an ISO 8601 date and time");
const OUT: ValueError = ValueError::new("TYPE_RANGE", "outside the years 0001 to 9999");

/// First and last instant that is a value.
const MIN: i64 = -719_162 * MICROS_PER_DAY;
const MAX: i64 = (2_932_896 + 1) * MICROS_PER_DAY - 1;

#[derive(Clone, Debug)]
pub enum DatetimeForm {
    Iso,
    /// ISO first, then these, in order.
    Any(Vec<Pattern>),
    Pattern(Pattern),
}

#[derive(Clone, Debug)]
pub struct DatetimeFormat {
    pub form: DatetimeForm,
    /// None: UTC.
    pub zone: Option<Tz>,
}

impl DatetimeFormat {
    /// Knows a zone by its IANA name; none if there is no such zone.
    pub fn zone(name: &str) -> Option<Option<Tz>> {
        let zone: Tz = name.parse().ok()?;
        Some((zone != Tz::UTC).then_some(zone))
    }

    /// The instant of a local time of this zone, both in microseconds.
    pub(crate) fn instant_of_local(&self, local: i64) -> Result<i64, ValueError> {
        let instant = self.zone.map_or(Ok(local), |zone| in_zone(local, zone))?;
        if (MIN..=MAX).contains(&instant) { Ok(instant) } else { Err(OUT) }
    }
}

/// A date and time as written: local microseconds since 1970, and the offset in seconds where the text has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub local: i64,
    pub offset: Option<i32>,
}

pub fn parse(text: &[u8], format: &DatetimeFormat) -> Result<i64, ValueError> {
    let written = match &format.form {
        DatetimeForm::Iso => written_iso(text)?,
        DatetimeForm::Pattern(pattern) => pattern.parse_datetime(text)?,
        DatetimeForm::Any(patterns) => match written_iso(text) {
            Ok(written) => written,
            Err(error) => patterns.iter().find_map(|pattern| pattern.parse_datetime(text).ok()).ok_or(error)?,
        },
    };
    let instant = match (written.offset, format.zone) {
        (Some(offset), _) => written.local - i64::from(offset) * MICROS_PER_SECOND,
        (None, None) => written.local,
        (None, Some(zone)) => in_zone(written.local, zone)?,
    };
    if (MIN..=MAX).contains(&instant) { Ok(instant) } else { Err(OUT) }
}

fn written_iso(text: &[u8]) -> Result<Written, ValueError> {
    fixed_iso(text).map_or_else(|| any_iso(text), Ok)
}

fn any_iso(text: &[u8]) -> Result<Written, ValueError> {
    let day = date::parse_iso(text.get(..10).ok_or(NOT)?).map_err(|error| ValueError::new(NOT.code, error.why))?;
    if !matches!(text.get(10), Some(b'T' | b' ')) {
        return Err(NOT);
    }
    let rest = &text[11..];
    let (time, used) = read_iso(rest).map_err(|error| if error.code == "TYPE_TIME" { NOT } else { error })?;
    Ok(Written { local: i64::from(day) * MICROS_PER_DAY + time, offset: read_offset(&rest[used..]).ok_or(NOT)? })
}

/// `YYYY-MM-DDThh:mm:ss`, a fraction of three or six digits or none, and `Z` or nothing: what most programs write. None for any other text,
/// of which nothing is said then.
#[inline]
fn fixed_iso(text: &[u8]) -> Option<Written> {
    let (head, offset) = match text {
        [head @ .., b'Z'] => (head, Some(0)),
        _ => (text, None),
    };
    let fraction = match head.len() {
        19 => 0,
        23 => 1_000 * three_digits(head, 20)?,
        26 => 1_000 * three_digits(head, 20)? + three_digits(head, 23)?,
        _ => return None,
    };
    if head.len() > 19 && head[19] != b'.' {
        return None;
    }
    // What stands between the digits, and the digits without it: eight bytes at a time.
    let (day_word, time_word) = (eight_bytes(head, 0)?, eight_bytes(head, 8)?);
    let has_separators = day_word & 0xff00_00ff_0000_0000 == 0x2d00_002d_0000_0000
        && time_word & 0x0000_ff00_00ff_0000 == 0x0000_3a00_0054_0000
        && head[16] == b':';
    if !has_separators {
        return None;
    }
    let second = u64::from(head[17]) | u64::from(head[18]) << 8;
    let day = digit_pairs(day_word & 0xffff_ffff | day_word >> 8 & 0xffff_0000_0000 | time_word << 48)?;
    let time = digit_pairs(time_word >> 24 & 0xffff | time_word >> 32 & 0xffff_0000 | second << 32 | 0x3030 << 48)?;
    let pair = |pairs: u64, place: u32| (pairs >> (16 * place)) as u32 & 0xffff;
    let day = date::days((pair(day, 0) * 100 + pair(day, 1)) as i32, pair(day, 2), pair(day, 3))?;
    let time = micros(pair(time, 0), pair(time, 1), pair(time, 2))?;
    Some(Written { local: i64::from(day) * MICROS_PER_DAY + time + i64::from(fraction), offset })
}

#[inline(always)]
fn two_digits(text: &[u8], at: usize) -> Option<u32> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

#[inline(always)]
fn three_digits(text: &[u8], at: usize) -> Option<u32> {
    let ones = text[at + 2].wrapping_sub(b'0');
    (ones <= 9).then_some(two_digits(text, at)? * 10 + u32::from(ones))
}

/// Nothing, `Z`, `±hh`, `±hhmm` or `±hh:mm` as seconds east of UTC; the outer none means anything else.
pub(crate) fn read_offset(text: &[u8]) -> Option<Option<i32>> {
    let sign = match text.first() {
        None => return Some(None),
        Some(b'Z') => return (text.len() == 1).then_some(Some(0)),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let hours = fixed_digits(&text[1..], 2)?;
    let minutes = match &text[3..] {
        [] => 0,
        [b':', rest @ ..] | rest if rest.len() == 2 => fixed_digits(rest, 2)?,
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| Some(sign * (hours * 3600 + minutes * 60) as i32))
}

/// A local time that a clock change skips is an error; of one that it repeats the first counts.
fn in_zone(local: i64, zone: Tz) -> Result<i64, ValueError> {
    let naive = DateTime::from_timestamp_micros(local).ok_or(OUT)?.naive_utc();
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(instant) => Ok(instant.timestamp_micros()),
        LocalResult::Ambiguous(one, other) => Ok(one.timestamp_micros().min(other.timestamp_micros())),
        LocalResult::None => Err(ValueError::new(NOT.code, "a local time that a clock change skips")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, NaiveDate};
    use proptest::prelude::*;

    fn at(text: &str, zone: &str) -> Result<i64, &'static str> {
        let format = DatetimeFormat { form: DatetimeForm::Iso, zone: DatetimeFormat::zone(zone).expect("a zone") };
        parse(text.as_bytes(), &format).map_err(|error| error.code)
    }

    #[test]
    fn iso_instants() {
        for (text, zone, want) in [
            ("1970-01-01T00:00:00Z", "UTC", Ok(0)),
            ("1970-01-01 00:00", "UTC", Ok(0)),
            ("1970-01-01T01:00+01", "UTC", Ok(0)),
            ("1970-01-01T01:30+0130", "UTC", Ok(0)),
            ("1969-12-31T23:00:00.5-01:00", "UTC", Ok(500_000)),
            ("1970-01-01T01:00", "Europe/Berlin", Ok(0)),
            ("1970-01-01T00:00Z", "Europe/Berlin", Ok(0)),
            // Skipped and repeated by the clock changes of 2024 in Berlin.
            ("2024-03-31T02:30", "Europe/Berlin", Err("TYPE_DATETIME")),
            ("2024-10-27T02:30", "Europe/Berlin", Ok(1_729_989_000_000_000)),
            ("1970-01-01", "UTC", Err("TYPE_DATETIME")),
            ("1970-01-01  00:00", "UTC", Err("TYPE_DATETIME")),
            ("1970-01-01T00:00z", "UTC", Err("TYPE_DATETIME")),
            ("1970-01-01T00:00+1", "UTC", Err("TYPE_DATETIME")),
            ("1970-01-01T00:00+01:", "UTC", Err("TYPE_DATETIME")),
            ("1970-01-01T00:00+25", "UTC", Err("TYPE_DATETIME")),
            ("1970-02-30T00:00", "UTC", Err("TYPE_DATETIME")),
            ("1970-01-01T00:00:00.1234567", "UTC", Err("TYPE_PRECISION")),
            ("0001-01-01T00:00+01", "UTC", Err("TYPE_RANGE")),
            ("9999-12-31T23:59-01", "UTC", Err("TYPE_RANGE")),
            ("", "UTC", Err("TYPE_DATETIME")),
        ] {
            assert_eq!(at(text, zone), want, "{text:?}");
        }
        assert!(DatetimeFormat::zone("Mars/Base").is_none());
    }

    proptest! {
        #[test]
        fn the_common_form_agrees_with_every_form(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,7})?Z?",
            flip in prop::option::of((0usize..30, any::<u8>())),
        ) {
            let mut text = text.into_bytes();
            if let Some((place, byte)) = flip && place < text.len() {
                text[place] = byte;
            }
            if let Some(written) = fixed_iso(&text) {
                prop_assert_eq!(any_iso(&text), Ok(written));
            }
        }

        #[test]
        fn agrees_with_chrono(day in -700_000i64..2_900_000, second in 0i64..86_400, minutes in -1439i32..1440) {
            let naive = NaiveDate::default().and_hms_opt(0, 0, 0).expect("midnight") + chrono::Duration::seconds(day * 86_400 + second);
            let offset = FixedOffset::east_opt(minutes * 60).expect("in range");
            let instant = offset.from_local_datetime(&naive).single().expect("fixed offsets have one");
            let text = instant.format("%Y-%m-%dT%H:%M:%S%:z").to_string();
            prop_assert_eq!(at(&text, "UTC"), Ok(instant.timestamp_micros()));
        }
    }
}
