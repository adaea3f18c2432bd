//! Sorting by keys in Arrow's row format, as long as the rows fit in memory. From then on the engine's sort takes over, rows held included,
//! which spills; it is slower, for it sorts every batch and merges them. Both give the same order.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion_physical_plan::sorts::sort::SortExec;
use futures::{StreamExt, TryStreamExt, stream};
use millrace_engine::row_order::{RANK_BYTES, Ranked, ranked};

use crate::operators::{BATCH_ROWS, StreamExec, boxed, released};
use crate::reduce_run::written;

/// Rows by `keys`, those with equal keys in the order in which they come. `ordering` says the same and leaves no ties: by what else the rows
/// are in order already.
pub fn sorted(input: Arc<dyn ExecutionPlan>, keys: Vec<PhysicalSortExpr>, ordering: LexOrdering) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = input.schema();
    let mut equivalences = input.properties().equivalence_properties().clone();
    equivalences.reorder(ordering.iter().cloned())?;
    let field = |key: &PhysicalSortExpr| Ok(SortField::new_with_options(key.expr.data_type(&schema)?, key.options));
    let fields = keys.iter().map(field).collect::<Result<Vec<_>>>()?;
    let metrics = ExecutionPlanMetricsSet::new();
    let measured = metrics.clone();
    let open = move |mut inputs: Vec<SendableRecordBatchStream>, context: &Arc<TaskContext>| {
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("a sort lost its input".into()))?;
        let schema = input.schema();
        let sorting = Sorting {
            input,
            keys: keys.clone(),
            converter: RowConverter::new(fields.clone())?,
            ordering: ordering.clone(),
            context: Arc::clone(context),
            spilled_bytes: MetricBuilder::new(&measured).spilled_bytes(0),
            reservation: MemoryConsumer::new("sort").with_can_spill(true).register(context.memory_pool()),
            held: Vec::new(),
        };
        Ok(boxed(schema, Box::pin(stream::once(sorting.run()).try_flatten())))
    };
    Ok(StreamExec::measured("Sort", vec![input], equivalences, metrics, Arc::new(open)))
}

struct Sorting {
    input: SendableRecordBatchStream,
    keys: Vec<PhysicalSortExpr>,
    converter: RowConverter,
    ordering: LexOrdering,
    context: Arc<TaskContext>,
    spilled_bytes: Count,
    reservation: MemoryReservation,
    held: Vec<(RecordBatch, Rows)>,
}

impl Sorting {
    async fn run(mut self) -> Result<SendableRecordBatchStream> {
        while let Some(batch) = self.input.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = released(batch);
            let keys = self.keys_of(&batch)?;
            // Twice, as the engine's sort counts: it may have to take over with rows and room of its own.
            let size = 2 * batch.get_array_memory_size() + keys.size() + batch.num_rows() * RANK_BYTES;
            let has_room = self.reservation.try_grow(size).is_ok() && leaves_room(self.context.memory_pool().as_ref());
            self.held.push((batch, keys));
            if !has_room {
                return self.spilling();
            }
        }
        Ok(self.in_memory())
    }

    fn keys_of(&self, batch: &RecordBatch) -> Result<Rows> {
        let column = |key: &PhysicalSortExpr| key.expr.evaluate(batch)?.into_array(batch.num_rows());
        let columns = self.keys.iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
        Ok(self.converter.convert_columns(&columns)?)
    }

    fn in_memory(self) -> SendableRecordBatchStream {
        let order = ranked(&self.held.iter().map(|(_, keys)| keys).collect::<Vec<_>>());
        let (batches, keys): (Vec<RecordBatch>, Vec<Rows>) = self.held.into_iter().unzip();
        drop(keys);
        // The engine's sort takes over no more, so the room kept for it goes to the operators behind.
        let reservation = self.reservation;
        reservation.resize(batches.iter().map(RecordBatch::get_array_memory_size).sum::<usize>() + order.len() * RANK_BYTES);
        let pieces = (0..order.len()).step_by(BATCH_ROWS).map(move |start| {
            // Held until the last row is out.
            let _ = &reservation;
            gathered(&batches, &order[start..order.len().min(start + BATCH_ROWS)])
        });
        boxed(self.input.schema(), stream::iter(pieces))
    }

    /// The engine's sort over the rows held and those to come.
    fn spilling(self) -> Result<SendableRecordBatchStream> {
        let schema = self.input.schema();
        // The engine's sort makes its own reservation for each of them as it comes.
        drop(self.reservation);
        let held = stream::iter(self.held.into_iter().map(|(batch, _)| Ok(batch)));
        let sort = Arc::new(SortExec::new(self.ordering, source(boxed(schema, held.chain(self.input)))));
        counted(sort, self.context, self.spilled_bytes)
    }
}

/// The rows of an operator, whose spilled bytes are counted when it ends.
pub fn counted(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, spilled_bytes: Count) -> Result<SendableRecordBatchStream> {
    let (schema, rows) = (plan.schema(), plan.execute(0, context)?);
    let counted = stream::unfold((rows, plan, spilled_bytes), |(mut rows, plan, spilled_bytes)| async move {
        let next = rows.next().await;
        if next.is_none() {
            spilled_bytes.add(written(&plan) as usize);
        }
        next.map(|batch| (batch, (rows, plan, spilled_bytes)))
    });
    Ok(boxed(schema, Box::pin(counted)))
}

/// Operators behind that cannot spill, such as a window function over its partition, need room while the sorted rows are held.
fn leaves_room(pool: &dyn MemoryPool) -> bool {
    match pool.memory_limit() {
        MemoryLimit::Finite(limit) => pool.reserved() + limit / 8 <= limit,
        MemoryLimit::Infinite | MemoryLimit::Unknown => true,
    }
}

/// Texts are copied: else each batch would hold on to those of all others.
fn gathered(batches: &[RecordBatch], rows: &[Ranked]) -> Result<RecordBatch> {
    let places: Vec<(usize, usize)> = rows.iter().map(Ranked::place).collect();
    Ok(released(interleave_record_batch(&batches.iter().collect::<Vec<_>>(), &places)?))
}

/// A stream that flows already, as an operator that can be executed once.
pub fn source(rows: SendableRecordBatchStream) -> Arc<dyn ExecutionPlan> {
    let schema: SchemaRef = rows.schema();
    let rows = Mutex::new(Some(rows));
    StreamExec::build("Held", Vec::new(), schema, move |_, _| {
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.ok_or_else(|| DataFusionError::Internal("rows that are held can be read once".into()))
    })
}
