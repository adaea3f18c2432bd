//! `yearmonth`: `YYYY-MM`, kept as the first day of the month.

use super::{ValueError, date};

pub fn parse(text: &[u8]) -> Result<i32, ValueError> {
    const NOT: ValueError = ValueError::new("TYPE_YEAR", "not a year and a month as YYYY-MM");
    if text.len() != 7 {
        return Err(NOT);
    }
    let mut day = *b"YYYY-MM-01";
    day[..7].copy_from_slice(text);
    date::parse_iso(&day).map_err(|_| NOT)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_day_of_the_month() {
        for (text, want) in
            [("1970-01", Some(0)), ("1970-02", Some(31)), ("2026-13", None), ("2026-1", None), ("202601", None), ("2026-01-01", None)]
        {
            assert_eq!(super::parse(text.as_bytes()).ok(), want, "{text:?}");
        }
    }
}
