//! `parse_decimal(text, decimal, group)`: a decimal(38, 9) from a number as people of one country write it.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ScalarUDF;

use super::text_function::Columnwise;

const PRECISION: u8 = 38;
const SCALE: i8 = 9;

pub fn udf() -> ScalarUDF {
    let text = DataType::Utf8View;
    Columnwise::exact("parse_decimal", vec![text.clone(), text.clone(), text], DataType::Decimal128(PRECISION, SCALE), parse_columns)
}

fn parse_columns(args: &[ArrayRef]) -> Result<ArrayRef> {
    let columns = (args[0].as_string_view(), args[1].as_string_view(), args[2].as_string_view());
    let rows = columns.0.iter().zip(columns.1).zip(columns.2).map(|((text, decimal), group)| match (text, decimal, group) {
        (Some(text), Some(decimal), Some(group)) => {
            parse(text, decimal, group).map(Some).map_err(|why| DataFusionError::Execution(why.into()))
        }
        _ => Ok(None),
    });
    let values = rows.collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_precision_and_scale(PRECISION, SCALE)?))
}

/// The value times 10⁹. Groups: the first of one to three digits, middle ones of two or three, the last of three.
fn parse(text: &str, decimal: &str, group: &str) -> Result<i128, &'static str> {
    if decimal.is_empty() || decimal == group {
        return Err("the decimal character must be given and differ from the group character");
    }
    let trimmed = text.trim();
    let (is_negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (whole, fraction) = digits.split_once(decimal).unwrap_or((digits, ""));
    let whole = ungroup(whole, group)?;
    if whole.is_empty() && fraction.is_empty() {
        return Err("there are no digits");
    }
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err("this is not a number");
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > SCALE as usize {
        return Err("digits after the ninth decimal would be lost");
    }
    let scaled = format!("{whole}{fraction:0<9}");
    let scaled = scaled.trim_start_matches('0');
    if scaled.len() > PRECISION as usize {
        return Err("the number has more than 29 digits before the decimal character");
    }
    let value: i128 = if scaled.is_empty() { 0 } else { scaled.parse().map_err(|_| "this is not a number")? };
    Ok(if is_negative { -value } else { value })
}

fn ungroup(whole: &str, group: &str) -> Result<String, &'static str> {
    if group.is_empty() || !whole.contains(group) {
        return Ok(whole.to_string());
    }
    let parts: Vec<&str> = whole.split(group).collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    let is_regular = (1..=3).contains(&first.len()) && last.len() == 3 && parts[1..].iter().all(|part| matches!(part.len(), 2 | 3));
    if is_regular { Ok(parts.concat()) } else { Err("the digits are grouped in an unusual way") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_written() {
        let accepted = [
            ("1.234,5", ",", ".", 1_234_500_000_000),
            ("-0,000000001", ",", ".", -1),
            ("+1,23,456.70", ".", ",", 123_456_700_000_000),
            (" 12 ", ".", "", 12_000_000_000),
            (",5", ",", "", 500_000_000),
            ("0", ".", ",", 0),
            ("1'000", ".", "'", 1_000_000_000_000),
        ];
        for (text, decimal, group, expected) in accepted {
            assert_eq!(parse(text, decimal, group), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_number_or_would_lose_digits() {
        let refused = [
            ("", ".", ","),
            ("-", ".", ","),
            ("1,2345", ".", ","),
            ("1.0000000001", ".", ","),
            ("1e5", ".", ","),
            ("--1", ".", ","),
            ("100000000000000000000000000000", ".", ","),
            ("1", "", ","),
            ("1", ".", "."),
            ("1.2.3", ".", ","),
            ("١", ".", ","),
        ];
        for (text, decimal, group) in refused {
            assert!(parse(text, decimal, group).is_err(), "{text}");
        }
    }
}
