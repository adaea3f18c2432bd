//! `boolean`: exact members of the schema's two lists.

use super::ValueError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BooleanFormat {
    pub true_values: Vec<String>,
    pub false_values: Vec<String>,
}

pub fn parse(text: &[u8], format: &BooleanFormat) -> Result<bool, ValueError> {
    if format.true_values.iter().any(|value| value.as_bytes() == text) {
        return Ok(true);
    }
    if format.false_values.iter().any(|value| value.as_bytes() == text) {
        return Ok(false);
    }
    Err(ValueError::new("TYPE_BOOLEAN", "in neither trueValues nor falseValues"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_only() {
        let format = BooleanFormat { true_values: vec!["ja".into(), "1".into()], false_values: vec!["nein".into(), "0".into()] };
        for (text, want) in [("ja", Some(true)), ("1", Some(true)), ("nein", Some(false)), ("Ja", None), ("", None), ("true", None)] {
            assert_eq!(parse(text.as_bytes(), &format).ok(), want, "{text:?}");
        }
    }
}
