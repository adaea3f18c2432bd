//! `duration`: ISO 8601 `PnYnMnDTnHnMnS` or `PnW`, one decimal fraction in the last part only, a sign before all of it.
//!
//! Months, days and nanoseconds are kept apart, as a day is not always 24 hours and a month has no fixed number of days. A fraction must come out
//! even in the next smaller of these three; of days it counts 24 hours.

use super::ValueError;

/// As Arrow counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duration {
    pub months: i32,
    pub days: i32,
    pub nanos: i64,
}

const NOT: ValueError = ValueError::new("TYPE_DURATION", "not an ISO 8601 duration such as P1Y2M3DT4H5M6.7S");
const OUT: ValueError = ValueError::new("TYPE_RANGE", "more than a duration can count");
const FINE: ValueError = ValueError::new("TYPE_PRECISION", "a fraction that does not come out even");

const SECOND_NS: i128 = 1_000_000_000;

/// What a part counts, and in which of the three numbers. Order in the text is order here.
const DATE_PARTS: [(u8, Unit, i128); 4] = [(b'Y', Unit::Months, 12), (b'M', Unit::Months, 1), (b'W', Unit::Days, 7), (b'D', Unit::Days, 1)];
const TIME_PARTS: [(u8, Unit, i128); 3] =
    [(b'H', Unit::Nanos, 3_600 * SECOND_NS), (b'M', Unit::Nanos, 60 * SECOND_NS), (b'S', Unit::Nanos, SECOND_NS)];

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Months,
    Days,
    Nanos,
}

impl Duration {
    /// Orders by a month of 30.436875 days (a 4,800th part of 400 Gregorian years) and a day of 24 hours. In nanoseconds.
    pub fn order(self) -> i128 {
        i128::from(self.months) * 2_629_746 * SECOND_NS + i128::from(self.days) * 86_400 * SECOND_NS + i128::from(self.nanos)
    }
}

pub fn parse(text: &[u8]) -> Result<Duration, ValueError> {
    let (sign, text) = text.strip_prefix(b"-").map_or((1, text), |rest| (-1, rest));
    let text = text.strip_prefix(b"P").ok_or(NOT)?;
    let (date, time) = match text.iter().position(|byte| *byte == b'T') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if time.is_some_and(<[u8]>::is_empty) || (date.is_empty() && time.is_none()) {
        return Err(NOT);
    }
    let mut sum = Sum { sign, ..Sum::default() };
    sum.add_parts(date, &DATE_PARTS)?;
    sum.add_parts(time.unwrap_or_default(), &TIME_PARTS)?;
    let months = i32::try_from(sum.months).map_err(|_| OUT)?;
    let days = i32::try_from(sum.days).map_err(|_| OUT)?;
    let nanos = i64::try_from(sum.nanos).map_err(|_| OUT)?;
    Ok(Duration { months, days, nanos })
}

#[derive(Default)]
struct Sum {
    sign: i128,
    months: i128,
    days: i128,
    nanos: i128,
    /// A fraction was met: nothing may follow it.
    is_over: bool,
}

impl Sum {
    fn add_parts(&mut self, mut text: &[u8], parts: &[(u8, Unit, i128)]) -> Result<(), ValueError> {
        let mut next = 0;
        while !text.is_empty() {
            let digits = text.iter().position(|byte| !byte.is_ascii_digit()).ok_or(NOT)?;
            let whole = &text[..digits];
            text = &text[digits..];
            let mut fraction: &[u8] = b"";
            if let [b'.' | b',', rest @ ..] = text {
                let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).ok_or(NOT)?;
                (fraction, text) = rest.split_at(digits);
                if fraction.is_empty() {
                    return Err(NOT);
                }
            }
            let at = parts[next..].iter().position(|(letter, ..)| *letter == text[0]).ok_or(NOT)? + next;
            if whole.is_empty() || self.is_over {
                return Err(NOT);
            }
            let (_, unit, factor) = parts[at];
            self.add(number(whole)?, fraction, unit, factor)?;
            (next, text) = (at + 1, &text[1..]);
        }
        Ok(())
    }

    fn add(&mut self, whole: i128, fraction: &[u8], unit: Unit, factor: i128) -> Result<(), ValueError> {
        self.is_over = !fraction.is_empty();
        let scale = 10i128.checked_pow(u32::try_from(fraction.len()).map_err(|_| FINE)?).ok_or(FINE)?;
        let part = number(fraction)?.checked_mul(factor).ok_or(FINE)?;
        let value = self.sign * whole.checked_mul(factor).ok_or(OUT)?;
        match unit {
            Unit::Months if part % scale == 0 => self.months += value + self.sign * (part / scale),
            Unit::Months => return Err(FINE),
            Unit::Days => {
                let nanos = (part % scale).checked_mul(86_400 * SECOND_NS).ok_or(FINE)?;
                if nanos % scale != 0 {
                    return Err(FINE);
                }
                self.days += value + self.sign * (part / scale);
                self.nanos += self.sign * (nanos / scale);
            }
            Unit::Nanos if part % scale == 0 => self.nanos += value + self.sign * (part / scale),
            Unit::Nanos => return Err(FINE),
        }
        Ok(())
    }
}

/// At most 18 digits, leading zeros apart; none is zero.
fn number(digits: &[u8]) -> Result<i128, ValueError> {
    let start = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    if digits.len() - start > 18 {
        return Err(OUT);
    }
    Ok(digits[start..].iter().fold(0, |value, digit| value * 10 + i128::from(digit - b'0')))
}

/// Appends the one form in which a duration is written: no part that is zero, `PT0S` for nothing at all. Where signs differ each part has its own.
pub fn append(value: Duration, out: &mut Vec<u8>) {
    let Duration { months, days, nanos } = value;
    let (mut months, mut days, mut nanos) = (i64::from(months), i64::from(days), i128::from(nanos));
    if months <= 0 && days <= 0 && nanos <= 0 && (months, days, nanos) != (0, 0, 0) {
        out.push(b'-');
        (months, days, nanos) = (-months, -days, -nanos);
    }
    let mut text = String::from("P");
    let part = |number: i128, letter: char, text: &mut String| {
        if number != 0 {
            text.push_str(&format!("{number}{letter}"));
        }
    };
    part((months / 12).into(), 'Y', &mut text);
    part((months % 12).into(), 'M', &mut text);
    part(days.into(), 'D', &mut text);
    if nanos != 0 {
        text.push('T');
        part(nanos / (3_600 * SECOND_NS), 'H', &mut text);
        part(nanos / (60 * SECOND_NS) % 60, 'M', &mut text);
        let seconds = nanos % (60 * SECOND_NS);
        if seconds % SECOND_NS != 0 {
            let sign = if seconds < 0 { "-" } else { "" };
            let seconds = seconds.abs();
            let fraction = format!("{:09}", seconds % SECOND_NS);
            text.push_str(&format!("{sign}{}.{}S", seconds / SECOND_NS, fraction.trim_end_matches('0')));
        } else {
            part(seconds / SECOND_NS, 'S', &mut text);
        }
    }
    out.extend_from_slice(if text == "P" { b"PT0S" } else { text.as_bytes() });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: Duration) -> String {
        let mut out = Vec::new();
        append(value, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn accepted_and_refused() {
        let of = |months, days, nanos| Ok(Duration { months, days, nanos });
        let second = SECOND_NS as i64;
        let cases = [
            ("P1Y2M3DT4H5M6.7S", of(14, 3, (4 * 3_600 + 5 * 60 + 6) * second + 700_000_000)),
            ("P2W", of(0, 14, 0)),
            ("-P1M", of(-1, 0, 0)),
            ("PT0.5H", of(0, 0, 1_800 * second)),
            ("P0,5D", of(0, 0, 43_200 * second)),
            ("P1.5Y", of(18, 0, 0)),
            ("PT36H", of(0, 0, 36 * 3_600 * second)),
            ("PT0.0000000010S", of(0, 0, 1)),
            ("P1.5M", Err("TYPE_PRECISION")),
            ("P0.3Y", Err("TYPE_PRECISION")),
            ("PT0.0000000001S", Err("TYPE_PRECISION")),
            ("P", Err("TYPE_DURATION")),
            ("PT", Err("TYPE_DURATION")),
            ("P1", Err("TYPE_DURATION")),
            ("P1S", Err("TYPE_DURATION")),
            ("PT1D", Err("TYPE_DURATION")),
            ("P1D1Y", Err("TYPE_DURATION")),
            ("P1.5DT1H", Err("TYPE_DURATION")),
            ("PT1.S", Err("TYPE_DURATION")),
            ("PT.5S", Err("TYPE_DURATION")),
            ("1D", Err("TYPE_DURATION")),
            ("p1d", Err("TYPE_DURATION")),
            ("P-1D", Err("TYPE_DURATION")),
            ("P3000000000D", Err("TYPE_RANGE")),
            ("PT9999999999999999999H", Err("TYPE_RANGE")),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text.as_bytes()).map_err(|error| error.code), want, "{text:?}");
        }
    }

    #[test]
    fn one_form() {
        for text in ["PT0S", "P1Y2M3DT4H5M6.7S", "-P14DT1S", "PT0.000000001S", "P1M"] {
            assert_eq!(shown(parse(text.as_bytes()).expect("a duration")), text);
        }
        assert_eq!(shown(Duration { months: 1, days: -1, nanos: 0 }), "P1M-1D");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(months in 0..i32::MAX, days in 0..i32::MAX, nanos in 0..i64::MAX, negative: bool) {
            let sign = if negative { -1 } else { 1 };
            let value = Duration { months: sign * months, days: sign * days, nanos: i64::from(sign) * nanos };
            prop_assert_eq!(parse(shown(value).as_bytes()), Ok(value));
        }

        #[test]
        fn never_a_panic(text in "[-PTYMWDHS0-9.,]{0,24}") {
            let _ = parse(text.as_bytes());
        }
    }
}
