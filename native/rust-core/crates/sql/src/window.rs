//! Window functions: rows sorted by partition, then by the order asked for, then by their own order. Ranks and running totals take one pass
//! (`one_pass`); other functions that look at few rows at a time stream; the rest hold one window partition in memory, so that the result
//! does not depend on how rows arrive.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ord::partition::partition;
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_expr::expr::{NullTreatment, WindowFunction};
use datafusion_expr::{Expr, Window, WindowFunctionDefinition};
use datafusion_physical_expr::aggregate::AggregateExprBuilder;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::window::WindowExpr;
use datafusion_physical_expr::{PhysicalExprRef, PhysicalSortExpr};
use datafusion_physical_plan::windows::{BoundedWindowAggExec, create_window_expr};
use datafusion_physical_plan::{ExecutionPlan, InputOrderMode};
use futures::{StreamExt, stream};

use crate::aggregate::{check_sum, checked, widened};
use crate::blame::blaming;
use crate::describe::describe;
use crate::error::{UNSUPPORTED, refuse};
use crate::one_pass::{Function, is_one_pass, one_pass};
use crate::operators::{BATCH_ROWS, StreamExec, boxed, rebatched};
use crate::ranks::rank_of;
use crate::reduce_plan::{ASCENDING, Flow, Node, Planner, first_columns, hidden, options_of, projected};
use crate::running::{Running, reach_of};

fn unsupported(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(refuse(UNSUPPORTED, None, message)))
}

fn call_of(expr: &Expr) -> Result<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => call_of(&alias.expr),
        Expr::WindowFunction(function) => Ok(function),
        other => Err(unsupported(format!("{} is not supported as a window", describe(other)))),
    }
}

fn parts(function: &WindowFunction) -> impl Iterator<Item = &Expr> {
    let params = &function.params;
    let keys = params.partition_by.iter().chain(params.order_by.iter().map(|key| &key.expr));
    keys.chain(&params.args).chain(params.filter.as_deref())
}

/// One window function with its parts as columns of the input.
struct Call {
    partition_by: Vec<PhysicalExprRef>,
    order_by: Vec<PhysicalSortExpr>,
    args: Vec<PhysicalExprRef>,
    filter: Option<PhysicalExprRef>,
}

impl Planner<'_> {
    pub fn window(&mut self, window: &Window) -> Result<Node> {
        let node = self.build(&window.input)?;
        let functions = window.window_expr.iter().map(call_of).collect::<Result<Vec<_>>>()?;
        let shape = |function: &WindowFunction| (function.params.partition_by.clone(), function.params.order_by.clone());
        if functions.iter().any(|function| shape(function) != shape(functions[0])) {
            return Err(unsupported(
                "window functions of one step differ in PARTITION BY or ORDER BY; put them into separate WITH queries",
            ));
        }
        let visible = node.schema.clone();
        let exprs: Vec<&Expr> = functions.iter().flat_map(|function| parts(function)).collect();
        let (node, refs) = self.extend(node, &exprs)?;
        let mut refs = refs.into_iter();
        let calls: Vec<Call> = functions.iter().map(|function| call(function, &mut refs)).collect();
        let node = self.ordered(node)?;
        let order = node.order;
        let keys = calls[0].partition_by.iter().map(|expr| PhysicalSortExpr { expr: Arc::clone(expr), options: ASCENDING });
        let keys = keys.chain(calls[0].order_by.iter().cloned()).collect();
        let plan = self.sorted_by(node, keys, None)?;
        let width = plan.schema().fields().len();
        let exprs = window_exprs(&functions, &calls, &plan)?;
        if let Some(passes) = passes(&functions, &calls, &exprs, &plan)? {
            let order_by = calls[0].order_by.iter().map(|key| Arc::clone(&key.expr)).collect();
            let plan = one_pass(plan, passes, calls[0].partition_by.clone(), order_by)?;
            return finish(plan, window, &visible, width, order);
        }
        let plan = if can_stream(&exprs, &functions, &visible) {
            let plan: Arc<dyn ExecutionPlan> = Arc::new(BoundedWindowAggExec::try_new(exprs, plan, InputOrderMode::Sorted, false)?);
            plan
        } else {
            per_partition(exprs, plan)?
        };
        finish(plan, window, &visible, width, order)
    }
}

/// The visible columns, the results in their declared types, the hidden columns.
fn finish(plan: Arc<dyn ExecutionPlan>, window: &Window, visible: &DFSchema, width: usize, order: usize) -> Result<Node> {
    let physical = plan.schema();
    let count = visible.fields().len();
    let mut exprs = first_columns(&plan, count);
    let mut fields: Vec<_> = visible.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
    // The plan counts columns of its input that nobody reads; results are its last ones.
    let first = window.schema.fields().len() - window.window_expr.len();
    for (index, whole) in window.window_expr.iter().enumerate() {
        let (qualifier, field) = window.schema.qualified_field(first + index);
        let place = width + index;
        let result: PhysicalExprRef = Arc::new(Column::new(physical.field(place).name(), place));
        let result = checked(result, field.data_type(), whole, &physical)?;
        fields.push((qualifier.cloned(), Arc::new(Field::new(field.name(), field.data_type().clone(), true))));
        exprs.push((blaming(result), field.name().clone()));
    }
    let first_hidden = width - order;
    exprs.extend((first_hidden..width).map(|index| {
        let expr: PhysicalExprRef = Arc::new(Column::new(physical.field(index).name(), index));
        (expr, physical.field(index).name().clone())
    }));
    let schema = DFSchema::new_with_metadata(fields, HashMap::new())?;
    let plan = projected(exprs, plan)?;
    debug_assert_eq!(hidden(&plan, order).len(), order);
    Ok(Node { flow: Flow::Plan(plan), schema, order, is_sorted: false })
}

fn call(function: &WindowFunction, refs: &mut impl Iterator<Item = PhysicalExprRef>) -> Call {
    let params = &function.params;
    let partition_by = refs.by_ref().take(params.partition_by.len()).collect();
    let keys: Vec<_> = refs.by_ref().take(params.order_by.len()).collect();
    let order_by = keys.into_iter().zip(&params.order_by).map(|(expr, key)| PhysicalSortExpr { expr, options: options_of(key) }).collect();
    let args = refs.by_ref().take(params.args.len()).collect();
    let filter = params.filter.as_ref().and_then(|_| refs.next());
    Call { partition_by, order_by, args, filter }
}

fn window_exprs(functions: &[&WindowFunction], calls: &[Call], plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<Arc<dyn WindowExpr>>> {
    let schema = plan.schema();
    let mut exprs = Vec::with_capacity(functions.len());
    for (index, (function, call)) in functions.iter().zip(calls).enumerate() {
        let params = &function.params;
        let mut args = call.args.clone();
        for (arg, written) in args.iter_mut().zip(&params.args) {
            // Offsets and defaults of lag and lead are read as constants while planning.
            if let Expr::Literal(value, _) = written {
                *arg = datafusion_physical_expr::expressions::lit(value.clone());
            }
        }
        if let Some(first) = args.first() {
            check_sum(function.fun.name(), Some(&first.data_type(&schema)?))?;
        }
        if function.fun.name() == "sum"
            && let Some(wide) = widened(Arc::clone(&args[0]), &schema)?
        {
            args[0] = wide;
        }
        check_sliding(function, &args, &schema)?;
        let frame = Arc::new(params.window_frame.clone());
        let ignores_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let (fun, name) = (&function.fun, format!("_result_{index}"));
        let (partition_by, order_by) = (&call.partition_by, &call.order_by);
        let shape = Arc::clone(&schema);
        let distinct = params.distinct;
        exprs.push(create_window_expr(
            fun,
            name,
            &args,
            partition_by,
            order_by,
            frame,
            shape,
            ignores_nulls,
            distinct,
            call.filter.clone(),
        )?);
    }
    Ok(exprs)
}

/// The functions as one pass computes them; None if it cannot compute them all.
fn passes(
    functions: &[&WindowFunction],
    calls: &[Call],
    exprs: &[Arc<dyn WindowExpr>],
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<Option<Vec<Function>>> {
    let schema = plan.schema();
    let mut passes = Vec::with_capacity(functions.len());
    for ((function, call), expr) in functions.iter().zip(calls).zip(exprs) {
        let Some(pass) = pass_of(function, call, &schema)? else { return Ok(None) };
        if pass.data_type(&schema)? != *expr.field()?.data_type() {
            return Ok(None);
        }
        passes.push(pass);
    }
    Ok(is_one_pass(&passes).then_some(passes))
}

fn pass_of(function: &WindowFunction, call: &Call, input: &SchemaRef) -> Result<Option<Function>> {
    if let Some(ranking) = rank_of(function) {
        return Ok(Some(Function::Rank(ranking)));
    }
    let (Some(reach), Some(values)) = (reach_of(&function.params.window_frame), call.args.first()) else { return Ok(None) };
    let running = Running::of(function, reach, values, call.filter.clone(), input)?;
    Ok(running.map(|running| Function::Running(running, reach)))
}

/// Where a frame leaves rows behind, an aggregate must be able to take them out again.
fn check_sliding(function: &WindowFunction, args: &[PhysicalExprRef], schema: &SchemaRef) -> Result<()> {
    let WindowFunctionDefinition::AggregateUDF(aggregate) = &function.fun else { return Ok(()) };
    if function.params.window_frame.start_bound.is_unbounded() {
        return Ok(());
    }
    let builder = AggregateExprBuilder::new(Arc::clone(aggregate), args.to_vec()).schema(Arc::clone(schema)).alias("_sliding");
    match builder.build()?.create_sliding_accumulator() {
        Ok(_) => Ok(()),
        Err(_) => {
            let message = "cannot be used over a frame whose start moves; let it begin at UNBOUNDED PRECEDING, or join the table to itself";
            Err(unsupported(format!("{} {message}", aggregate.name())))
        }
    }
}

/// A stream keeps state from batch to batch; for sums of floats that would let the cuts show.
fn can_stream(exprs: &[Arc<dyn WindowExpr>], functions: &[&WindowFunction], input: &DFSchema) -> bool {
    let is_exact = |function: &&WindowFunction| match &function.fun {
        WindowFunctionDefinition::WindowUDF(_) => true,
        WindowFunctionDefinition::AggregateUDF(aggregate) => {
            let is_simple = matches!(aggregate.name(), "count" | "sum" | "min" | "max" | "bool_and" | "bool_or");
            let types = function.params.args.iter().map(|arg| datafusion_expr::ExprSchemable::get_type(arg, input));
            is_simple && types.into_iter().all(|data_type| data_type.is_ok_and(|data_type| !data_type.is_floating()))
        }
    };
    exprs.iter().all(|expr| expr.uses_bounded_memory()) && functions.iter().all(is_exact)
}

/// Evaluates window functions over one window partition at a time.
fn per_partition(exprs: Vec<Arc<dyn WindowExpr>>, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut fields: Vec<_> = input.schema().fields().iter().cloned().collect();
    for expr in &exprs {
        fields.push(Arc::new(expr.field()?.as_ref().clone().with_nullable(true)));
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let shape = Arc::clone(&schema);
    let windows = StreamExec::build("Windows", vec![input], schema, move |mut inputs, context| {
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("a window lost its input".into()))?;
        Ok(boxed(Arc::clone(&shape), Box::pin(Windows::new(input, &exprs, &shape, context).run())))
    });
    // Window partitions of a few rows each would burden every operator behind.
    Ok(rebatched(windows))
}

struct Windows {
    input: SendableRecordBatchStream,
    exprs: Vec<Arc<dyn WindowExpr>>,
    schema: SchemaRef,
    /// Rows of the window partition that has not ended yet.
    open: Vec<RecordBatch>,
    reservation: MemoryReservation,
    ready: std::collections::VecDeque<RecordBatch>,
    is_done: bool,
}

impl Windows {
    fn new(input: SendableRecordBatchStream, exprs: &[Arc<dyn WindowExpr>], schema: &SchemaRef, context: &Arc<TaskContext>) -> Windows {
        let reservation = MemoryConsumer::new("one window partition").register(context.memory_pool());
        let (exprs, schema) = (exprs.to_vec(), Arc::clone(schema));
        Windows { input, exprs, schema, open: Vec::new(), reservation, ready: Default::default(), is_done: false }
    }

    fn run(self) -> impl futures::Stream<Item = Result<RecordBatch>> + Send {
        stream::unfold(self, |mut windows| async move {
            loop {
                if let Some(batch) = windows.ready.pop_front() {
                    return Some((Ok(batch), windows));
                }
                if windows.is_done {
                    return None;
                }
                if let Err(error) = windows.advance().await {
                    windows.is_done = true;
                    return Some((Err(error), windows));
                }
            }
        })
    }

    async fn advance(&mut self) -> Result<()> {
        let Some(batch) = self.input.next().await.transpose()? else {
            self.is_done = true;
            return self.close();
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let pieces = self.pieces(&batch)?;
        for (index, (start, end)) in pieces.iter().enumerate() {
            let piece = batch.slice(*start, end - start);
            if index > 0 || !self.continues(&piece)? {
                self.close()?;
            }
            let share = batch.get_array_memory_size() * piece.num_rows() / batch.num_rows();
            // Evaluating takes the rows once more.
            self.reservation.try_grow(2 * share)?;
            self.open.push(piece);
        }
        Ok(())
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.exprs[0].partition_by().iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows())).collect()
    }

    /// Where the window partitions of a batch begin and end.
    fn pieces(&self, batch: &RecordBatch) -> Result<Vec<(usize, usize)>> {
        let keys = self.keys(batch)?;
        if keys.is_empty() {
            return Ok(vec![(0, batch.num_rows())]);
        }
        Ok(partition(&keys)?.ranges().into_iter().map(|range| (range.start, range.end)).collect())
    }

    /// Does a piece belong to the partition that is open?
    fn continues(&self, piece: &RecordBatch) -> Result<bool> {
        let Some(last) = self.open.last() else { return Ok(true) };
        let pair = concat_batches(&last.schema(), [&last.slice(last.num_rows() - 1, 1), &piece.slice(0, 1)])?;
        Ok(self.pieces(&pair)?.len() == 1)
    }

    fn close(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let rows = concat_batches(&self.open[0].schema(), &self.open)?;
        self.open.clear();
        let mut columns = rows.columns().to_vec();
        for expr in &self.exprs {
            columns.push(expr.evaluate(&rows)?);
        }
        let whole = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        for start in (0..whole.num_rows()).step_by(BATCH_ROWS) {
            self.ready.push_back(whole.slice(start, BATCH_ROWS.min(whole.num_rows() - start)));
        }
        self.reservation.free();
        Ok(())
    }
}
