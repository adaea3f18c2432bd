//! Changes to the syntax tree that are easier there than in a plan: parameters become literals, `*` loses the hidden columns, unnamed
//! columns get the text they were written as, `record_id()` becomes a column, and `TIMESTAMP` means microseconds as everywhere in Millrace.

use std::ops::ControlFlow;

use millrace_engine::program::ProgramError;
use serde_json::{Map, Value as Json};
use sqlparser::ast::{
    CastKind, DataType, ExcludeSelectItem, Expr, Ident, ObjectName, Query, Select, SelectItem, TableFactor, TimezoneInfo, TypedString,
    UnaryOperator, Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use crate::error::{PARAM_UNKNOWN, TYPE, cut, refuse, suggestion};
use crate::parse::place;
use crate::rules::INPUT;

/// The hidden column that `record_id()` reads; no query can write this name without quotes.
pub const RECORD_ID_COLUMN: &str = "record_id()";
/// Longest name of a column that has no alias, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What rewriting needs to know.
pub struct Rewrite<'a> {
    pub params: &'a Map<String, Json>,
    /// Names that `*` over `input` leaves out.
    pub hidden: Vec<String>,
}

impl Rewrite<'_> {
    /// Rewrites in place; the tree has passed the rules, so its depth is bounded.
    pub fn apply(&mut self, query: &mut Query) -> Result<(), ProgramError> {
        match query.visit(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    fn exclude_hidden(&self, options: &mut WildcardAdditionalOptions) {
        let mut names: Vec<ObjectName> = match options.opt_exclude.take() {
            None => Vec::new(),
            Some(ExcludeSelectItem::Single(name)) => vec![name],
            Some(ExcludeSelectItem::Multiple(names)) => names,
        };
        for hidden in &self.hidden {
            if !names.iter().any(|name| name.to_string() == *hidden) {
                names.push(vec![Ident::with_quote('"', hidden)].into());
            }
        }
        if !names.is_empty() {
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
        }
    }

    fn parameter(&self, placeholder: &str, at: Option<(u64, u64)>) -> Result<Expr, ProgramError> {
        let name = placeholder.trim_start_matches(['$', ':', '@', '?']);
        match self.params.get(name) {
            Some(value) => literal(name, value, at),
            None => {
                let hint = suggestion(name, self.params.keys().map(String::as_str));
                Err(refuse(PARAM_UNKNOWN, at, format!("there is no parameter {name}{hint}")))
            }
        }
    }
}

impl VisitorMut for Rewrite<'_> {
    type Break = ProgramError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<ProgramError> {
        let is_over_input = matches!(select.from.first().map(|from| &from.relation), Some(TableFactor::Table { name, .. }) if name.to_string().trim_matches('"') == INPUT);
        for item in &mut select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                    let alias = Ident::with_quote('"', cut(expr.to_string(), MAX_NAME_BYTES));
                    let expr = std::mem::replace(expr, Expr::value(Value::Null));
                    *item = SelectItem::ExprWithAlias { expr, alias };
                }
                SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) if is_over_input => self.exclude_hidden(options),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<ProgramError> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Placeholder(name) => match self.parameter(name, place(value.span.start)) {
                    Ok(literal) => *expr = literal,
                    Err(error) => return ControlFlow::Break(error),
                },
                Value::Number(digits, _) if digits.contains(['e', 'E']) => *expr = float(digits),
                _ => {}
            },
            Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("record_id") => {
                *expr = Expr::Identifier(Ident::with_quote('"', RECORD_ID_COLUMN));
            }
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => to_microseconds(data_type),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn to_microseconds(data_type: &mut DataType) {
    match data_type {
        DataType::Timestamp(precision @ None, _) => *precision = Some(6),
        DataType::Datetime(None) => *data_type = DataType::Timestamp(Some(6), TimezoneInfo::None),
        _ => {}
    }
}

/// A number with an exponent is a float, as in standard SQL; without one it is exact.
fn float(digits: &str) -> Expr {
    let text = Box::new(Expr::value(Value::SingleQuotedString(digits.to_string())));
    Expr::Cast { kind: CastKind::Cast, expr: text, data_type: DataType::DoublePrecision, array: false, format: None }
}

fn numeral(digits: &str) -> Expr {
    if digits.contains(['e', 'E']) { float(digits) } else { Expr::value(Value::Number(digits.to_string(), false)) }
}

/// A JSON scalar as the literal it would be in the text; negative numbers in parentheses, so that no operator binds to the sign alone.
fn literal(name: &str, value: &Json, at: Option<(u64, u64)>) -> Result<Expr, ProgramError> {
    Ok(match value {
        Json::Null => Expr::value(Value::Null),
        Json::Bool(value) => Expr::value(Value::Boolean(*value)),
        Json::String(text) => Expr::value(Value::SingleQuotedString(text.clone())),
        Json::Number(number) => {
            let text = number.to_string();
            match text.strip_prefix('-') {
                None => numeral(&text),
                Some(digits) => Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(numeral(digits)) })),
            }
        }
        Json::Array(_) | Json::Object(_) => return Err(refuse(TYPE, at, format!("the parameter {name} must be a single value"))),
    })
}
