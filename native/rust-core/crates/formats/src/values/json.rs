//! `object` and `array` without a declared shape: JSON text of that kind, kept as it stands.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ValueError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonForm {
    Object,
    Array,
}

/// The number of members or items, after the text was checked as a whole.
pub fn parse(text: &str, form: JsonForm) -> Result<u64, ValueError> {
    let not = match form {
        JsonForm::Object => ValueError::new("TYPE_OBJECT", "no JSON object"),
        JsonForm::Array => ValueError::new("TYPE_ARRAY", "no JSON array"),
    };
    if is_deep(text) {
        return Err(not);
    }
    let count = match form {
        JsonForm::Object => Members::deserialize(&mut serde_json::Deserializer::from_str(text)).map(|members| members.0),
        JsonForm::Array => serde_json::from_str::<Vec<&RawValue>>(text).map(|items| items.len() as u64),
    };
    // Text behind the value is an error too: the count alone would not see it.
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| not)?;
    count.map_err(|_| not)
}

/// Values in values as in records of JSON.
const MAX_DEPTH: u32 = 64;

/// Whether brackets outside of strings are nested deeper than is read.
pub(crate) fn is_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// Counts members; a key that stands twice counts twice.
struct Members(u64);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Count;
        impl<'de> serde::de::Visitor<'de> for Count {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members(count))
            }
        }
        deserializer.deserialize_map(Count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kind() {
        for (text, want) in [
            ("{}", Ok(0)),
            ("{\"a\":1,\"b\":[2]}", Ok(2)),
            ("[]", Err("TYPE_OBJECT")),
            ("{}x", Err("TYPE_OBJECT")),
            ("{", Err("TYPE_OBJECT")),
            ("1", Err("TYPE_OBJECT")),
        ] {
            assert_eq!(parse(text, JsonForm::Object).map_err(|error| error.code), want, "{text:?}");
        }
        for (text, want) in [
            ("[]", Ok(0)),
            (" [1, {\"a\":2}] ", Ok(2)),
            ("{}", Err("TYPE_ARRAY")),
            ("[1]]", Err("TYPE_ARRAY")),
            ("[1,]", Err("TYPE_ARRAY")),
        ] {
            assert_eq!(parse(text, JsonForm::Array).map_err(|error| error.code), want, "{text:?}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parse(&deep, JsonForm::Array).map_err(|error| error.code), Err("TYPE_ARRAY"));
    }
}
