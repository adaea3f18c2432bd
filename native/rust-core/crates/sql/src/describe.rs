//! An expression as its author wrote it, for messages: without the casts that typing put in, cut to a readable length.

use std::fmt::{self, Write};

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::expr::{BinaryExpr, Cast, ScalarFunction, TryCast};
use datafusion_expr::{Expr, Operator};

/// Longest text of an expression in a message, in bytes.
const MAX_TEXT_BYTES: usize = 300;
/// Key in a cast's field metadata: the author wrote this cast.
pub const WRITTEN: &str = "millrace.written";

/// The text of an expression.
pub fn describe(expr: &Expr) -> String {
    let mut out = Bounded(String::new());
    let _ = write_expr(&mut out, expr, 0);
    out.0
}

/// Collects until it is full and then fails, so that a huge expression costs no more than a small one.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() <= MAX_TEXT_BYTES {
            self.0.push_str(text);
            return Ok(());
        }
        if !self.0.ends_with('…') {
            self.0.extend(text.chars().take(MAX_TEXT_BYTES.saturating_sub(self.0.len()) / 4));
            self.0.push('…');
        }
        Err(fmt::Error)
    }
}

/// Writes `expr`, in parentheses if it binds weaker than `outer`.
fn write_expr(out: &mut Bounded, expr: &Expr, outer: u8) -> fmt::Result {
    match expr {
        Expr::Alias(alias) => write_expr(out, &alias.expr, outer),
        Expr::Column(column) => out.write_str(&column.name),
        Expr::Literal(value, _) => write_literal(out, value),
        Expr::BinaryExpr(binary) => write_binary(out, binary, outer),
        Expr::Negative(inner) => {
            out.write_str("-")?;
            write_expr(out, inner, u8::MAX)
        }
        Expr::Not(inner) => {
            out.write_str("NOT ")?;
            write_expr(out, inner, u8::MAX)
        }
        Expr::Cast(Cast { expr, field }) if field.metadata().contains_key(WRITTEN) => write_cast(out, "CAST", expr, field.data_type()),
        Expr::Cast(Cast { expr, .. }) => write_expr(out, expr, outer),
        Expr::TryCast(TryCast { expr, field }) => write_cast(out, "TRY_CAST", expr, field.data_type()),
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            write!(out, "{}(", func.name())?;
            for (index, arg) in args.iter().enumerate() {
                if index > 0 {
                    out.write_str(", ")?;
                }
                write_expr(out, arg, 0)?;
            }
            out.write_str(")")
        }
        other => write!(out, "{}", other.human_display()),
    }
}

fn write_binary(out: &mut Bounded, binary: &BinaryExpr, outer: u8) -> fmt::Result {
    let strength = strength(&binary.op);
    if strength < outer {
        out.write_str("(")?;
    }
    write_expr(out, &binary.left, strength)?;
    write!(out, " {} ", binary.op)?;
    write_expr(out, &binary.right, strength + 1)?;
    if strength < outer {
        out.write_str(")")?;
    }
    Ok(())
}

fn strength(op: &Operator) -> u8 {
    match op {
        Operator::Or => 1,
        Operator::And => 2,
        Operator::Plus | Operator::Minus => 5,
        Operator::Multiply | Operator::Divide | Operator::Modulo => 6,
        _ => 4,
    }
}

fn write_cast(out: &mut Bounded, word: &str, expr: &Expr, target: &DataType) -> fmt::Result {
    write!(out, "{word}(")?;
    write_expr(out, expr, 0)?;
    write!(out, " AS {})", type_name(target))
}

fn write_literal(out: &mut Bounded, value: &ScalarValue) -> fmt::Result {
    match value {
        value if value.is_null() => out.write_str("NULL"),
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            write!(out, "'{}'", text.replace('\'', "''"))
        }
        value => match value.to_array().map(|array| arrow_cast::display::array_value_to_string(&array, 0)) {
            Ok(Ok(text)) => out.write_str(&text),
            _ => write!(out, "{value}"),
        },
    }
}

/// The SQL word for a type; Arrow's own name where SQL has none.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "VARCHAR".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP".into(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP WITH TIME ZONE".into(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        other => other.to_string(),
    }
}
