//! Physical expressions of our own: they give every failure a code and a text, and evaluate conditional operands only for the rows that
//! need them, so that a guard such as `x <> 0 and y / x > 1` fails for no row that it protects.

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, cast::AsArray, new_empty_array, types::Decimal128Type, types::Decimal256Type,
};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Schema};
use datafusion_common::arrow::compute::kernels::numeric::neg;
use datafusion_common::arrow::compute::kernels::zip::zip;
use datafusion_common::arrow::compute::{and_kleene, is_null, not, or_kleene};
use datafusion_common::arrow::error::ArrowError;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::expressions::BinaryExpr;
use datafusion_physical_expr::{PhysicalExpr, PhysicalExprRef};

use crate::error::{CAST, DIVIDE_BY_ZERO, MAX_MESSAGE_BYTES, OVERFLOW, RowError, TOO_LARGE, arrow_error, cut, plain_text, row_error};
use crate::growth::check_value;

/// Longest operand value shown in a message, in bytes.
const MAX_VALUE_BYTES: usize = 100;

/// What a guarded expression does, which decides the code of its failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Arithmetic,
    /// A cast of the text, or one that typing put in.
    Cast {
        is_written: bool,
    },
    /// A function, with the code its refusals get.
    Function(&'static str),
}

/// An expression whose failures become [`RowError`]s. Failures of its operands pass through unchanged.
#[derive(Debug)]
pub struct Guarded {
    inner: PhysicalExprRef,
    deed: Deed,
    text: Arc<str>,
    /// For each child of `inner` its text, or None for a literal, which needs no explanation.
    operands: Arc<[Option<String>]>,
}

impl Guarded {
    pub fn new(inner: PhysicalExprRef, deed: Deed, text: String, operands: Vec<Option<String>>) -> Guarded {
        Guarded { inner, deed, text: text.into(), operands: operands.into() }
    }

    fn try_evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        // Library functions are given hostile values: a panic of one of them is that record's failure, not the process's end.
        let attempt = catch_unwind(AssertUnwindSafe(|| self.inner.evaluate(batch)));
        let value = attempt.unwrap_or_else(|_| Err(DataFusionError::Execution("the function gave up on this value".into())))?;
        match self.deed {
            Deed::Arithmetic => check_precision(&value).map(|()| value),
            // A few library functions answer in another type than they declare, and differ between a column and a constant.
            Deed::Function(_) => {
                check_value(&value)?;
                let declared = self.inner.data_type(batch.schema_ref())?;
                if value.data_type() == declared { Ok(value) } else { value.cast_to(&declared, None) }
            }
            Deed::Cast { .. } => Ok(value),
        }
    }

    fn explain(&self, error: &DataFusionError, batch: &RecordBatch) -> RowError {
        let (code, cause) = match (self.deed, arrow_error(error)) {
            (Deed::Arithmetic, Some(ArrowError::DivideByZero)) => (DIVIDE_BY_ZERO, "division by zero".to_string()),
            (Deed::Arithmetic, _) if self.divides_by_zero(batch) => (DIVIDE_BY_ZERO, "division by zero".to_string()),
            (Deed::Arithmetic, _) => (OVERFLOW, "the result is outside its type".to_string()),
            (Deed::Cast { .. }, _) => (CAST, plain_text(error)),
            (Deed::Function(code), _) => (code, plain_text(error)),
        };
        // Only isolation looks at messages, and it always gets down to one record.
        if batch.num_rows() != 1 {
            return RowError { code, message: String::new() };
        }
        let message = format!("cannot evaluate {}: {}{}", self.text, cut(cause, 300), self.show_operands(batch));
        RowError { code, message: cut(message, MAX_MESSAGE_BYTES) }
    }

    /// What became too large. An expression around it says no more.
    fn named(&self, error: &RowError) -> RowError {
        let is_named = error.message.starts_with("cannot evaluate");
        let message = if is_named { error.message.clone() } else { format!("cannot evaluate {}: {}", self.text, error.message) };
        RowError { code: error.code, message: cut(message, MAX_MESSAGE_BYTES) }
    }

    /// Decimals are brought to a common scale before they are divided, and may overflow there although the divisor is the real trouble.
    fn divides_by_zero(&self, batch: &RecordBatch) -> bool {
        let Some(division) = self.inner.downcast_ref::<BinaryExpr>() else { return false };
        if !matches!(division.op(), Operator::Divide | Operator::Modulo) || batch.num_rows() != 1 {
            return false;
        }
        let divisor =
            division.right().evaluate(batch).and_then(|value| value.into_array(1)).and_then(|value| ScalarValue::try_from_array(&value, 0));
        divisor.is_ok_and(|divisor| ScalarValue::new_zero(&divisor.data_type()).is_ok_and(|zero| zero == divisor))
    }

    fn show_operands(&self, batch: &RecordBatch) -> String {
        let mut shown: Vec<String> = Vec::new();
        for (operand, label) in self.inner.children().into_iter().zip(self.operands.iter()) {
            let Some(label) = label else { continue };
            let operand = without_added_cast(operand);
            let Ok(value) = operand.evaluate(batch).and_then(|value| value.into_array(1)) else { continue };
            let pair = format!("{label} = {}", show_value(&value));
            if !shown.contains(&pair) {
                shown.push(pair);
            }
        }
        if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) }
    }
}

/// The operand as its author wrote it: a value in the type that typing chose may look quite different.
fn without_added_cast(operand: &PhysicalExprRef) -> &PhysicalExprRef {
    match operand.downcast_ref::<Guarded>() {
        Some(Guarded { inner, deed: Deed::Cast { is_written: false }, .. }) => inner.children().into_iter().next().unwrap_or(operand),
        _ => operand,
    }
}

/// The one value of an array, as SQL would write it, cut to a readable length.
pub fn show_value(array: &ArrayRef) -> String {
    if array.is_empty() || array.is_null(0) {
        return "null".into();
    }
    let text = array_value_to_string(array, 0).unwrap_or_default();
    match array.data_type() {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => format!("'{}'", cut(text.escape_debug().to_string(), MAX_VALUE_BYTES)),
        _ => cut(text, MAX_VALUE_BYTES),
    }
}

/// The kernels check the width of a decimal's integer but not its precision; only the widest precision can be passed unnoticed.
fn check_precision(value: &ColumnarValue) -> Result<()> {
    let checked = |array: &dyn Array| -> Result<(), ArrowError> {
        match array.data_type() {
            DataType::Decimal128(precision, _) => array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision),
            DataType::Decimal256(precision, _) => array.as_primitive::<Decimal256Type>().validate_decimal_precision(*precision),
            _ => Ok(()),
        }
    };
    match value {
        ColumnarValue::Array(array) => checked(array)?,
        ColumnarValue::Scalar(scalar) if scalar.data_type().is_decimal() => checked(&scalar.to_array()?)?,
        ColumnarValue::Scalar(_) => {}
    }
    Ok(())
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        // Without rows nobody asks for the value: `1 / 0` in a branch that no row takes must not fail.
        if batch.num_rows() == 0 {
            return Ok(ColumnarValue::Array(new_empty_array(&self.inner.data_type(batch.schema_ref())?)));
        }
        self.try_evaluate(batch).map_err(|error| match row_error(&error) {
            Some(own) if own.code == TOO_LARGE => self.named(own).into(),
            Some(_) => error,
            None => self.explain(&error, batch).into(),
        })
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<PhysicalExprRef>) -> Result<PhysicalExprRef> {
        let inner = children.remove(0);
        Ok(Arc::new(Guarded { inner, deed: self.deed, text: self.text.clone(), operands: self.operands.clone() }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Display for Guarded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "checked({})", self.inner)
    }
}

impl PartialEq for Guarded {
    fn eq(&self, other: &Guarded) -> bool {
        self.inner.eq(&other.inner) && self.deed == other.deed
    }
}

impl Eq for Guarded {}

impl Hash for Guarded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
        self.deed.hash(state);
    }
}

/// Negation that notices the smallest integer, whose negative does not exist.
#[derive(Debug, Eq)]
pub struct Negate(pub PhysicalExprRef);

impl Hash for Negate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Negate {
    fn eq(&self, other: &Negate) -> bool {
        self.0.eq(&other.0)
    }
}

impl PhysicalExpr for Negate {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        match self.0.evaluate(batch)? {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(neg(&array)?)),
            ColumnarValue::Scalar(scalar) => {
                let negated = neg(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&negated, 0)?))
            }
        }
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<PhysicalExprRef>) -> Result<PhysicalExprRef> {
        Ok(Arc::new(Negate(children.remove(0))))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "(- {})", self.0)
    }
}

impl Display for Negate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "(- {})", self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connective {
    And,
    Or,
}

/// `and`, `or` whose right side is evaluated only for rows that the left side leaves open. The engine's own operators do that for whole
/// batches only, which is right but sends every mixed batch through isolation.
#[derive(Debug, Eq)]
pub struct Connected {
    pub connective: Connective,
    pub left: PhysicalExprRef,
    pub right: PhysicalExprRef,
}

impl Hash for Connected {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.connective.hash(state);
        self.left.hash(state);
        self.right.hash(state);
    }
}

impl PartialEq for Connected {
    fn eq(&self, other: &Connected) -> bool {
        self.connective == other.connective && self.left.eq(&other.left) && self.right.eq(&other.right)
    }
}

impl PhysicalExpr for Connected {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let left = self.left.evaluate(batch)?.into_array(rows)?;
        let left = left.as_boolean();
        let open = open_rows(self.connective, left)?;
        if open.true_count() == 0 {
            return Ok(ColumnarValue::Array(Arc::new(left.clone())));
        }
        let right = self.right.evaluate_selection(batch, &open)?.into_array(rows)?;
        let joined = match self.connective {
            Connective::And => and_kleene(left, right.as_boolean())?,
            Connective::Or => or_kleene(left, right.as_boolean())?,
        };
        Ok(ColumnarValue::Array(Arc::new(joined)))
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<PhysicalExprRef>) -> Result<PhysicalExprRef> {
        let right = children.remove(1);
        Ok(Arc::new(Connected { connective: self.connective, left: children.remove(0), right }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Rows whose result depends on the right side: an unknown left side leaves both open.
fn open_rows(connective: Connective, left: &BooleanArray) -> Result<BooleanArray> {
    let unknown = is_null(left)?;
    let values = BooleanArray::new(left.values().clone(), None);
    let wanted = match connective {
        Connective::And => values,
        Connective::Or => not(&values)?,
    };
    Ok(datafusion_common::arrow::compute::or(&wanted, &unknown)?)
}

impl Display for Connected {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = if self.connective == Connective::And { "AND" } else { "OR" };
        write!(f, "({} {word} {})", self.left, self.right)
    }
}

/// `coalesce`: each further argument is evaluated only for rows that have no value yet.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Coalesce(pub Vec<PhysicalExprRef>);

impl PhysicalExpr for Coalesce {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0[0].data_type(schema)
    }

    fn nullable(&self, _schema: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut found = self.0[0].evaluate(batch)?.into_array(rows)?;
        for next in &self.0[1..] {
            if found.logical_null_count() == 0 {
                break;
            }
            let missing = is_null(&found)?;
            let value = next.evaluate_selection(batch, &missing)?.into_array(rows)?;
            found = zip(&missing, &value, &found)?;
        }
        Ok(ColumnarValue::Array(found))
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        self.0.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<PhysicalExprRef>) -> Result<PhysicalExprRef> {
        Ok(Arc::new(Coalesce(children)))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for Coalesce {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "coalesce({})", shown.join(", "))
    }
}
