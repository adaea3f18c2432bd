//! Failures behind the first aggregate, window or join of a reduce stage. They belong to no record, so nothing isolates them and the partition ends;
//! whoever reads why wants to know at which row: of a batch that fails the first such row is looked for, and its group is named.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{PhysicalExpr, PhysicalExprRef};

use crate::error::{MAX_MESSAGE_BYTES, RowError, cut, row_error};
use crate::guard::show_value;

/// Columns with the keys of a group begin with this.
pub const GROUP_PREFIX: &str = "_group_";
/// Longest text for the keys of a group, in bytes: they must not push out what went wrong.
const MAX_GROUP_BYTES: usize = 300;

/// An expression whose failure tells at which row it happened.
#[derive(Debug)]
pub struct Blaming(PhysicalExprRef);

/// The expression, so that its failures tell at which row they happened.
pub fn blaming(inner: PhysicalExprRef) -> PhysicalExprRef {
    // A plain column cannot fail, and operators look for plain columns.
    if inner.children().is_empty() { inner } else { Arc::new(Blaming(inner)) }
}

impl Blaming {
    fn explain(&self, error: DataFusionError, batch: &RecordBatch) -> DataFusionError {
        let Some(code) = row_error(&error).map(|own| own.code) else { return error };
        let row = self.first_failing(batch);
        let message = match self.0.evaluate(&row).as_ref().map_err(row_error) {
            Err(Some(own)) if !own.message.is_empty() => own.message.clone(),
            // Alone the row passes: what failed are the rows together, as where a conditional operand was evaluated for all.
            _ => format!("cannot evaluate {} for {} rows together", self.0, batch.num_rows()),
        };
        let message = format!("{}{}", cut(message, MAX_MESSAGE_BYTES - MAX_GROUP_BYTES), group_of(&row));
        RowError { code, message: cut(message, MAX_MESSAGE_BYTES) }.into()
    }

    /// A row of a failing batch that fails, the first if rows do not depend on one another: as many evaluations as there are halvings.
    fn first_failing(&self, batch: &RecordBatch) -> RecordBatch {
        let mut open = batch.clone();
        while open.num_rows() > 1 {
            let half = open.num_rows() / 2;
            let first = open.slice(0, half);
            open = if self.0.evaluate(&first).is_err() { first } else { open.slice(half, open.num_rows() - half) };
        }
        open
    }
}

/// `, in the group 'a', 3`; nothing for a row that is of no group.
fn group_of(row: &RecordBatch) -> String {
    let schema = row.schema_ref();
    let keys = schema.fields().iter().zip(row.columns()).filter(|(field, _)| field.name().starts_with(GROUP_PREFIX));
    let keys: Vec<String> = keys.map(|(_, column)| show_value(column)).collect();
    if keys.is_empty() { String::new() } else { cut(format!(", in the group {}", keys.join(", ")), MAX_GROUP_BYTES) }
}

impl PhysicalExpr for Blaming {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.0.evaluate(batch).map_err(|error| self.explain(error, batch))
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<PhysicalExprRef>) -> Result<PhysicalExprRef> {
        Ok(Arc::new(Blaming(children.remove(0))))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

impl Display for Blaming {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl PartialEq for Blaming {
    fn eq(&self, other: &Blaming) -> bool {
        self.0.eq(&other.0)
    }
}

impl Eq for Blaming {}

impl std::hash::Hash for Blaming {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
