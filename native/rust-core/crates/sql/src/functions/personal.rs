//! `redact` and `personal_data`: e-mail addresses, telephone numbers, IBANs, card numbers and IP addresses in free text. IBANs and card
//! numbers count only if their check digits hold, addresses only if they parse.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{Array, ArrayRef, StringViewArray, cast::AsArray};
use arrow_schema::{DataType, Field};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use regex::Regex;

use super::text_function::Columnwise;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Email,
    Iban,
    Card,
    Ip,
    Phone,
}

/// In the order in which they are looked for: what is taken by one is no other.
const KINDS: [(Kind, &str); 5] =
    [(Kind::Email, "email"), (Kind::Iban, "iban"), (Kind::Card, "card"), (Kind::Ip, "ip"), (Kind::Phone, "phone")];

/// Candidates; what they must hold besides is checked in code. The expressions are fixed, so they compile.
static PATTERNS: LazyLock<Vec<Option<Regex>>> = LazyLock::new(|| {
    let patterns = [
        r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}",
        r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b",
        r"\b[0-9](?:[ \-]?[0-9]){12,18}\b",
        r"(?:\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b)|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}",
        r"(?:\+|\b00)[0-9](?:[ ()/.\-]{0,2}[0-9]){6,14}\b|\b0[0-9](?:[ ()/.\-]{0,2}[0-9]){5,12}\b|\([0-9]{3}\) ?[0-9]{3}[ .\-]?[0-9]{4}\b",
    ];
    patterns.iter().map(|pattern| Regex::new(pattern).ok()).collect()
});

fn holds(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Email => !text.contains(".."),
        Kind::Iban => is_iban(text),
        Kind::Card => is_card(text),
        Kind::Ip => text.parse::<IpAddr>().is_ok(),
        Kind::Phone => true,
    }
}

/// ISO 13616: the digits, letters as numbers, first four characters last, leave 1 modulo 97.
fn is_iban(text: &str) -> bool {
    let text: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    if !(15..=34).contains(&text.len()) {
        return false;
    }
    let rotated = text[4..].iter().chain(&text[..4]);
    let rest = rotated.fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

/// The check digit of ISO/IEC 7812 (Luhn), 13 to 19 digits, not all the same.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => *digit,
            _ if *digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != digits[0])
}

/// An IBAN written with blanks may run into the next word in capitals: the longest beginning that holds is taken.
fn held(kind: Kind, text: &str) -> Option<usize> {
    if holds(kind, text) {
        return Some(text.len());
    }
    if kind != Kind::Iban {
        return None;
    }
    text.char_indices()
        .rev()
        .map(|(end, _)| end)
        .filter(|end| text.is_char_boundary(*end))
        .find(|end| *end >= 15 && !text[..*end].ends_with(' ') && is_iban(&text[..*end]))
}

/// The text with what was found of some kinds replaced by the kind in brackets, and which kinds were found.
fn redacted(text: &str, wanted: &[Kind]) -> (String, Vec<&'static str>) {
    let mut text = text.to_string();
    let mut found = Vec::new();
    for ((kind, name), pattern) in KINDS.iter().zip(PATTERNS.iter()) {
        let Some(pattern) = pattern.as_ref().filter(|_| wanted.contains(kind)) else { continue };
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        while let Some(candidate) = pattern.find_at(&text, from) {
            let Some(length) = held(*kind, candidate.as_str()) else {
                // The next one may begin inside this candidate.
                let next = text[candidate.start()..].chars().next().map_or(candidate.end(), |c| candidate.start() + c.len_utf8());
                out.push_str(&text[from..next]);
                from = next;
                continue;
            };
            out.push_str(&text[from..candidate.start()]);
            out.push_str(&format!("[{name}]"));
            from = candidate.start() + length;
            if !found.contains(name) {
                found.push(*name);
            }
        }
        out.push_str(&text[from..]);
        text = out;
    }
    (text, found)
}

fn kinds_of(list: &str) -> Result<Vec<Kind>> {
    list.split([',', ' '])
        .filter(|name| !name.is_empty())
        .map(|name| {
            let found = KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
            found.ok_or_else(|| DataFusionError::Execution(format!("there is no kind {name:?}; the kinds are email phone iban card ip")))
        })
        .collect()
}

pub fn redact() -> ScalarUDF {
    let text = DataType::Utf8View;
    let signatures = vec![TypeSignature::Exact(vec![text.clone()]), TypeSignature::Exact(vec![text.clone(), text.clone()])];
    let signature = Signature::one_of(signatures, Volatility::Immutable);
    Columnwise::of("redact", signature, text, redact_columns)
}

fn redact_columns(args: &[ArrayRef]) -> Result<ArrayRef> {
    let texts = args[0].as_string_view();
    let all: Vec<Kind> = KINDS.iter().map(|(kind, _)| *kind).collect();
    let rows = (0..texts.len()).map(|row| {
        if texts.is_null(row) {
            return Ok(None);
        }
        let wanted = match args.get(1).map(|kinds| kinds.as_string_view()) {
            Some(kinds) if kinds.is_null(row) => return Ok(None),
            Some(kinds) => kinds_of(kinds.value(row))?,
            None => all.clone(),
        };
        Ok(Some(redacted(texts.value(row), &wanted).0))
    });
    Ok(Arc::new(rows.collect::<Result<StringViewArray>>()?))
}

pub fn personal_data() -> ScalarUDF {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true)));
    Columnwise::exact("personal_data", vec![DataType::Utf8View], list, |args| {
        let all: Vec<Kind> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let mut lists = ListBuilder::new(StringViewBuilder::new());
        for text in args[0].as_string_view() {
            if let Some(text) = text {
                for kind in redacted(text, &all).1 {
                    lists.values().append_value(kind);
                }
            }
            lists.append(text.is_some());
        }
        Ok(Arc::new(lists.finish()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> String {
        redacted(text, &KINDS.map(|(kind, _)| kind)).0
    }

    #[test]
    fn what_tells_a_person_goes() {
        assert_eq!(all("write to ann.b@mail.example.org, please"), "write to [email], please");
        assert_eq!(all("IBAN DE89 3704 0044 0532 0130 00 OK"), "IBAN [iban] OK");
        assert_eq!(all("card 4111 1111 1111 1111."), "card [card].");
        assert_eq!(all("from 192.0.2.7 and 2001:db8::1"), "from [ip] and [ip]");
        assert_eq!(all("call +49 30 901820 or (555) 123-4567"), "call [phone] or [phone]");
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in
            ["DE89370400440532013001", "4111 1111 1111 1112", "999.1.1.1", "at 12:30", "a@b", "version 1.2.3.400", "0000000000000000"]
        {
            let kinds = [Kind::Email, Kind::Iban, Kind::Card, Kind::Ip];
            assert_eq!(redacted(text, &kinds).0, text);
        }
    }

    #[test]
    fn kinds_can_be_chosen() {
        let text = "ann@example.org 192.0.2.7";
        assert_eq!(redacted(text, &kinds_of("ip").unwrap()).0, "ann@example.org [ip]");
        assert_eq!(redacted(text, &kinds_of("email, ip").unwrap()).1, ["email", "ip"]);
        assert!(kinds_of("name").is_err());
    }
}
