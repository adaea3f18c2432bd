//! Operators that the engine does not have, all of one partition: rows numbered, batches cut anew, inputs one after another, a table's rows.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::{RecordBatch, RecordBatchOptions, UInt64Array, cast::AsArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::coalesce::BatchCoalescer;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, PhysicalExprRef};
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion_physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions};
use futures::{Stream, StreamExt, stream};

/// Rows in every batch but the last, wherever the cut may change a result.
pub const BATCH_ROWS: usize = 8_192;

pub type Open = dyn Fn(Vec<SendableRecordBatchStream>, &Arc<TaskContext>) -> Result<SendableRecordBatchStream> + Send + Sync;

/// An operator made of one function over the streams of its inputs. It promises no order of its own to the engine.
pub struct StreamExec {
    name: &'static str,
    children: Vec<Arc<dyn ExecutionPlan>>,
    open: Arc<Open>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl StreamExec {
    pub fn build(
        name: &'static str,
        children: Vec<Arc<dyn ExecutionPlan>>,
        schema: SchemaRef,
        open: impl Fn(Vec<SendableRecordBatchStream>, &Arc<TaskContext>) -> Result<SendableRecordBatchStream> + Send + Sync + 'static,
    ) -> Arc<dyn ExecutionPlan> {
        StreamExec::with_properties(name, children, EquivalenceProperties::new(schema), Arc::new(open))
    }

    fn with_properties(
        name: &'static str,
        children: Vec<Arc<dyn ExecutionPlan>>,
        equivalences: EquivalenceProperties,
        open: Arc<Open>,
    ) -> Arc<dyn ExecutionPlan> {
        StreamExec::measured(name, children, equivalences, ExecutionPlanMetricsSet::new(), open)
    }

    /// One that counts what it spills in `metrics`.
    pub fn measured(
        name: &'static str,
        children: Vec<Arc<dyn ExecutionPlan>>,
        equivalences: EquivalenceProperties,
        metrics: ExecutionPlanMetricsSet,
        open: Arc<Open>,
    ) -> Arc<dyn ExecutionPlan> {
        let partitioning = Partitioning::UnknownPartitioning(1);
        let properties = PlanProperties::new(equivalences, partitioning, EmissionType::Incremental, Boundedness::Bounded);
        Arc::new(StreamExec { name, children, open, properties: Arc::new(properties), metrics })
    }

    fn over(&self, children: Vec<Arc<dyn ExecutionPlan>>) -> Arc<dyn ExecutionPlan> {
        let (open, properties, metrics) = (Arc::clone(&self.open), Arc::clone(&self.properties), self.metrics.clone());
        Arc::new(StreamExec { name: self.name, children, open, properties, metrics })
    }
}

impl fmt::Debug for StreamExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl DisplayAs for StreamExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ExecutionPlan for StreamExec {
    fn name(&self) -> &str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.children.iter().collect()
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&PhysicalExprRef) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.over(children))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.over(children))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return Err(DataFusionError::Internal(format!("{} has one partition, not {partition}", self.name)));
        }
        let inputs = self.children.iter().map(|child| child.execute(0, Arc::clone(&context)));
        (self.open)(inputs.collect::<Result<_>>()?, &context)
    }
}

/// A stream with its schema.
pub struct WithSchema<S> {
    schema: SchemaRef,
    stream: S,
}

impl<S: Stream<Item = Result<RecordBatch>> + Send + Unpin> Stream for WithSchema<S> {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(cx)
    }
}

impl<S: Stream<Item = Result<RecordBatch>> + Send + Unpin> RecordBatchStream for WithSchema<S> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// A stream as the engine passes it around.
pub fn boxed(schema: SchemaRef, stream: impl Stream<Item = Result<RecordBatch>> + Send + Unpin + 'static) -> SendableRecordBatchStream {
    Box::pin(WithSchema { schema, stream })
}

/// Texts that were filtered or gathered still hold all bytes of their batches; operators that collect rows would run out of memory over bytes
/// that nobody reads. So texts are copied when they use less than half of what they hold.
pub fn released(batch: RecordBatch) -> RecordBatch {
    let columns = batch.columns().iter().map(|column| {
        let Some(texts) = column.as_string_view_opt() else { return Arc::clone(column) };
        let held: usize = texts.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
        if held > 2 * texts.total_buffer_bytes_used() { Arc::new(texts.gc()) } else { Arc::clone(column) }
    });
    let columns = columns.collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap_or(batch)
}

fn only(mut inputs: Vec<SendableRecordBatchStream>) -> Result<SendableRecordBatchStream> {
    inputs.pop().ok_or_else(|| DataFusionError::Internal("an operator lost its input".into()))
}

/// The input with one more column: each row's number in the order in which rows arrive.
pub fn enumerated(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let mut fields: Vec<_> = input.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("_sequence", DataType::UInt64, false)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let shape = Arc::clone(&schema);
    StreamExec::build("Enumerate", vec![input], schema, move |inputs, _| {
        let schema = Arc::clone(&shape);
        let mut next = 0;
        let numbered = only(inputs)?.map(move |batch| {
            let batch = batch?;
            let rows = batch.num_rows() as u64;
            let mut columns = batch.columns().to_vec();
            columns.push(Arc::new(UInt64Array::from_iter_values(next..next + rows)));
            next += rows;
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        });
        Ok(boxed(Arc::clone(&shape), numbered))
    })
}

/// The same rows in batches of exactly [`BATCH_ROWS`], the last one shorter. Sums of floats depend on where batches are cut. The order that
/// the input promises still holds.
pub fn rebatched(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let equivalences = input.properties().equivalence_properties().clone();
    StreamExec::with_properties("Rebatch", vec![input], equivalences, Arc::new(|inputs, _: &Arc<TaskContext>| rebatch(only(inputs)?)))
}

fn rebatch(input: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
    let schema = input.schema();
    if schema.fields().is_empty() {
        return Ok(input);
    }
    let coalescer = BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS);
    let cut = stream::unfold((input, coalescer, false), |(mut input, mut coalescer, mut is_done)| async move {
        loop {
            if let Some(batch) = coalescer.next_completed_batch() {
                return Some((Ok(batch), (input, coalescer, is_done)));
            }
            if is_done {
                return None;
            }
            let pushed = match input.next().await {
                Some(Ok(batch)) => coalescer.push_batch(batch),
                Some(Err(error)) => return Some((Err(error), (input, coalescer, true))),
                None => {
                    is_done = true;
                    coalescer.finish_buffered_batch()
                }
            };
            if let Err(error) = pushed {
                return Some((Err(error.into()), (input, coalescer, true)));
            }
        }
    });
    Ok(boxed(schema, Box::pin(cut)))
}

/// All rows of the first input, then all of the second, and so on.
pub fn concatenated(inputs: Vec<Arc<dyn ExecutionPlan>>, schema: SchemaRef) -> Arc<dyn ExecutionPlan> {
    let shape = Arc::clone(&schema);
    StreamExec::build("Concat", inputs, schema, move |inputs, _| {
        let schema = Arc::clone(&shape);
        let rows = stream::iter(inputs).flatten().map(move |batch| {
            let batch = batch?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), batch.columns().to_vec(), &options)?)
        });
        Ok(boxed(Arc::clone(&shape), rows))
    })
}

/// Passes rows on until they outgrow `limit` bytes.
pub fn bounded(input: Arc<dyn ExecutionPlan>, limit: usize, refuse: fn(usize) -> DataFusionError) -> Arc<dyn ExecutionPlan> {
    let schema = input.schema();
    StreamExec::build("Bounded", vec![input], Arc::clone(&schema), move |inputs, _| {
        let mut total = 0;
        let passed = only(inputs)?.map(move |batch| {
            let batch = batch?;
            total += batch.get_array_memory_size();
            if total > limit { Err(refuse(limit)) } else { Ok(batch) }
        });
        Ok(boxed(Arc::clone(&schema), passed))
    })
}
