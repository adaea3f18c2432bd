//! Where a query may go on for ever, somebody looks whether it is still wanted: joins make as many rows as they like out of few.

use std::fmt::{self, Debug, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::{PhysicalExpr, PhysicalExprRef};
use datafusion_physical_plan::ExecutionPlan;
use futures::StreamExt;
use millrace_engine::error::CANCELLED;

use crate::error::refuse;
use crate::operators::{StreamExec, boxed};
use crate::scan::Feeds;

fn check(feeds: &Feeds) -> Result<()> {
    if feeds.is_cancelled() { Err(DataFusionError::External(Box::new(refuse(CANCELLED, None, "cancelled")))) } else { Ok(()) }
}

/// The same rows, as long as they are wanted.
pub fn watched(input: Arc<dyn ExecutionPlan>, feeds: &Feeds) -> Arc<dyn ExecutionPlan> {
    let (schema, feeds) = (input.schema(), feeds.clone());
    StreamExec::build("Watched", vec![input], Arc::clone(&schema), move |mut inputs, _| {
        let feeds = feeds.clone();
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("a join was lost".into()))?;
        Ok(boxed(Arc::clone(&schema), input.map(move |batch| check(&feeds).and(batch))))
    })
}

/// A condition that is evaluated as long as its answer is wanted.
pub struct WatchedExpr {
    pub inner: PhysicalExprRef,
    pub feeds: Feeds,
}

impl PhysicalExpr for WatchedExpr {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        check(&self.feeds)?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&PhysicalExprRef> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<PhysicalExprRef>) -> Result<PhysicalExprRef> {
        Ok(Arc::new(WatchedExpr { inner: children.remove(0), feeds: self.feeds.clone() }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

impl Debug for WatchedExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "watched({:?})", self.inner)
    }
}

impl Display for WatchedExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

impl PartialEq for WatchedExpr {
    fn eq(&self, other: &WatchedExpr) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for WatchedExpr {}

impl Hash for WatchedExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
