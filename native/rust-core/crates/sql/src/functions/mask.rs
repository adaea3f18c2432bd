//! `mask`, `mask_email`, `mask_ip`: text with the telling part taken out. No key is involved, so nothing can be undone or linked by them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringViewArray, cast::AsArray, types::Int64Type};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ScalarUDF;

use super::text_function::Columnwise;

pub fn mask() -> ScalarUDF {
    Columnwise::exact("mask", vec![DataType::Utf8View, DataType::Int64, DataType::Int64], DataType::Utf8View, mask_columns)
}

pub fn mask_email() -> ScalarUDF {
    Columnwise::exact("mask_email", vec![DataType::Utf8View], DataType::Utf8View, |args| each(&args[0], masked_email))
}

pub fn mask_ip() -> ScalarUDF {
    Columnwise::exact("mask_ip", vec![DataType::Utf8View], DataType::Utf8View, |args| each(&args[0], masked_ip))
}

fn each(column: &ArrayRef, masked: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let masked: StringViewArray = column.as_string_view().iter().map(|text| text.and_then(masked)).collect();
    Ok(Arc::new(masked))
}

fn mask_columns(args: &[ArrayRef]) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let firsts: &Int64Array = args[1].as_primitive::<Int64Type>();
    let lasts: &Int64Array = args[2].as_primitive::<Int64Type>();
    let rows = texts.iter().zip(firsts).zip(lasts).map(|((text, first), last)| match (text, first, last) {
        (Some(text), Some(first), Some(last)) => masked(text, first, last).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Result<StringViewArray>>()?))
}

fn masked(text: &str, first: i64, last: i64) -> Result<String> {
    let count = |n: i64| usize::try_from(n).map_err(|_| DataFusionError::Execution(format!("a count of characters is negative: {n}")));
    let (first, last) = (count(first)?, count(last)?);
    let length = text.chars().count();
    // A text that would show in full, or nearly, shows nothing.
    if first.saturating_add(last) >= length {
        return Ok("*".repeat(length));
    }
    let is_shown = |index: usize| index < first || index >= length - last;
    Ok(text.chars().enumerate().map(|(index, c)| if is_shown(index) { c } else { '*' }).collect())
}

fn masked_email(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@')?;
    let is_address = !domain.contains('@')
        && (1..=64).contains(&local.chars().count())
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !text.contains(char::is_whitespace);
    let first = local.chars().next().filter(|_| is_address)?;
    Some(format!("{first}***@{domain}"))
}

fn masked_ip(text: &str) -> Option<String> {
    match text.parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some(Ipv4Addr::new(a, b, c, 0).to_string())
        }
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_the_ends_or_nothing() {
        assert_eq!(masked("4711081512", 2, 3).unwrap(), "47*****512");
        assert_eq!(masked("äöü", 1, 1).unwrap(), "ä*ü");
        assert_eq!(masked("ab", 1, 1).unwrap(), "**");
        assert_eq!(masked("", 1, 1).unwrap(), "");
        assert_eq!(masked("abc", i64::MAX, i64::MAX).unwrap(), "***");
        assert!(masked("abc", -1, 0).is_err());
    }

    #[test]
    fn addresses_lose_their_owner() {
        assert_eq!(masked_email("ann@example.org").as_deref(), Some("a***@example.org"));
        for text in ["", "ann", "@example.org", "a@b@c.org", "ann@example", "a b@example.org", "a@.org"] {
            assert_eq!(masked_email(text), None, "{text}");
        }
    }

    #[test]
    fn networks_stay_hosts_go() {
        assert_eq!(masked_ip("192.0.2.7").as_deref(), Some("192.0.2.0"));
        assert_eq!(masked_ip("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1::"));
        assert_eq!(masked_ip("192.0.2"), None);
    }
}
