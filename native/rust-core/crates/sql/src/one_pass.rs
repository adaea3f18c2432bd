//! Window functions over sorted rows in one pass that remembers a row: ranks, and aggregates over frames that begin with their partition. The
//! engine's operators keep state for each window partition, which costs more than the rows where partitions are small.
//!
//! Where a frame reaches beyond its row, to the last of its peers or of its partition, rows wait until that one has come: in memory while there is
//! room, then in scratch. All that wait get the same value.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array, cast::AsArray};
use arrow_buffer::NullBuffer;
use arrow_ord::partition::partition;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::{concat::concat, take::take};
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::PhysicalExprRef;
use datafusion_physical_plan::ExecutionPlan;
use futures::{Stream, StreamExt, stream};

use crate::operators::{StreamExec, boxed, released};
use crate::ranks::{Ranking, Ranks};
use crate::running::{Reach, Running, Total};
use crate::spool::{Spool, SpoolWriter};

/// A function that is computed row by row.
#[derive(Clone)]
pub enum Function {
    Rank(Ranking),
    Running(Running, Reach),
}

impl Function {
    fn reach(&self) -> Reach {
        match self {
            Function::Rank(_) => Reach::Row,
            Function::Running(_, reach) => *reach,
        }
    }

    pub fn data_type(&self, input: &Schema) -> Result<DataType> {
        match self {
            Function::Rank(_) => Ok(DataType::UInt64),
            Function::Running(running, _) => running.data_type(input),
        }
    }

    fn start(&self) -> State {
        match self {
            Function::Rank(ranking) => State::Rank(Ranks::new(*ranking)),
            Function::Running(running, _) => State::Running(running.clone(), running.start()),
        }
    }
}

/// Can one pass answer all of these? Rows wait for one thing only.
pub fn is_one_pass(functions: &[Function]) -> bool {
    let mut later = functions.iter().map(Function::reach).filter(|reach| *reach != Reach::Row);
    later.next().is_none_or(|first| later.all(|reach| reach == first))
}

/// The input with a column more for each function, of which [`is_one_pass`] holds.
pub fn one_pass(
    input: Arc<dyn ExecutionPlan>,
    functions: Vec<Function>,
    partition_by: Vec<PhysicalExprRef>,
    order_by: Vec<PhysicalExprRef>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let shape = Shape::of(&input.schema(), functions, partition_by, order_by)?;
    let schema = Arc::clone(&shape.schema);
    Ok(StreamExec::build("OnePass", vec![input], schema, move |mut inputs, context| {
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("a window lost its input".into()))?;
        let schema = Arc::clone(&shape.schema);
        Ok(boxed(schema, Box::pin(OnePass::new(input, shape.clone(), context).run())))
    }))
}

/// What is computed, and the columns.
#[derive(Clone)]
struct Shape {
    functions: Vec<Function>,
    /// What rows wait for; `Row` if for nothing.
    reach: Reach,
    partition_by: Vec<PhysicalExprRef>,
    order_by: Vec<PhysicalExprRef>,
    schema: SchemaRef,
    /// The columns of rows that wait: their own, and the results that are known already.
    waiting: SchemaRef,
}

impl Shape {
    fn of(
        input: &SchemaRef,
        functions: Vec<Function>,
        partition_by: Vec<PhysicalExprRef>,
        order_by: Vec<PhysicalExprRef>,
    ) -> Result<Shape> {
        let reach = functions.iter().map(Function::reach).find(|reach| *reach != Reach::Row).unwrap_or(Reach::Row);
        let mut all: Vec<Arc<Field>> = input.fields().iter().cloned().collect();
        let mut waiting = all.clone();
        for (index, function) in functions.iter().enumerate() {
            let field = Arc::new(Field::new(format!("_result_{index}"), function.data_type(input)?, true));
            all.push(Arc::clone(&field));
            if function.reach() == Reach::Row {
                waiting.push(field);
            }
        }
        let (schema, waiting) = (Arc::new(Schema::new(all)), Arc::new(Schema::new(waiting)));
        Ok(Shape { functions, reach, partition_by, order_by, schema, waiting })
    }

    /// Rows that waited, with the results that they waited for, each of as many values as there are rows.
    fn whole(&self, waited: &RecordBatch, late: Vec<ArrayRef>) -> Result<RecordBatch> {
        let own = self.schema.fields().len() - self.functions.len();
        let mut columns = waited.columns()[..own].to_vec();
        let (mut early, mut late) = (waited.columns()[own..].iter().cloned(), late.into_iter());
        for function in &self.functions {
            let next = if function.reach() == Reach::Row { early.next() } else { late.next() };
            columns.push(next.ok_or_else(|| DataFusionError::Internal("a window lost a result".into()))?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

enum State {
    Rank(Ranks),
    Running(Running, Total),
}

/// Rows that are ready to go.
enum Ready {
    Rows(RecordBatch),
    /// Those that waited, and the one value of each result that they waited for.
    Waited(Box<Spool>, Vec<ArrayRef>),
}

struct OnePass {
    input: SendableRecordBatchStream,
    shape: Shape,
    context: Arc<TaskContext>,
    partitions: Groups,
    peers: Groups,
    states: Vec<State>,
    /// Rows of the group that is open, and what its results came to at the last of them.
    waiting: Option<(SpoolWriter, Vec<ArrayRef>)>,
    ready: VecDeque<Ready>,
    is_done: bool,
}

impl OnePass {
    fn new(input: SendableRecordBatchStream, shape: Shape, context: &Arc<TaskContext>) -> OnePass {
        let partitions = Groups::new(shape.partition_by.clone());
        let peers = Groups::new(shape.partition_by.iter().chain(&shape.order_by).cloned().collect());
        let states = shape.functions.iter().map(Function::start).collect();
        let (context, ready) = (Arc::clone(context), VecDeque::new());
        OnePass { input, shape, context, partitions, peers, states, waiting: None, ready, is_done: false }
    }

    fn run(self) -> impl Stream<Item = Result<RecordBatch>> + Send {
        stream::unfold(self, |mut pass| async move {
            match pass.next().await {
                Ok(batch) => batch.map(|batch| (Ok(batch), pass)),
                Err(error) => {
                    (pass.is_done, pass.waiting) = (true, None);
                    pass.ready.clear();
                    Some((Err(error), pass))
                }
            }
        })
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.ready.pop_front() {
                Some(Ready::Rows(rows)) => return Ok(Some(rows)),
                Some(Ready::Waited(mut spool, values)) => {
                    if let Some(rows) = spool.next().await? {
                        self.ready.push_front(Ready::Waited(spool, values.clone()));
                        let alike = UInt32Array::from(vec![0; rows.num_rows()]);
                        let late = values.iter().map(|value| take(value, &alike, None)).collect::<Result<_, _>>()?;
                        return Ok(Some(self.shape.whole(&rows, late)?));
                    }
                }
                None if self.is_done => return Ok(None),
                None => self.advance().await?,
            }
        }
    }

    async fn advance(&mut self) -> Result<()> {
        match self.input.next().await.transpose()? {
            None => {
                self.is_done = true;
                self.let_go()
            }
            Some(batch) if batch.num_rows() == 0 => Ok(()),
            Some(batch) => self.take_in(&batch),
        }
    }

    fn take_in(&mut self, batch: &RecordBatch) -> Result<()> {
        let partitions = self.partitions.starts(batch)?;
        let needs_peers =
            self.shape.functions.iter().any(|function| !matches!(function, Function::Running(_, Reach::Row | Reach::Partition)));
        let peers = if needs_peers { self.peers.starts(batch)? } else { Vec::new() };
        let (mut columns, mut late) = (batch.columns().to_vec(), Vec::new());
        for (function, state) in self.shape.functions.iter().zip(&mut self.states) {
            let result = state.go_on(batch, &partitions, &peers)?;
            if function.reach() == Reach::Row { columns.push(result) } else { late.push(result) }
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.shape.waiting), columns)?;
        match self.shape.reach {
            Reach::Row => self.ready.push_back(Ready::Rows(rows)),
            Reach::Peers => self.divide(&rows, &late, &peers)?,
            Reach::Partition => self.divide(&rows, &late, &partitions)?,
        }
        Ok(())
    }

    /// Lets rows go whose group has ended, the others wait. `late` are their results so far, `starts` says with which rows a group begins.
    fn divide(&mut self, rows: &RecordBatch, late: &[ArrayRef], starts: &[bool]) -> Result<()> {
        let count = rows.num_rows();
        let (first, last) = (starts.iter().position(|is_start| *is_start), starts.iter().rposition(|is_start| *is_start));
        let (Some(first), Some(last)) = (first, last) else { return self.wait(rows.clone(), late, count) };
        if first > 0 {
            self.wait(rows.slice(0, first), late, first)?;
        }
        self.let_go()?;
        if first < last {
            let closed = late.iter().map(|late| at_ends(late, &starts[first..=last], first)).collect::<Result<_>>()?;
            let rows = self.shape.whole(&rows.slice(first, last - first), closed)?;
            self.ready.push_back(Ready::Rows(rows));
        }
        self.wait(rows.slice(last, count - last), late, count)
    }

    /// Rows of the open group, of which the last stands before `end` in `late`.
    fn wait(&mut self, rows: RecordBatch, late: &[ArrayRef], end: usize) -> Result<()> {
        let values = late.iter().map(|late| late.slice(end - 1, 1)).collect();
        let new = || SpoolWriter::new("rows whose window is open", Arc::clone(&self.shape.waiting), &self.context);
        let mut writer = self.waiting.take().map_or_else(new, |(writer, _)| writer);
        writer.write(released(rows))?;
        self.waiting = Some((writer, values));
        Ok(())
    }

    /// The open group has ended.
    fn let_go(&mut self) -> Result<()> {
        if let Some((writer, values)) = self.waiting.take() {
            self.ready.push_back(Ready::Waited(Box::new(writer.finish()?), values));
        }
        Ok(())
    }
}

impl State {
    /// The result at each row of a batch.
    fn go_on(&mut self, batch: &RecordBatch, partitions: &[bool], peers: &[bool]) -> Result<ArrayRef> {
        match self {
            State::Rank(ranks) => Ok(ranks.go_on(partitions, peers)),
            State::Running(running, total) => {
                let values = running.values().evaluate(batch)?.into_array(batch.num_rows())?;
                let filter = running.filter.as_ref().map(|filter| chosen(filter, batch)).transpose()?;
                total.go_on(&values, filter.as_ref(), partitions)
            }
        }
    }
}

/// The rows for which a filter is true.
fn chosen(filter: &PhysicalExprRef, batch: &RecordBatch) -> Result<NullBuffer> {
    let answers = filter.evaluate(batch)?.into_array(batch.num_rows())?;
    let answers = answers.as_boolean_opt().ok_or_else(|| DataFusionError::Internal("a filter is no condition".into()))?;
    let is_true = answers.nulls().map_or_else(|| answers.values().clone(), |nulls| answers.values() & nulls.inner());
    Ok(NullBuffer::new(is_true))
}

/// For each of some rows, which stand from `first` on in `results`, the result at the last row of its group. `starts` has one element more than
/// there are rows, for the group behind them.
fn at_ends(results: &ArrayRef, starts: &[bool], first: usize) -> Result<ArrayRef> {
    let rows = starts.len() - 1;
    if starts.iter().all(|is_start| *is_start) {
        return Ok(results.slice(first, rows));
    }
    let mut ends = vec![0u32; rows];
    let mut end = rows;
    for row in (0..rows).rev() {
        if starts[row + 1] {
            end = row;
        }
        ends[row] = (first + end) as u32;
    }
    Ok(take(results, &UInt32Array::from(ends), None)?)
}

/// Finds where rows differ from the row before in some columns.
struct Groups {
    columns: Vec<PhysicalExprRef>,
    /// The last row so far; none before the first.
    last: Option<Vec<ArrayRef>>,
}

impl Groups {
    fn new(columns: Vec<PhysicalExprRef>) -> Groups {
        Groups { columns, last: None }
    }

    /// For each row whether a group begins with it.
    fn starts(&mut self, batch: &RecordBatch) -> Result<Vec<bool>> {
        let rows = batch.num_rows();
        let mut starts = vec![false; rows];
        if rows == 0 {
            return Ok(starts);
        }
        let values = self.columns.iter().map(|column| column.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
        if !values.is_empty() {
            partition(&values)?.ranges().iter().for_each(|range| starts[range.start] = true);
        }
        let last = values.iter().map(|value| value.slice(rows - 1, 1)).collect();
        starts[0] = match self.last.replace(last) {
            None => true,
            Some(before) => !are_same(&before, &values)?,
        };
        Ok(starts)
    }
}

/// Is the first row like the one before it?
fn are_same(before: &[ArrayRef], values: &[ArrayRef]) -> Result<bool> {
    let pair = |(before, values): (&ArrayRef, &ArrayRef)| concat(&[before.as_ref(), values.slice(0, 1).as_ref()]);
    let pairs = before.iter().zip(values).map(pair).collect::<Result<Vec<_>, _>>()?;
    Ok(pairs.is_empty() || partition(&pairs)?.len() == 1)
}
