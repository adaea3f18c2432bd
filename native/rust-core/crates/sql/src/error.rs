//! The two kinds of errors of this crate: a query that is refused, and a record that cannot be evaluated.

use datafusion_common::arrow::error::ArrowError;
use datafusion_common::utils::datafusion_strsim::levenshtein;
use datafusion_common::{DataFusionError, SchemaError};
use millrace_engine::program::ProgramError;

pub const SYNTAX: &str = "SPEC_SQL_SYNTAX";
pub const UNKNOWN_COLUMN: &str = "SPEC_SQL_UNKNOWN_COLUMN";
pub const TYPE: &str = "SPEC_SQL_TYPE";
pub const UNSUPPORTED: &str = "SPEC_SQL_UNSUPPORTED";
pub const NOT_ROWWISE: &str = "SPEC_SQL_NOT_ROWWISE";
pub const NONDETERMINISTIC: &str = "SPEC_SQL_NONDETERMINISTIC";
pub const PARAM_UNKNOWN: &str = "SPEC_PARAM_UNKNOWN";
pub const BUG: &str = "CORE_PANIC";

pub const CAST: &str = "TRANSFORM_CAST";
pub const OVERFLOW: &str = "TRANSFORM_OVERFLOW";
pub const DIVIDE_BY_ZERO: &str = "TRANSFORM_DIVIDE_BY_ZERO";
pub const FUNCTION: &str = "TRANSFORM_FUNCTION";
pub const TOO_LARGE: &str = "TRANSFORM_ROW_TOO_LARGE";
pub const AGGREGATE: &str = "TRANSFORM_AGGREGATE";
pub const LOOKUP: &str = "INPUT_LOOKUP";
pub const KEY_MISSING: &str = "SPEC_KEY_MISSING";

pub const MEMORY: &str = "CORE_MEMORY";
pub const DISK_FULL: &str = "CORE_DISK_FULL";

/// Longest message of a reject, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1024;

/// Why a record cannot be evaluated. It travels through the engine's own error type, so the code never has to be read out of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RowError {
    pub code: &'static str,
    pub message: String,
}

impl From<RowError> for DataFusionError {
    fn from(error: RowError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

/// A query that is refused, with its place in the text where known.
pub fn refuse(code: &'static str, at: Option<(u64, u64)>, message: impl Into<String>) -> ProgramError {
    ProgramError { code, message: message.into(), at }
}

/// The row error inside, if there is one.
pub fn row_error(error: &DataFusionError) -> Option<&RowError> {
    match innermost(error) {
        DataFusionError::External(inner) => inner.downcast_ref(),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => {
                inner.downcast_ref::<RowError>().or_else(|| inner.downcast_ref::<DataFusionError>().and_then(row_error))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The arrow error inside, if there is one.
pub fn arrow_error(error: &DataFusionError) -> Option<&ArrowError> {
    match innermost(error) {
        DataFusionError::ArrowError(inner, _) => Some(inner),
        _ => None,
    }
}

/// Below all layers of context; the first one of several.
pub fn innermost(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(inner),
        DataFusionError::Shared(inner) => innermost(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, innermost),
        _ => error,
    }
}

/// The engine's text without its "… error:" prefix, first line only.
pub fn plain_text(error: &DataFusionError) -> String {
    let text = match innermost(error) {
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Internal(text)
        | DataFusionError::Configuration(text) => text.clone(),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::CastError(text)
            | ArrowError::ParseError(text)
            | ArrowError::ComputeError(text)
            | ArrowError::ArithmeticOverflow(text)
            | ArrowError::InvalidArgumentError(text) => text.clone(),
            ArrowError::ExternalError(inner) => inner.downcast_ref::<DataFusionError>().map_or_else(|| inner.to_string(), plain_text),
            other => other.to_string(),
        },
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_string()
}

/// A planning error of the engine as ours. `place_of` finds an identifier in the text.
pub fn from_planning(error: &DataFusionError, place_of: impl Fn(&str) -> Option<(u64, u64)>) -> ProgramError {
    if let DataFusionError::External(inner) = innermost(error)
        && let Some(own) = inner.downcast_ref::<ProgramError>()
    {
        return own.clone();
    }
    match innermost(error) {
        DataFusionError::SchemaError(schema, _) => from_schema(schema, place_of),
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) => {
            refuse(UNSUPPORTED, place(error), format!("cannot compile the query: {}", plain_text(error)))
        }
        _ => refuse(TYPE, place(error), format!("cannot compile the query: {}", plain_text(error))),
    }
}

fn from_schema(error: &SchemaError, place_of: impl Fn(&str) -> Option<(u64, u64)>) -> ProgramError {
    match error {
        SchemaError::FieldNotFound { field, .. } if field.name == crate::rewrite::RECORD_ID_COLUMN => {
            refuse(UNSUPPORTED, None, "record_id() must stand in the select that reads input")
        }
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names = valid_fields.iter().map(|column| column.name.as_str());
            refuse(UNKNOWN_COLUMN, place_of(&field.name), format!("there is no column {}{}", field.name, suggestion(&field.name, names)))
        }
        SchemaError::AmbiguousReference { field } => {
            refuse(UNKNOWN_COLUMN, place_of(&field.name), format!("{} may mean several columns", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            refuse(UNSUPPORTED, place_of(name), format!("two output columns are named {name}; give one an alias"))
        }
    }
}

/// Line and column that the engine attached to an error.
fn place(error: &DataFusionError) -> Option<(u64, u64)> {
    let start = error.diagnostic()?.span?.start;
    Some((start.line, start.column))
}

/// `; did you mean x?`, or the names there are, or nothing.
pub fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let wanted = name.to_lowercase();
    let nearest = known
        .filter(|known| *known != crate::rewrite::RECORD_ID_COLUMN)
        .map(|known| (levenshtein(&wanted, &known.to_lowercase()), known))
        .min();
    match nearest {
        Some((distance, known)) if distance <= 1 + wanted.chars().count() / 3 => format!("; did you mean {known}?"),
        _ => String::new(),
    }
}

/// Cuts at a character boundary, so that a message fits its limit.
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
