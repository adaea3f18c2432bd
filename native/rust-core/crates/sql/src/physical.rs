//! Logical to physical expressions. Done here and not by the engine's planner, so that every operation that can fail carries its own code
//! and text, and constants fold only where folding succeeds.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{BinaryExpr, Case, Cast, InList, Like, ScalarFunction, TryCast};
use datafusion_expr::{Between, ColumnarValue, Expr, Operator};
use datafusion_physical_expr::expressions::{
    self, BinaryExpr as EngineBinary, Column, Literal, binary, case, cast, in_list, is_not_null, is_null, like, lit, not, similar_to,
    try_cast,
};
use datafusion_physical_expr::{PhysicalExprRef, ScalarFunctionExpr};

use crate::describe::{WRITTEN, describe, type_name};
use crate::error::{FUNCTION, TYPE, refuse, row_error};
use crate::functions;
use crate::guard::{Coalesce, Connected, Connective, Deed, Guarded, Negate};

/// Compiles expressions over the columns of one schema.
pub struct Expressions<'a> {
    pub schema: &'a DFSchema,
    pub options: &'a Arc<ConfigOptions>,
}

/// A compiled expression, and whether evaluating it can fail for a row.
pub struct Compiled {
    pub expr: PhysicalExprRef,
    pub is_fallible: bool,
}

fn safe(expr: PhysicalExprRef) -> Compiled {
    Compiled { expr, is_fallible: false }
}

impl Expressions<'_> {
    fn arrow(&self) -> &Schema {
        self.schema.as_arrow()
    }

    pub fn compile(&self, expr: &Expr) -> Result<Compiled> {
        match expr {
            Expr::Alias(alias) => self.compile(&alias.expr),
            Expr::Column(column) => Ok(safe(Arc::new(Column::new(&column.name, self.schema.index_of_column(column)?)))),
            Expr::Literal(value, _) => Ok(safe(lit(value.clone()))),
            Expr::BinaryExpr(binary) => self.binary(expr, binary),
            Expr::Negative(inner) => self.negative(expr, inner),
            Expr::Cast(Cast { expr: inner, field }) => self.cast(expr, inner, field.data_type(), field.metadata().contains_key(WRITTEN)),
            Expr::TryCast(TryCast { expr: inner, field }) => {
                let inner = self.compile(inner)?;
                let target = field.data_type().clone();
                self.fold(Compiled { expr: try_cast(inner.expr, self.arrow(), target)?, is_fallible: inner.is_fallible })
            }
            Expr::ScalarFunction(function) => self.function(expr, function),
            Expr::Case(parts) => self.case(parts),
            Expr::Between(between) => self.between(between),
            Expr::InList(list) => self.in_list(list),
            Expr::Like(parts) => self.like(expr, parts, false),
            Expr::SimilarTo(parts) => self.like(expr, parts, true),
            Expr::Not(inner) => self.one(inner, not),
            Expr::IsNull(inner) => self.one(inner, is_null),
            Expr::IsNotNull(inner) => self.one(inner, is_not_null),
            Expr::IsTrue(inner) => self.is(inner, Some(true), Operator::IsNotDistinctFrom),
            Expr::IsNotTrue(inner) => self.is(inner, Some(true), Operator::IsDistinctFrom),
            Expr::IsFalse(inner) => self.is(inner, Some(false), Operator::IsNotDistinctFrom),
            Expr::IsNotFalse(inner) => self.is(inner, Some(false), Operator::IsDistinctFrom),
            Expr::IsUnknown(inner) => self.is(inner, None, Operator::IsNotDistinctFrom),
            Expr::IsNotUnknown(inner) => self.is(inner, None, Operator::IsDistinctFrom),
            other => Err(DataFusionError::NotImplemented(format!("{} is not supported", describe(other)))),
        }
    }

    fn one(&self, inner: &Expr, build: fn(PhysicalExprRef) -> Result<PhysicalExprRef>) -> Result<Compiled> {
        let inner = self.compile(inner)?;
        Ok(Compiled { expr: build(inner.expr)?, is_fallible: inner.is_fallible })
    }

    fn is(&self, inner: &Expr, value: Option<bool>, op: Operator) -> Result<Compiled> {
        let inner = self.compile(inner)?;
        let value = lit(ScalarValue::Boolean(value));
        Ok(Compiled { expr: binary(inner.expr, op, value, self.arrow())?, is_fallible: inner.is_fallible })
    }

    fn binary(&self, whole: &Expr, parts: &BinaryExpr) -> Result<Compiled> {
        let left = self.compile(&parts.left)?;
        let right = self.compile(&parts.right)?;
        match parts.op {
            Operator::And => self.connected(Connective::And, left, right),
            Operator::Or => self.connected(Connective::Or, left, right),
            Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                self.arithmetic(whole, parts, left, right)
            }
            Operator::RegexMatch | Operator::RegexIMatch | Operator::RegexNotMatch | Operator::RegexNotIMatch => {
                let expr = binary(left.expr, parts.op, right.expr, self.arrow())?;
                self.guard(expr, Deed::Function(FUNCTION), whole, &[&parts.left, &parts.right])
            }
            Operator::StringConcat => {
                let expr = binary(left.expr, parts.op, right.expr, self.arrow())?;
                self.guard(expr, Deed::Function(FUNCTION), whole, &[&parts.left, &parts.right])
            }
            op => {
                let expr = binary(left.expr, op, right.expr, self.arrow())?;
                // Asking for the type is what refuses an operator that the engine plans but cannot evaluate.
                datafusion_physical_expr::PhysicalExpr::data_type(expr.as_ref(), self.arrow())?;
                Ok(Compiled { expr, is_fallible: left.is_fallible || right.is_fallible })
            }
        }
    }

    fn connected(&self, connective: Connective, left: Compiled, right: Compiled) -> Result<Compiled> {
        if right.is_fallible {
            let expr = Arc::new(Connected { connective, left: left.expr, right: right.expr });
            return Ok(Compiled { expr, is_fallible: true });
        }
        let op = if connective == Connective::And { Operator::And } else { Operator::Or };
        Ok(Compiled { expr: binary(left.expr, op, right.expr, self.arrow())?, is_fallible: left.is_fallible })
    }

    fn arithmetic(&self, whole: &Expr, parts: &BinaryExpr, left: Compiled, right: Compiled) -> Result<Compiled> {
        let expr: PhysicalExprRef = Arc::new(EngineBinary::new(left.expr, parts.op, right.expr).with_fail_on_overflow(true));
        // Floats follow IEEE 754: they have an answer for everything.
        if expr.data_type(self.arrow())?.is_floating() {
            return self.fold(Compiled { expr, is_fallible: left.is_fallible || right.is_fallible });
        }
        self.guard(expr, Deed::Arithmetic, whole, &[&parts.left, &parts.right])
    }

    fn negative(&self, whole: &Expr, inner: &Expr) -> Result<Compiled> {
        let operand = self.compile(inner)?;
        let data_type = operand.expr.data_type(self.arrow())?;
        if !(data_type.is_signed_integer()
            || data_type.is_floating()
            || data_type.is_decimal()
            || matches!(data_type, DataType::Interval(_)))
        {
            return Err(DataFusionError::Plan(format!("cannot negate {}: it is {}", describe(inner), type_name(&data_type))));
        }
        self.guard(Arc::new(Negate(operand.expr)), Deed::Arithmetic, whole, &[inner])
    }

    fn cast(&self, whole: &Expr, inner: &Expr, target: &DataType, is_written: bool) -> Result<Compiled> {
        let operand = self.compile(inner)?;
        if operand.expr.data_type(self.arrow())? == *target {
            return Ok(operand);
        }
        let text = if is_written { describe(whole) } else { format!("{} as {}", describe(inner), type_name(target)) };
        let is_constant = operand.expr.downcast_ref::<Literal>().is_some();
        let label = if is_constant { None } else { Some(describe(inner)) };
        let engine = cast(operand.expr, self.arrow(), target.clone())?;
        let guarded: PhysicalExprRef = Arc::new(Guarded::new(engine, Deed::Cast { is_written }, text, vec![label]));
        let folded = self.fold(Compiled { expr: guarded, is_fallible: true })?;
        // A constant is the author's, not a record's.
        if is_constant && folded.is_fallible { Err(self.constant_error(&folded.expr)) } else { Ok(folded) }
    }

    fn constant_error(&self, expr: &PhysicalExprRef) -> DataFusionError {
        match one_row().and_then(|row| expr.evaluate(&row)) {
            Ok(_) => DataFusionError::Internal("a constant that could not be folded was evaluated".into()),
            Err(error) => match row_error(&error) {
                Some(failure) => DataFusionError::External(Box::new(refuse(TYPE, None, failure.message.clone()))),
                None => error,
            },
        }
    }

    fn function(&self, whole: &Expr, parts: &ScalarFunction) -> Result<Compiled> {
        let args = parts.args.iter().map(|arg| self.compile(arg)).collect::<Result<Vec<_>>>()?;
        let is_fallible = args.iter().any(|arg| arg.is_fallible);
        let args: Vec<PhysicalExprRef> = args.into_iter().map(|arg| arg.expr).collect();
        match (parts.func.name(), args.as_slice()) {
            // The engine only ever rewrites these and cannot call them.
            ("coalesce" | "nvl", [only]) => return Ok(Compiled { expr: Arc::clone(only), is_fallible }),
            ("coalesce" | "nvl", [_, ..]) => return Ok(Compiled { expr: Arc::new(Coalesce(args)), is_fallible }),
            ("nvl2", [tested, present, missing]) => {
                let branch = (is_not_null(Arc::clone(tested))?, Arc::clone(present));
                return Ok(Compiled { expr: case(None, vec![branch], Some(Arc::clone(missing)))?, is_fallible });
            }
            _ => {}
        }
        let code = functions::failure_code(parts.func.name());
        let call = ScalarFunctionExpr::try_new(Arc::clone(&parts.func), args, self.arrow(), Arc::clone(self.options))?;
        let operands: Vec<&Expr> = parts.args.iter().collect();
        self.guard(Arc::new(call), Deed::Function(code), whole, &operands)
    }

    fn case(&self, parts: &Case) -> Result<Compiled> {
        let mut is_fallible = false;
        let mut compile = |expr: &Expr| -> Result<PhysicalExprRef> {
            let compiled = self.compile(expr)?;
            is_fallible |= compiled.is_fallible;
            Ok(compiled.expr)
        };
        let operand = parts.expr.as_deref().map(&mut compile).transpose()?;
        let mut branches = Vec::with_capacity(parts.when_then_expr.len());
        for (when, then) in &parts.when_then_expr {
            branches.push((compile(when)?, compile(then)?));
        }
        let otherwise = parts.else_expr.as_deref().map(&mut compile).transpose()?;
        Ok(Compiled { expr: case(operand, branches, otherwise)?, is_fallible })
    }

    fn between(&self, parts: &Between) -> Result<Compiled> {
        let value = self.compile(&parts.expr)?;
        let low = self.compile(&parts.low)?;
        let high = self.compile(&parts.high)?;
        let at_least = Compiled {
            expr: binary(Arc::clone(&value.expr), Operator::GtEq, low.expr, self.arrow())?,
            is_fallible: value.is_fallible || low.is_fallible,
        };
        let at_most = Compiled {
            expr: binary(value.expr, Operator::LtEq, high.expr, self.arrow())?,
            is_fallible: value.is_fallible || high.is_fallible,
        };
        let both = self.connected(Connective::And, at_least, at_most)?;
        Ok(if parts.negated { Compiled { expr: not(both.expr)?, ..both } } else { both })
    }

    fn in_list(&self, parts: &InList) -> Result<Compiled> {
        let value = self.compile(&parts.expr)?;
        let mut is_fallible = value.is_fallible;
        let mut members = Vec::with_capacity(parts.list.len());
        for member in &parts.list {
            let member = self.compile(member)?;
            is_fallible |= member.is_fallible;
            members.push(member.expr);
        }
        Ok(Compiled { expr: in_list(value.expr, members, &parts.negated, self.arrow())?, is_fallible })
    }

    fn like(&self, whole: &Expr, parts: &Like, is_regex: bool) -> Result<Compiled> {
        if parts.escape_char.is_some_and(|escape| escape != '\\' || is_regex) {
            return Err(DataFusionError::NotImplemented("ESCAPE other than the backslash is not supported".into()));
        }
        let value = self.compile(&parts.expr)?;
        let pattern = self.compile(&parts.pattern)?;
        for (operand, source) in [(&value, &parts.expr), (&pattern, &parts.pattern)] {
            let data_type = operand.expr.data_type(self.arrow())?;
            if !(data_type.is_string() || data_type.is_null()) {
                return Err(DataFusionError::Plan(format!("{} is {}, not text", describe(source), type_name(&data_type))));
            }
        }
        let is_literal = pattern.expr.downcast_ref::<Literal>().is_some();
        let is_fallible = value.is_fallible || pattern.is_fallible;
        let expr = if is_regex {
            similar_to(parts.negated, parts.case_insensitive, value.expr, pattern.expr)?
        } else {
            like(parts.negated, parts.case_insensitive, value.expr, pattern.expr, self.arrow())?
        };
        if is_literal && !is_regex {
            return Ok(Compiled { expr, is_fallible });
        }
        self.guard(expr, Deed::Function(FUNCTION), whole, &[&parts.expr, &parts.pattern])
    }

    fn guard(&self, inner: PhysicalExprRef, deed: Deed, whole: &Expr, operands: &[&Expr]) -> Result<Compiled> {
        inner.data_type(self.arrow())?;
        let children = inner.children();
        let is_named = |index: usize| children.get(index).is_some_and(|child| child.downcast_ref::<Literal>().is_none());
        let labels = operands.iter().enumerate().map(|(index, operand)| is_named(index).then(|| describe(operand))).collect();
        let guarded: PhysicalExprRef = Arc::new(Guarded::new(Arc::clone(&inner), deed, describe(whole), labels));
        self.fold(Compiled { expr: guarded, is_fallible: true })
    }

    /// A constant expression becomes its value if it has one. One that fails stays as it is: it may stand where no record ever comes.
    fn fold(&self, compiled: Compiled) -> Result<Compiled> {
        if !is_constant(&compiled.expr) {
            return Ok(compiled);
        }
        let declared = compiled.expr.data_type(self.arrow())?;
        let value = one_row().and_then(|row| compiled.expr.evaluate(&row)).and_then(|value| match value {
            ColumnarValue::Scalar(scalar) => Ok(scalar),
            ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
        });
        match value {
            Ok(value) if value.data_type() == declared => Ok(safe(expressions::lit(value))),
            _ => Ok(compiled),
        }
    }

    /// The same value in a type that writers know; None if there is none.
    pub fn as_output(&self, name: &str, compiled: Compiled, source: &Expr) -> Result<Compiled> {
        let data_type = compiled.expr.data_type(self.arrow())?;
        let Some(target) = output_type(&data_type) else {
            return Err(DataFusionError::Plan(format!("column {name} is {}, which no output format can hold", type_name(&data_type))));
        };
        if target == data_type {
            return Ok(compiled);
        }
        let text = format!("{} as {}", describe(source), type_name(&target));
        let engine = cast(compiled.expr, self.arrow(), target)?;
        let expr = Arc::new(Guarded::new(engine, Deed::Cast { is_written: false }, text, vec![Some(describe(source))]));
        Ok(Compiled { expr, is_fallible: true })
    }
}

/// Is this made of nothing but literals? One level is enough: smaller parts have been folded before.
fn is_constant(expr: &PhysicalExprRef) -> bool {
    let operands = match expr.downcast_ref::<Guarded>() {
        Some(_) => expr.children()[0].children(),
        None => expr.children(),
    };
    operands.into_iter().all(|operand| operand.downcast_ref::<Literal>().is_some())
}

fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?)
}

/// The type a column of this type leaves the stage with: one of the types of the table schema, so that every writer knows it.
fn output_type(data_type: &DataType) -> Option<DataType> {
    use arrow_schema::TimeUnit::Microsecond;
    Some(match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Float64 | DataType::Date32 => data_type.clone(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Decimal128(_, _) => data_type.clone(),
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, *scale),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(Microsecond, zone.as_ref().map(|_| "UTC".into())),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new("item", output_type(item.data_type())?, true)))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| Some(Field::new(field.name(), output_type(field.data_type())?, true)));
            DataType::Struct(fields.collect::<Option<Vec<_>>>()?.into())
        }
        _ => return None,
    })
}
