//! Constraints of one field, compiled once and checked on typed values.

use std::collections::HashSet;

use regex::Regex;

use crate::values::ValueError;
use crate::values::duration::Duration;

/// One typed value. Text is not copied: it is what was typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Text,
    Integer(i64),
    Float(f64),
    /// Times ten to the scale.
    Decimal(i128),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970 in UTC.
    Instant(i64),
    Year(i32),
    Duration(Duration),
    /// Bytes, of which the text is the base64.
    Bytes,
    /// So many members or items.
    Items(u64),
}

impl Value {
    /// Orders as the type does for all but floats; equal for equal values of one type.
    fn key(self) -> i128 {
        match self {
            Value::Text | Value::Bytes => 0,
            Value::Items(count) => count.into(),
            Value::Duration(value) => value.order(),
            Value::Integer(value) | Value::Time(value) | Value::Instant(value) => value.into(),
            // Zero has two bit patterns, and every NaN is the same value.
            Value::Float(0.0) => 0,
            Value::Float(value) if value.is_nan() => f64::NAN.to_bits().into(),
            Value::Float(value) => value.to_bits().into(),
            Value::Decimal(value) => value,
            Value::Boolean(value) => value.into(),
            Value::Date(value) | Value::Year(value) => value.into(),
        }
    }

    /// Not below `bound`; NaN is neither above nor below anything.
    fn at_least(self, bound: Value) -> bool {
        match (self, bound) {
            (Value::Float(value), Value::Float(bound)) => value >= bound,
            _ => self.key() >= bound.key(),
        }
    }
}

/// Values allowed by `enum`.
#[derive(Clone, Debug)]
pub enum Allowed {
    Texts(HashSet<String>),
    Values(HashSet<i128>),
}

impl Allowed {
    pub fn values(values: impl IntoIterator<Item = Value>) -> Allowed {
        Allowed::Values(values.into_iter().map(Value::key).collect())
    }

    fn holds(&self, value: Value, text: &str) -> bool {
        match self {
            Allowed::Texts(texts) => texts.contains(text),
            Allowed::Values(keys) => keys.contains(&value.key()),
        }
    }
}

/// The constraints of a field; `required` stands apart, as it concerns nulls.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    pub minimum: Option<Value>,
    pub maximum: Option<Value>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub pattern: Option<Regex>,
    pub allowed: Option<Allowed>,
}

impl Checks {
    pub fn is_empty(&self) -> bool {
        let Checks { minimum, maximum, min_length, max_length, pattern, allowed } = self;
        minimum.is_none() && maximum.is_none() && min_length.is_none() && max_length.is_none() && pattern.is_none() && allowed.is_none()
    }

    /// Whether the text itself is looked at, and not the typed value alone.
    pub fn need_text(&self) -> bool {
        self.min_length.is_some() || self.max_length.is_some() || self.pattern.is_some() || matches!(self.allowed, Some(Allowed::Texts(_)))
    }

    /// Adds every constraint that does not hold, in the order in which the specification lists them.
    pub fn check(&self, value: Value, text: &str, errors: &mut Vec<ValueError>) {
        let mut fail = |code, why| errors.push(ValueError::new(code, why));
        if self.minimum.is_some_and(|bound| !value.at_least(bound)) {
            fail("CONSTRAINT_MINIMUM", "below the minimum");
        }
        if self.maximum.is_some_and(|bound| !bound.at_least(value)) {
            fail("CONSTRAINT_MAXIMUM", "above the maximum");
        }
        if self.min_length.is_some() || self.max_length.is_some() {
            let length = match value {
                Value::Items(count) => count,
                _ => text.chars().count() as u64,
            };
            if self.min_length.is_some_and(|bound| length < bound) {
                fail("CONSTRAINT_MIN_LENGTH", "shorter than the minimum length");
            }
            if self.max_length.is_some_and(|bound| length > bound) {
                fail("CONSTRAINT_MAX_LENGTH", "longer than the maximum length");
            }
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
            fail("CONSTRAINT_PATTERN", "does not match the pattern");
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.holds(value, text)) {
            fail("CONSTRAINT_ENUM", "not one of the allowed values");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(checks: &Checks, value: Value, text: &str) -> Vec<&'static str> {
        let mut errors = Vec::new();
        checks.check(value, text, &mut errors);
        errors.into_iter().map(|error| error.code).collect()
    }

    #[test]
    fn all_failing_constraints_in_order() {
        let checks = Checks {
            minimum: Some(Value::Integer(10)),
            maximum: Some(Value::Integer(20)),
            min_length: Some(2),
            max_length: Some(3),
            pattern: Some(Regex::new("^(?:1.*)$").expect("a regex")),
            allowed: Some(Allowed::values([Value::Integer(15)])),
        };
        assert_eq!(codes(&checks, Value::Integer(15), "15"), Vec::<&str>::new());
        assert_eq!(
            codes(&checks, Value::Integer(5), "5"),
            ["CONSTRAINT_MINIMUM", "CONSTRAINT_MIN_LENGTH", "CONSTRAINT_PATTERN", "CONSTRAINT_ENUM"]
        );
        assert_eq!(codes(&checks, Value::Integer(1500), "1500"), ["CONSTRAINT_MAXIMUM", "CONSTRAINT_MAX_LENGTH", "CONSTRAINT_ENUM"]);
    }

    #[test]
    fn nan_fails_both_bounds_and_zero_is_one_value() {
        let bounds = Checks { minimum: Some(Value::Float(0.0)), maximum: Some(Value::Float(1.0)), ..Checks::default() };
        assert_eq!(codes(&bounds, Value::Float(f64::NAN), "NaN"), ["CONSTRAINT_MINIMUM", "CONSTRAINT_MAXIMUM"]);
        assert_eq!(codes(&bounds, Value::Float(-0.0), "-0"), Vec::<&str>::new());
        let zero = Checks { allowed: Some(Allowed::values([Value::Float(0.0)])), ..Checks::default() };
        assert_eq!(codes(&zero, Value::Float(-0.0), "-0"), Vec::<&str>::new());
    }

    #[test]
    fn lengths_count_characters() {
        let checks = Checks { max_length: Some(2), ..Checks::default() };
        assert_eq!(codes(&checks, Value::Text, "äö"), Vec::<&str>::new());
        assert_eq!(codes(&checks, Value::Text, "äöü"), ["CONSTRAINT_MAX_LENGTH"]);
    }
}
