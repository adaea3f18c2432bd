//! `date`: `YYYY-MM-DD` in the years 0001 to 9999, a pattern, or `any` of the forms whose order cannot be mistaken.

use super::pattern::Pattern;
use super::{ValueError, fixed_digits};

const NOT: &str = "TYPE_DATE";

#[derive(Clone, Debug)]
pub enum DateFormat {
    Iso,
    /// ISO first, then these, in order.
    Any(Vec<Pattern>),
    Pattern(Pattern),
}

/// Forms that `any` takes besides ISO.
pub const ANY_PATTERNS: [&str; 4] = ["%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y"];

/// Days since 1970-01-01.
pub fn parse(text: &[u8], format: &DateFormat) -> Result<i32, ValueError> {
    match format {
        DateFormat::Iso => parse_iso(text),
        DateFormat::Pattern(pattern) => pattern.parse_date(text),
        DateFormat::Any(patterns) => parse_iso(text)
            .ok()
            .or_else(|| patterns.iter().find_map(|pattern| pattern.parse_date(text).ok()))
            .ok_or(ValueError::new(NOT, "in none of the forms that `any` takes")),
    }
}

/// `YYYY-MM-DD`, a day that exists.
#[inline]
pub fn parse_iso(text: &[u8]) -> Result<i32, ValueError> {
    let not = ValueError::new(NOT, "not YYYY-MM-DD");
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return Err(not);
    }
    let (year, month, day) =
        (fixed_digits(text, 4).ok_or(not)?, fixed_digits(&text[5..], 2).ok_or(not)?, fixed_digits(&text[8..], 2).ok_or(not)?);
    days(year as i32, month, day).ok_or(ValueError::new(NOT, "no such day"))
}

/// Days since 1970-01-01 of a day in the years 1 to 9999; none if it does not exist.
#[inline]
pub(crate) fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let length = LENGTHS[month as usize - 1] + u32::from(month == 2 && leap);
    if day < 1 || day > length {
        return None;
    }
    // Years run from March here, so that the leap day is the last one of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month as i32 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i32 - 1;
    Some(365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};
    use proptest::prelude::*;

    #[test]
    fn iso_dates() {
        for (text, want) in [
            ("1970-01-01", Some(0)),
            ("2024-02-29", Some(19_782)),
            ("0001-01-01", Some(-719_162)),
            ("9999-12-31", Some(2_932_896)),
            ("2023-02-29", None),
            ("0000-01-01", None),
            ("2023-13-01", None),
            ("2023-00-01", None),
            ("2023-01-00", None),
            ("2023-1-01", None),
            ("2023/01/01", None),
            ("2023-01-01 ", None),
            ("+023-01-01", None),
            ("", None),
        ] {
            assert_eq!(parse_iso(text.as_bytes()).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn any_takes_unmistakable_forms_only() {
        let any = DateFormat::Any(ANY_PATTERNS.iter().map(|text| Pattern::compile(text).expect("valid")).collect());
        for text in ["2026-03-04", "2026/03/04", "04.03.2026", "4 Mar 2026", "mar 4, 2026"] {
            assert_eq!(parse(text.as_bytes(), &any), parse_iso(b"2026-03-04"), "{text:?}");
        }
        for text in ["03/04/2026", "4-3-2026", "20260304", ""] {
            assert_eq!(parse(text.as_bytes(), &any).map_err(|error| error.code), Err(NOT), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn days_agree_with_chrono(year in 0i32..10_001, month in 0u32..14, day in 0u32..33) {
            let want = NaiveDate::from_ymd_opt(year, month, day).filter(|date| (1..=9999).contains(&date.year()));
            prop_assert_eq!(days(year, month, day), want.map(|date| date.num_days_from_ce() - 719_163));
            let text = format!("{year:04}-{month:02}-{day:02}");
            prop_assert_eq!(parse_iso(text.as_bytes()).ok(), days(year, month, day).filter(|_| year < 10_000));
        }
    }
}
