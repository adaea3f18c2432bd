//! Joins by equal keys. While the rows of the second table fit into their share of memory, they are held in a hash table, and those of the first go
//! by. Else both are sorted by the keys and merged, which spills. Rows come out in the order of the first table, then of the second, either way.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion_common::{JoinType, NullEquality, Result};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryLimit};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, PhysicalExprRef, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::joins::utils::JoinFilter;
use datafusion_physical_plan::joins::{HashJoinExec, PartitionMode, SortMergeJoinExec};
use datafusion_physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::{StreamExt, TryStreamExt, stream};

use crate::operators::{StreamExec, boxed, released};
use crate::reduce_plan::{ASCENDING, hidden, sorted_plan};
use crate::sorting::{counted, source};

/// What part of the memory the held table may take: the operators behind need the larger one.
const SHARE: usize = 4;
/// The hash table's bytes for each row: places that are up to twice as many as rows, and the row behind with the same hash.
const ROW_BYTES: usize = 48;

type Keys = Vec<(PhysicalExprRef, PhysicalExprRef)>;

/// One side of a join. Its last columns are the order of its rows.
#[derive(Clone, Copy)]
pub struct Side {
    /// How many columns these are.
    pub order: usize,
    /// Do the rows come in that order?
    pub is_sorted: bool,
}

/// How two sides are joined.
#[derive(Clone)]
pub struct Equality {
    pub kind: JoinType,
    pub nulls: NullEquality,
    pub on: Keys,
    pub filter: Option<JoinFilter>,
    pub left: Side,
    pub right: Side,
}

impl Equality {
    /// Could the second table be held? Which row of a filter fails first, and what floats are equal, must not depend on memory.
    pub fn is_hashable(&self, left: &Schema) -> bool {
        let is_plain =
            |key: &PhysicalExprRef| key.data_type(left).is_ok_and(|data_type| !data_type.is_floating() && !data_type.is_nested());
        let is_sorted = self.left.is_sorted && self.right.is_sorted;
        self.kind == JoinType::Inner && self.filter.is_none() && is_sorted && self.on.iter().all(|(left, _)| is_plain(left))
    }

    /// Both sides sorted by the keys, merged; rows of one key that do not fit in memory are spilled. Rows come in no order of their own.
    pub fn merge(&self, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let keys = |of: fn(&(PhysicalExprRef, PhysicalExprRef)) -> &PhysicalExprRef| {
            self.on.iter().map(|pair| PhysicalSortExpr { expr: Arc::clone(of(pair)), options: ASCENDING }).collect::<Vec<_>>()
        };
        let left = sorted_plan(left, keys(|pair| &pair.0), self.left.order, self.left.is_sorted, None)?;
        let right = sorted_plan(right, keys(|pair| &pair.1), self.right.order, self.right.is_sorted, None)?;
        let options = vec![ASCENDING; self.on.len()];
        let join = SortMergeJoinExec::try_new(left, right, self.on.clone(), self.filter.clone(), self.kind, options, self.nulls)?;
        Ok(Arc::new(join))
    }

    /// Rows in the order of the first table, then of the second. Only if it [`is_hashable`](Equality::is_hashable).
    pub fn hash_or_merge(self, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.merge(Arc::clone(&left), Arc::clone(&right))?.schema();
        let metrics = ExecutionPlanMetricsSet::new();
        let (shape, measured) = (Arc::clone(&schema), metrics.clone());
        let open = move |mut inputs: Vec<SendableRecordBatchStream>, context: &Arc<TaskContext>| {
            let lost = || datafusion_common::DataFusionError::Internal("a join lost its input".into());
            let (right, left) = (inputs.pop().ok_or_else(lost)?, inputs.pop().ok_or_else(lost)?);
            let spilled_bytes = MetricBuilder::new(&measured).spilled_bytes(0);
            let rows = self.clone().run(left, right, Arc::clone(context), spilled_bytes);
            Ok(boxed(Arc::clone(&shape), Box::pin(stream::once(rows).try_flatten())))
        };
        Ok(StreamExec::measured("Join", vec![left, right], EquivalenceProperties::new(schema), metrics, Arc::new(open)))
    }

    async fn run(
        self,
        left: SendableRecordBatchStream,
        mut right: SendableRecordBatchStream,
        context: Arc<TaskContext>,
        spilled_bytes: Count,
    ) -> Result<SendableRecordBatchStream> {
        let pool = Arc::clone(context.memory_pool());
        let limit = match pool.memory_limit() {
            MemoryLimit::Finite(limit) => limit,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        };
        let reservation = MemoryConsumer::new("the second table of a join").register(&pool);
        let (mut held, mut fits) = (Vec::new(), true);
        while let Some(batch) = right.next().await.transpose()? {
            let batch = released(batch);
            // Twice, for the rows are put together; then the table.
            let size = 2 * batch.get_array_memory_size() + ROW_BYTES * batch.num_rows();
            held.push(Ok(batch));
            // Several joins leave half of the memory to those that sort.
            let has_room = reservation.size() + size <= limit / SHARE && pool.reserved().saturating_add(size) <= limit / 2;
            fits = has_room && reservation.try_grow(size).is_ok();
            if !fits {
                break;
            }
        }
        // The engine's operators make their own.
        drop(reservation);
        let (schema, left) = (right.schema(), source(left));
        let plan = if fits {
            self.hash(left, source(boxed(schema, stream::iter(held))))?
        } else {
            self.merge_in_order(left, source(boxed(schema, stream::iter(held).chain(right))))?
        };
        counted(plan, context, spilled_bytes)
    }

    /// Each row of the first table is looked up in a table of the second.
    fn hash(&self, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = PartitionMode::CollectLeft;
        // The engine holds the first table, so the two change places.
        HashJoinExec::try_new(left, right, self.on.clone(), None, &self.kind, None, mode, self.nulls, false)?.swap_inputs(mode)
    }

    fn merge_in_order(&self, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let left_width = left.schema().fields().len();
        let (of_left, of_right) = (hidden(&left, self.left.order), hidden(&right, self.right.order));
        let plan = self.merge(left, right)?;
        let schema: SchemaRef = plan.schema();
        let first = [left_width - of_left.len(), schema.fields().len() - of_right.len()];
        let places = (first[0]..left_width).chain(first[1]..schema.fields().len());
        let key = |index: usize| {
            let column = datafusion_physical_expr::expressions::Column::new(schema.field(index).name(), index);
            PhysicalSortExpr { expr: Arc::new(column), options: ASCENDING }
        };
        sorted_plan(plan, places.map(key).collect(), 0, false, None)
    }
}
