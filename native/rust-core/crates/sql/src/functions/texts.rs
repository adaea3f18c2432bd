//! `clean_text` and `json_value`.

use std::sync::Arc;

use arrow_array::{StringViewArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ScalarUDF;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::text_function::Columnwise;

pub fn clean_text() -> ScalarUDF {
    Columnwise::exact("clean_text", vec![DataType::Utf8View], DataType::Utf8View, |args| {
        let cleaned: StringViewArray = args[0].as_string_view().iter().map(|text| text.map(cleaned)).collect();
        Ok(Arc::new(cleaned))
    })
}

/// Normalised (NFC), without control characters and byte order marks, runs of blanks folded to one, none at the ends. Line ends are blanks.
fn cleaned(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_blank_due = false;
    for c in text.nfc() {
        if c.is_whitespace() {
            is_blank_due = !out.is_empty();
        } else if !c.is_control() && c != '\u{feff}' {
            if std::mem::take(&mut is_blank_due) {
                out.push(' ');
            }
            out.push(c);
        }
    }
    out
}

pub fn json_value() -> ScalarUDF {
    Columnwise::exact("json_value", vec![DataType::Utf8View, DataType::Utf8View], DataType::Utf8View, |args| {
        let rows = args[0].as_string_view().iter().zip(args[1].as_string_view()).map(|pair| match pair {
            (Some(text), Some(pointer)) => value_at(text, pointer),
            _ => Ok(None),
        });
        Ok(Arc::new(rows.collect::<Result<StringViewArray>>()?))
    })
}

/// The value at a JSON pointer (RFC 6901) as text: a string without its quotes, anything else as JSON. Null if it is null or absent.
fn value_at(text: &str, pointer: &str) -> Result<Option<String>> {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(DataFusionError::Execution(format!("a JSON pointer is empty or begins with /, not {pointer:?}")));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| DataFusionError::Execution(format!("not JSON: {error}")))?;
    Ok(match value.pointer(pointer) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cleaned() {
        assert_eq!(cleaned("  a\u{0}b \r\n\t c\u{feff}  "), "ab c");
        assert_eq!(cleaned("e\u{301}"), "\u{e9}");
        assert_eq!(cleaned("\u{a0}"), "");
    }

    #[test]
    fn values_are_found_by_pointer() {
        let text = r#"{"a": {"b/c": [1, "x", null, {"d": true}]}}"#;
        assert_eq!(value_at(text, "/a/b~1c/0").unwrap().as_deref(), Some("1"));
        assert_eq!(value_at(text, "/a/b~1c/1").unwrap().as_deref(), Some("x"));
        assert_eq!(value_at(text, "/a/b~1c/2").unwrap(), None);
        assert_eq!(value_at(text, "/a/b~1c/3").unwrap().as_deref(), Some(r#"{"d":true}"#));
        assert_eq!(value_at(text, "/zz").unwrap(), None);
        assert!(value_at(text, "a").is_err());
        assert!(value_at("{", "").is_err());
    }
}
