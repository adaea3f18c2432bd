//! strptime patterns of dates and times: compiled once, matched left to right without backtracking.

use super::datetime::{Written, read_offset};
use super::time::{MICROS_PER_DAY, MICROS_PER_SECOND, micros};
use super::{ValueError, date, digit_run, fixed_digits, fraction_micros};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Literal(u8),
    Year,
    ShortYear,
    Month,
    Day,
    /// As `Day`, with one blank in place of a leading zero.
    BlankDay,
    MonthName,
    MonthAbbreviation,
    DayName,
    DayAbbreviation,
    DayOfYear,
    Hour,
    Hour12,
    HalfDay,
    Minute,
    Second,
    Fraction,
    Offset,
    UtcName,
    Epoch,
}

/// A pattern whose directives are all known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    items: Vec<Item>,
}

/// What a text said, part by part.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    weekday: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u32>,
    hour12: Option<u32>,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    fraction: i64,
    offset: Option<i32>,
    epoch: Option<i64>,
}

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
/// 1970-01-01 was a Thursday, so day 0 has index 0.
const WEEKDAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

/// Outside of these no clock time is meant: it keeps `%s` from overflowing.
const MAX_EPOCH_DIGITS: usize = 12;

impl Pattern {
    /// Errors name the directive that is not known.
    pub fn compile(text: &str) -> Result<Pattern, String> {
        let mut items = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'%' {
                items.push(Item::Literal(byte));
                continue;
            }
            match bytes.next() {
                Some(directive) => push_directive(directive, &mut items)?,
                None => return Err("a single % at the end".into()),
            }
        }
        if items.is_empty() { Err("an empty pattern".into()) } else { Ok(Pattern { items }) }
    }

    fn has(&self, item: Item) -> bool {
        self.items.contains(&item)
    }

    /// The pattern names a whole day.
    pub fn has_date(&self) -> bool {
        let year = self.has(Item::Year) || self.has(Item::ShortYear);
        let month = self.has(Item::Month) || self.has(Item::MonthName) || self.has(Item::MonthAbbreviation);
        let day = self.has(Item::Day) || self.has(Item::BlankDay);
        self.has(Item::Epoch) || (year && (self.has(Item::DayOfYear) || (month && day)))
    }

    /// The pattern names an hour.
    pub fn has_time(&self) -> bool {
        self.has(Item::Epoch) || self.has(Item::Hour) || (self.has(Item::Hour12) && self.has(Item::HalfDay))
    }

    pub fn parse_date(&self, text: &[u8]) -> Result<i32, ValueError> {
        let not = ValueError::new("TYPE_DATE", "not in the form of the pattern");
        let parts = self.read(text, not)?;
        match parts.epoch {
            Some(epoch) => i32::try_from(epoch.div_euclid(86_400)).map_err(|_| not),
            None => parts.days().ok_or(ValueError::new(not.code, "no such day")),
        }
    }

    pub fn parse_time(&self, text: &[u8]) -> Result<i64, ValueError> {
        let not = ValueError::new("TYPE_TIME", "not in the form of the pattern");
        let parts = self.read(text, not)?;
        match parts.epoch {
            Some(epoch) => Ok(epoch.rem_euclid(86_400) * MICROS_PER_SECOND + parts.fraction),
            None => parts.time().ok_or(ValueError::new(not.code, "no such time")),
        }
    }

    pub(crate) fn parse_datetime(&self, text: &[u8]) -> Result<Written, ValueError> {
        let not = ValueError::new("TYPE_DATETIME", "not in the form of the pattern");
        let parts = self.read(text, not)?;
        if let Some(epoch) = parts.epoch {
            return Ok(Written { local: epoch * MICROS_PER_SECOND + parts.fraction, offset: Some(0) });
        }
        let day = parts.days().ok_or(ValueError::new(not.code, "no such day"))?;
        let time = parts.time().ok_or(ValueError::new(not.code, "no such time"))?;
        Ok(Written { local: i64::from(day) * MICROS_PER_DAY + time, offset: parts.offset })
    }

    fn read(&self, text: &[u8], not: ValueError) -> Result<Parts, ValueError> {
        let mut parts = Parts::default();
        let mut rest = text;
        for item in &self.items {
            let used = read_item(*item, rest, &mut parts, not)?;
            rest = &rest[used..];
        }
        if rest.is_empty() { Ok(parts) } else { Err(not) }
    }
}

fn push_directive(directive: u8, items: &mut Vec<Item>) -> Result<(), String> {
    let slash = Item::Literal(b'/');
    let dash = Item::Literal(b'-');
    let colon = Item::Literal(b':');
    match directive {
        b'Y' => items.push(Item::Year),
        b'y' => items.push(Item::ShortYear),
        b'm' => items.push(Item::Month),
        b'd' => items.push(Item::Day),
        b'e' => items.push(Item::BlankDay),
        b'B' => items.push(Item::MonthName),
        b'b' => items.push(Item::MonthAbbreviation),
        b'A' => items.push(Item::DayName),
        b'a' => items.push(Item::DayAbbreviation),
        b'j' => items.push(Item::DayOfYear),
        b'H' => items.push(Item::Hour),
        b'I' => items.push(Item::Hour12),
        b'p' => items.push(Item::HalfDay),
        b'M' => items.push(Item::Minute),
        b'S' => items.push(Item::Second),
        b'f' => items.push(Item::Fraction),
        b'z' => items.push(Item::Offset),
        b'Z' => items.push(Item::UtcName),
        b's' => items.push(Item::Epoch),
        b'F' => items.extend([Item::Year, dash, Item::Month, dash, Item::Day]),
        b'T' => items.extend([Item::Hour, colon, Item::Minute, colon, Item::Second]),
        b'R' => items.extend([Item::Hour, colon, Item::Minute]),
        b'D' => items.extend([Item::Month, slash, Item::Day, slash, Item::ShortYear]),
        b'%' => items.push(Item::Literal(b'%')),
        other => return Err(format!("unknown directive %{}", char::from(other))),
    }
    Ok(())
}

/// Reads one item at the start of `text` and says how many bytes it took.
fn read_item(item: Item, text: &[u8], parts: &mut Parts, not: ValueError) -> Result<usize, ValueError> {
    match item {
        Item::Literal(byte) => return if text.first() == Some(&byte) { Ok(1) } else { Err(not) },
        Item::Year => {
            parts.year = Some(fixed_digits(text, 4).ok_or(not)?);
            return Ok(4);
        }
        Item::ShortYear => {
            let year = fixed_digits(text, 2).ok_or(not)?;
            parts.year = Some(if year >= 69 { 1900 + year } else { 2000 + year });
            return Ok(2);
        }
        Item::BlankDay if text.first() == Some(&b' ') => {
            parts.day = Some(fixed_digits(&text[1..], 1).ok_or(not)?);
            return Ok(2);
        }
        Item::MonthName | Item::MonthAbbreviation => {
            let (index, used) = name(text, &MONTHS, item == Item::MonthAbbreviation).ok_or(not)?;
            parts.month = Some(index as u32 + 1);
            return Ok(used);
        }
        Item::DayName | Item::DayAbbreviation => {
            let (index, used) = name(text, &WEEKDAYS, item == Item::DayAbbreviation).ok_or(not)?;
            parts.weekday = Some(index as u32);
            return Ok(used);
        }
        Item::HalfDay => {
            let (index, used) = name(text, &["am", "pm"], false).ok_or(not)?;
            parts.afternoon = Some(index == 1);
            return Ok(used);
        }
        Item::UtcName => {
            let known = [&b"UTC"[..], b"GMT", b"Z"].into_iter().find(|name| text.starts_with(name)).ok_or(not)?;
            parts.offset = Some(0);
            return Ok(known.len());
        }
        Item::Offset => return offset(text, parts).ok_or(not),
        Item::Epoch => return epoch(text, parts).ok_or(not),
        Item::Fraction => {
            let count = digit_run(text, 10);
            if count == 0 || count > 9 {
                return Err(not);
            }
            parts.fraction = fraction_micros(&text[..count])?;
            return Ok(count);
        }
        _ => {}
    }
    let count = digit_run(text, if item == Item::DayOfYear { 3 } else { 2 });
    let value = fixed_digits(text, count).filter(|_| count > 0).ok_or(not)?;
    match item {
        Item::Month => parts.month = Some(value),
        Item::DayOfYear => parts.day_of_year = Some(value),
        Item::Hour => parts.hour = Some(value),
        Item::Hour12 => parts.hour12 = Some(value),
        Item::Minute => parts.minute = value,
        Item::Second => parts.second = value,
        _ => parts.day = Some(value),
    }
    Ok(count)
}

/// The index of the English name at the start of `text`, in any case.
fn name(text: &[u8], names: &[&str], short: bool) -> Option<(usize, usize)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = if short { &name[..3] } else { name };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name.as_bytes()).then_some((index, name.len()))
    })
}

/// `Z`, `±hh`, `±hhmm` or `±hh:mm`; the longest that fits.
fn offset(text: &[u8], parts: &mut Parts) -> Option<usize> {
    for length in [6, 5, 3, 1] {
        if let Some(Some(seconds)) = text.get(..length).and_then(|head| read_offset(head).flatten().map(Some)) {
            parts.offset = Some(seconds);
            return Some(length);
        }
    }
    None
}

fn epoch(text: &[u8], parts: &mut Parts) -> Option<usize> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let count = digit_run(&text[sign..], MAX_EPOCH_DIGITS + 1);
    if count == 0 || count > MAX_EPOCH_DIGITS {
        return None;
    }
    let value = text[sign..sign + count].iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    parts.epoch = Some(if sign == 1 { -value } else { value });
    Some(sign + count)
}

impl Parts {
    /// Days since 1970; none if there is no such day or the weekday is another.
    fn days(&self) -> Option<i32> {
        let year = self.year? as i32;
        let days = match self.day_of_year {
            Some(number) => {
                let first = date::days(year, 1, 1)?;
                let last = date::days(year, 12, 31)?;
                Some(first + number as i32 - 1).filter(|day| number >= 1 && *day <= last)?
            }
            None => date::days(year, self.month?, self.day?)?,
        };
        let agrees = self.weekday.is_none_or(|weekday| days.rem_euclid(7) as u32 == weekday);
        agrees.then_some(days)
    }

    fn time(&self) -> Option<i64> {
        let hour = match (self.hour, self.hour12) {
            (Some(hour), _) => hour,
            (None, Some(hour)) if (1..=12).contains(&hour) => hour % 12 + if self.afternoon? { 12 } else { 0 },
            (None, Some(_)) => return None,
            (None, None) => 0,
        };
        Some(micros(hour, self.minute, self.second)? + self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use proptest::prelude::*;

    fn date_of(pattern: &str, text: &str) -> Option<i32> {
        Pattern::compile(pattern).expect("a pattern").parse_date(text.as_bytes()).ok()
    }

    fn local(pattern: &str, text: &str) -> Option<(i64, Option<i32>)> {
        let written = Pattern::compile(pattern).expect("a pattern").parse_datetime(text.as_bytes()).ok()?;
        Some((written.local / MICROS_PER_SECOND, written.offset))
    }

    #[test]
    fn dates() {
        let day = date::parse_iso(b"2024-02-29").ok();
        for (pattern, text, want) in [
            ("%d/%m/%Y", "29/02/2024", day),
            ("%d/%m/%Y", "29/2/2024", day),
            ("%Y%m%d", "20240229", day),
            ("%D", "02/29/24", day),
            ("%d %b %Y", "29 FEB 2024", day),
            ("%A, %d %B %Y", "Thursday, 29 february 2024", day),
            ("%A, %d %B %Y", "Friday, 29 february 2024", None),
            ("%Y-%j", "2024-060", day),
            ("%Y-%j", "2023-366", None),
            ("%e.%m.%Y", " 1.03.2024", day.map(|day| day + 1)),
            ("%s", "1709164800", day),
            ("%s", "-1", Some(-1)),
            ("%d/%m/%Y", "30/02/2024", None),
            ("%d/%m/%Y", "29/02/24", None),
            ("%d/%m/%Y", "29/02/2024 ", None),
            ("100%% %F", "100% 2024-02-29", day),
        ] {
            assert_eq!(date_of(pattern, text), want, "{pattern:?} {text:?}");
        }
        assert_eq!(date_of("%y-%m-%d", "69-01-01"), date::days(1969, 1, 1));
        assert_eq!(date_of("%y-%m-%d", "68-01-01"), date::days(2068, 1, 1));
    }

    #[test]
    fn dates_with_times() {
        for (pattern, text, want) in [
            ("%F %T", "1970-01-02 00:00:01", Some((86_401, None))),
            ("%F %I:%M %p", "1970-01-01 12:30 am", Some((1_800, None))),
            ("%F %I:%M %p", "1970-01-01 12:30 PM", Some((45_000, None))),
            ("%F %I:%M %p", "1970-01-01 13:30 PM", None),
            ("%FT%T.%f%z", "1970-01-01T00:00:01.5+01:00", Some((1, Some(3600)))),
            ("%FT%T%z", "1970-01-01T00:00:01Z", Some((1, Some(0)))),
            ("%FT%T%z", "1970-01-01T00:00:01-0130", Some((1, Some(-5400)))),
            ("%F %R %Z", "1970-01-01 00:01 GMT", Some((60, Some(0)))),
            ("%F %R %Z", "1970-01-01 00:01 CET", None),
            ("%d/%b/%Y:%T %z", "01/Jan/1970:00:00:09 +0000", Some((9, Some(0)))),
            ("%F %T", "1970-01-01 24:00:00", None),
        ] {
            assert_eq!(local(pattern, text), want, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn patterns_that_are_refused() {
        for pattern in ["%Q", "%", "", "%-d", "%Y-%"] {
            assert!(Pattern::compile(pattern).is_err(), "{pattern:?}");
        }
        assert!(!Pattern::compile("%m %d").expect("known directives").has_date());
        assert!(Pattern::compile("%Y %j").expect("known directives").has_date());
        assert!(!Pattern::compile("%I:%M").expect("known directives").has_time());
    }

    proptest! {
        #[test]
        fn what_chrono_writes_is_read(day in -700_000i32..2_900_000, index in 0usize..6) {
            let pattern = ["%d/%m/%Y", "%a %e %b %Y", "%A %d. %B %Y", "%Y/%j", "%F", "%m-%d-%Y"][index];
            let naive = NaiveDate::default() + chrono::Duration::days(i64::from(day));
            prop_assert_eq!(date_of(pattern, &naive.format(pattern).to_string()), Some(day));
        }

        #[test]
        fn no_text_makes_it_panic(pattern in "(%[YymdebBaAjHIpMSfzZsFTRD]|[ /:.-]){0,6}", text in "\\PC{0,24}") {
            if let Ok(pattern) = Pattern::compile(&pattern) {
                let _ = pattern.parse_date(text.as_bytes());
                let _ = pattern.parse_time(text.as_bytes());
                let _ = pattern.parse_datetime(text.as_bytes());
            }
        }
    }
}
