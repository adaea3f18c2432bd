//! A compiled reduce stage at work: one partition at a time, on the calling thread, within its share of memory and scratch.

use std::io;
use std::sync::Arc;
use std::task::Poll;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use datafusion_common::config::{ConfigOptions, SpillCompression};
use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::memory_pool::FairSpillPool;
use datafusion_execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion_expr::LogicalPlan;
use datafusion_physical_plan::ExecutionPlan;
use futures::StreamExt;
use millrace_engine::error::CANCELLED;
use millrace_engine::program::{ProgramError, ReduceContext, ReduceEnd, ReduceProgram, ReduceSink, RowStream};

use crate::error::{AGGREGATE, BUG, DISK_FULL, MEMORY, arrow_error, innermost, plain_text, refuse, row_error};
use crate::growth::{MAX_ROW_BYTES, check_rows};
use crate::operators::BATCH_ROWS;
use crate::reduce_plan::{Flow, Planner, column, used_columns};
use crate::scan::Feeds;
use crate::statics::StaticCache;

/// A typed query, its tables, and what its lookups came to.
pub struct Reduce {
    pub plan: LogicalPlan,
    pub options: Arc<ConfigOptions>,
    pub tables: Vec<(String, DFSchema)>,
    pub statics: StaticCache,
    pub output: SchemaRef,
}

/// The operators of a query over the given tables.
pub fn operators(
    plan: &LogicalPlan,
    options: &Arc<ConfigOptions>,
    tables: &[(String, DFSchema)],
    statics: &mut StaticCache,
    feeds: &Feeds,
) -> Result<(Arc<dyn ExecutionPlan>, DFSchema)> {
    let mut used = used_columns(plan)?;
    // What a subtree hands on is used, whether or not it says so: a bare table has no expressions.
    used.extend(plan.schema().fields().iter().map(|field| field.name().clone()));
    let mut compute = |subtree: &LogicalPlan| statics.table(subtree);
    let mut planner = Planner { options: Arc::clone(options), tables, used, statics: &mut compute, feeds: Some(feeds) };
    let node = match plan {
        LogicalPlan::Projection(projection) => planner.projection(projection, true)?,
        other => planner.build(other)?,
    };
    let mut columns = Vec::with_capacity(node.schema.fields().len());
    let mut is_changed = false;
    for (index, (qualifier, field)) in node.schema.iter().enumerate() {
        let plain = column(field.name(), index);
        let whole = datafusion_expr::Expr::Column(datafusion_common::Column::new(qualifier.cloned(), field.name()));
        let value = planner.expressions(&node.schema).as_output(field.name(), plain, &whole)?;
        is_changed |= value.is_fallible;
        columns.push((qualifier.cloned(), field.name().clone(), value));
    }
    let node = if is_changed { planner.project(node, columns)? } else { node };
    let node = planner.settled(node)?;
    match node.flow {
        Flow::Plan(plan) => Ok((plan, node.schema)),
        Flow::Chain(_) => Err(DataFusionError::Internal("a settled node is an operator".into())),
    }
}

impl ReduceProgram for Reduce {
    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.output)
    }

    fn run(
        &mut self,
        tables: Vec<Box<dyn RowStream>>,
        context: &ReduceContext,
        sink: &mut dyn ReduceSink,
    ) -> Result<ReduceEnd, ProgramError> {
        if tables.len() != self.tables.len() {
            return Err(refuse(BUG, None, format!("the query has {} tables, not {}", self.tables.len(), tables.len())));
        }
        let feeds = Feeds::new(tables.into_iter().map(Some).collect(), Arc::clone(&context.cancelled));
        let (plan, _) = operators(&self.plan, &self.options, &self.tables, &mut self.statics, &feeds).map_err(|error| fault(&error))?;
        let runtime = runtime(context.memory_bytes, context).map_err(|error| fault(&error))?;
        let output = Arc::clone(&self.output);
        let task = task(&self.options, &runtime, context.memory_bytes);
        drive(&plan, &feeds, task, sink, &output)?;
        let spilled_bytes = written(&plan);
        Ok(ReduceEnd { read: feeds.rows_read(), spilled_bytes })
    }
}

fn runtime(memory_bytes: u64, context: &ReduceContext) -> Result<Arc<RuntimeEnv>> {
    let mode = match &context.scratch {
        Some(directory) => DiskManagerMode::Directories(vec![directory.clone()]),
        None => DiskManagerMode::Disabled,
    };
    let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(context.scratch_bytes);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(usize::try_from(memory_bytes).unwrap_or(usize::MAX))))
        .with_disk_manager_builder(disk)
        .build_arc()
}

/// The engine's settings for one run: fixed, but for what depends on memory and changes no bit of the result.
pub fn task(options: &ConfigOptions, runtime: &Arc<RuntimeEnv>, memory_bytes: u64) -> Arc<TaskContext> {
    let memory = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    let mut config = SessionConfig::new();
    *config.options_mut() = options.clone();
    let config = config
        .with_batch_size(BATCH_ROWS)
        .with_target_partitions(1)
        .with_sort_spill_reservation_bytes((memory / 8).min(10 << 20))
        .with_sort_in_place_threshold_bytes((memory / 16).min(1 << 20))
        .with_spill_compression(SpillCompression::Lz4Frame);
    Arc::new(TaskContext::new(
        None,
        String::new(),
        config,
        Default::default(),
        Default::default(),
        Default::default(),
        Default::default(),
        Arc::clone(runtime),
    ))
}

/// Pulls all rows through a plan.
pub fn drive(
    plan: &Arc<dyn ExecutionPlan>,
    feeds: &Feeds,
    task: Arc<TaskContext>,
    sink: &mut dyn ReduceSink,
    output: &SchemaRef,
) -> Result<(), ProgramError> {
    let threads = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .map_err(|error| refuse(BUG, None, format!("cannot start the runtime of a reduce stage: {error}")))?;
    threads.block_on(async {
        let mut stream = plan.execute(0, task).map_err(|error| fault(&error))?;
        loop {
            // Looked at in every turn, also in those that yield nothing: a sort may read for long before its first row.
            let mut stopped = None;
            let next = futures::future::poll_fn(|cx| match report(feeds, sink) {
                Ok(()) => stream.poll_next_unpin(cx),
                Err(error) => {
                    stopped = Some(error);
                    Poll::Ready(None)
                }
            })
            .await;
            if let Some(error) = stopped {
                return Err(error);
            }
            match next {
                None => break,
                Some(Err(error)) => return Err(fault(&error)),
                Some(Ok(batch)) if batch.num_rows() > 0 => hand_on(&batch, output, sink)?,
                Some(Ok(_)) => {}
            }
        }
        while feeds.drain().map_err(|error| fault(&error))? {
            report(feeds, sink)?;
        }
        report(feeds, sink)
    })
}

fn report(feeds: &Feeds, sink: &mut dyn ReduceSink) -> Result<(), ProgramError> {
    if feeds.is_cancelled() {
        return Err(refuse(CANCELLED, None, "cancelled"));
    }
    for row in feeds.take_failed() {
        sink.failed(row)?;
    }
    Ok(())
}

fn hand_on(batch: &RecordBatch, output: &SchemaRef, sink: &mut dyn ReduceSink) -> Result<(), ProgramError> {
    for start in (0..batch.num_rows()).step_by(BATCH_ROWS) {
        let piece = batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start));
        if check_rows(&piece).is_err() {
            let message = format!("a row of the result holds more than {} MiB; aggregate fewer values into it", MAX_ROW_BYTES >> 20);
            return Err(refuse(AGGREGATE, None, message));
        }
        // A subquery such as EXISTS may need rows and none of their columns.
        let options = RecordBatchOptions::new().with_row_count(Some(piece.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(output), piece.columns().to_vec(), &options);
        sink.rows(rows.map_err(|error| refuse(BUG, None, format!("the result is not what the query was compiled for: {error}")))?)?;
    }
    Ok(())
}

/// Bytes that the operators of a plan wrote to scratch.
pub fn written(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0) as u64;
    own + plan.children().into_iter().map(written).sum::<u64>()
}

/// What ended a run, as ours.
pub fn fault(error: &DataFusionError) -> ProgramError {
    if let Some(own) = own_error(error) {
        return own;
    }
    if let Some(own) = row_error(error) {
        return refuse(AGGREGATE, None, own.message.clone());
    }
    match innermost(error) {
        DataFusionError::ResourcesExhausted(text) if text.contains("disk space") => refuse(DISK_FULL, None, first_line(text)),
        DataFusionError::ResourcesExhausted(text) => refuse(MEMORY, None, first_line(text)),
        DataFusionError::IoError(io) if io.kind() == io::ErrorKind::StorageFull || io.kind() == io::ErrorKind::QuotaExceeded => {
            refuse(DISK_FULL, None, format!("cannot write to scratch: {io}"))
        }
        DataFusionError::Execution(_) => refuse(AGGREGATE, None, plain_text(error)),
        _ if arrow_error(error).is_some() => refuse(AGGREGATE, None, plain_text(error)),
        _ => refuse(BUG, None, format!("the query engine broke an invariant: {}", plain_text(error))),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

/// An error that we sent through the engine ourselves.
fn own_error(error: &DataFusionError) -> Option<ProgramError> {
    match innermost(error) {
        DataFusionError::External(inner) => inner.downcast_ref::<ProgramError>().cloned(),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            arrow_schema::ArrowError::ExternalError(inner) => {
                inner.downcast_ref::<ProgramError>().cloned().or_else(|| inner.downcast_ref::<DataFusionError>().and_then(own_error))
            }
            _ => None,
        },
        _ => None,
    }
}
