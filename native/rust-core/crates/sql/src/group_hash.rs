//! Hash aggregation whose result does not depend on memory: each group takes its values one after another in the order of the rows, so even
//! sums of floats have the same bits as if the rows had been sorted by group first.
//!
//! When memory is used up, no state is spilled and merged later (a merged sum of floats rounds otherwise). The groups known so far stay and
//! go on taking values; rows of other groups are written to scratch as they are, in a few files by hash, and aggregated afterwards, file by
//! file, in the same way.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array, cast::AsArray};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use datafusion_common::hash_utils::{RandomState, create_hashes};
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, SpillFile, TaskContext};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::{EquivalenceProperties, GroupsAccumulatorAdapter, PhysicalExprRef};
use datafusion_physical_plan::aggregates::group_values::GroupValues;
use datafusion_physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion_physical_plan::{ExecutionPlan, SpillManager};
use futures::{StreamExt, stream};

use crate::blame::GROUP_PREFIX;
use crate::group_integers::{IntegerSums, by_distance, summed_integers, table_of};
use crate::operators::{BATCH_ROWS, StreamExec, boxed};

/// Files that rows without room are spread over; each has room for more groups than all of them had before.
const FILES: usize = 16;
/// Room beyond what was asked for when memory is used up.
const SLACK: usize = 1 << 20;
/// Deepest level of files of files: 16^12 files are more than there are rows.
const MAX_LEVEL: u64 = 12;

/// What is computed for each group.
#[derive(Clone)]
pub struct Grouping {
    pub keys: Vec<PhysicalExprRef>,
    pub aggregates: Vec<Arc<AggregateFunctionExpr>>,
    pub filters: Vec<Option<PhysicalExprRef>>,
}

/// Groups in no particular order: the keys, then the aggregates.
pub fn hashed(input: Arc<dyn ExecutionPlan>, grouping: Grouping) -> Result<Arc<dyn ExecutionPlan>> {
    let shape = input.schema();
    let mut fields = Vec::with_capacity(grouping.keys.len() + grouping.aggregates.len());
    for (index, key) in grouping.keys.iter().enumerate() {
        fields.push(Arc::new(Field::new(format!("{GROUP_PREFIX}{index}"), key.data_type(&shape)?, true)));
    }
    let keys: SchemaRef = Arc::new(Schema::new(fields.clone()));
    fields.extend(grouping.aggregates.iter().map(|aggregate| Arc::new(aggregate.field().as_ref().clone().with_nullable(true))));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let output = Arc::clone(&schema);
    let metrics = ExecutionPlanMetricsSet::new();
    let measured = metrics.clone();
    let open = move |mut inputs: Vec<SendableRecordBatchStream>, context: &Arc<TaskContext>| {
        let input = inputs.pop().ok_or_else(|| DataFusionError::Internal("an aggregate lost its input".into()))?;
        let groups = Groups {
            grouping: grouping.clone(),
            keys: Arc::clone(&keys),
            output: Arc::clone(&output),
            input: Arc::clone(&shape),
            context: Arc::clone(context),
            metrics: measured.clone(),
            open: vec![(input, 0)],
            ready: None,
            reservation: MemoryConsumer::new("groups").with_can_spill(true).register(context.memory_pool()),
        };
        Ok(boxed(Arc::clone(&output), Box::pin(groups.run())))
    };
    Ok(StreamExec::measured("HashGroups", vec![input], EquivalenceProperties::new(schema), metrics, Arc::new(open)))
}

/// Groups, the order in which they are handed out, and how many of them have been.
struct Ready {
    whole: RecordBatch,
    order: UInt32Array,
    done: usize,
}

struct Groups {
    grouping: Grouping,
    keys: SchemaRef,
    output: SchemaRef,
    input: SchemaRef,
    context: Arc<TaskContext>,
    metrics: ExecutionPlanMetricsSet,
    /// Rows still to be aggregated, and how often they were spread over files already.
    open: Vec<(SendableRecordBatchStream, u64)>,
    /// Groups to hand out.
    ready: Option<Ready>,
    reservation: MemoryReservation,
}

impl Groups {
    fn run(self) -> impl futures::Stream<Item = Result<RecordBatch>> + Send {
        stream::unfold(self, |mut groups| async move {
            loop {
                match groups.next_piece() {
                    Ok(Some(batch)) => return Some((Ok(batch), groups)),
                    Ok(None) => {}
                    Err(error) => return Some((Err(error), groups)),
                }
                let (rows, level) = groups.open.pop()?;
                if let Err(error) = groups.aggregate(rows, level).await {
                    groups.open.clear();
                    return Some((Err(error), groups));
                }
            }
        })
    }

    /// The next groups, copied: operators behind count a slice as if it were the whole.
    fn next_piece(&mut self) -> Result<Option<RecordBatch>> {
        let Some(Ready { whole, order, done }) = self.ready.take() else { return Ok(None) };
        let count = BATCH_ROWS.min(whole.num_rows() - done);
        if count == 0 {
            self.reservation.free();
            return Ok(None);
        }
        let piece = take_record_batch(&whole, &order.slice(done, count))?;
        self.ready = Some(Ready { whole, order, done: done + count });
        Ok(Some(piece))
    }

    async fn aggregate(&mut self, mut rows: SendableRecordBatchStream, level: u64) -> Result<()> {
        let mut table = Table::new(&self.grouping, &self.keys, &self.input)?;
        let mut enough = 0;
        while let Some(batch) = rows.next().await.transpose()? {
            if batch.num_rows() == 0 {
                continue;
            }
            let batch = match &mut table.overflow {
                None => batch,
                Some(overflow) => overflow.divide(&batch, &self.grouping.keys)?,
            };
            table.update(&batch, &self.grouping)?;
            let size = table.size();
            if self.reservation.try_resize(size + size / 4).is_ok() {
                continue;
            }
            match &table.overflow {
                None => {
                    table.close(Overflow::new(&self.context, &self.metrics, &self.input, level)?, &self.keys)?;
                    enough = 2 * size + SLACK;
                }
                // Vectors double once more though no group is added; only lists of values (a median's) go on growing.
                Some(_) if size > enough => self.reservation.try_resize(size)?,
                Some(_) => {}
            }
        }
        drop(rows);
        if let Some(overflow) = table.overflow.take() {
            self.open.extend(overflow.finish()?.into_iter().map(|rows| (rows, level + 1)));
        }
        let whole = table.emit(&self.output)?;
        let order =
            by_close_key(&whole, self.keys.fields().len()).unwrap_or_else(|| UInt32Array::from_iter_values(0..whole.num_rows() as u32));
        self.ready = Some(Ready { whole, order, done: 0 });
        Ok(())
    }
}

/// Groups and their aggregates.
struct Table {
    values: Box<dyn GroupValues>,
    /// What each of `accumulators` takes.
    arguments: Vec<Vec<PhysicalExprRef>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// For each row of the last batch its group.
    places: Vec<usize>,
    /// Where rows of unknown groups go, once there is no room for more groups.
    overflow: Option<Overflow>,
}

impl Table {
    fn new(grouping: &Grouping, keys: &SchemaRef, input: &Schema) -> Result<Table> {
        let accumulator = |aggregate: &Arc<AggregateFunctionExpr>| -> Result<Box<dyn GroupsAccumulator>> {
            if summed_integers(aggregate, input).is_some() {
                return Ok(Box::<IntegerSums>::default());
            }
            if aggregate.groups_accumulator_supported() {
                return aggregate.create_groups_accumulator();
            }
            let aggregate = Arc::clone(aggregate);
            Ok(Box::new(GroupsAccumulatorAdapter::new(move || aggregate.create_accumulator())))
        };
        let accumulators = grouping.aggregates.iter().map(accumulator).collect::<Result<_>>()?;
        let arguments = |aggregate: &Arc<AggregateFunctionExpr>| match summed_integers(aggregate, input) {
            Some(numbers) => vec![numbers],
            None => aggregate.expressions(),
        };
        let arguments = grouping.aggregates.iter().map(arguments).collect();
        Ok(Table { values: table_of(keys)?, arguments, accumulators, places: Vec::new(), overflow: None })
    }

    fn update(&mut self, batch: &RecordBatch, grouping: &Grouping) -> Result<()> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.values.intern(&evaluate(&grouping.keys, batch)?, &mut self.places)?;
        let count = self.values.len();
        for (index, accumulator) in self.accumulators.iter_mut().enumerate() {
            let values = evaluate(&self.arguments[index], batch)?;
            let filter = grouping.filters[index].as_ref().map(|filter| filter.evaluate(batch)?.into_array(rows)).transpose()?;
            let filter = filter.as_ref().map(|filter| filter.as_boolean());
            accumulator.update_batch(&values, &self.places, filter, count)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.values.size() + self.accumulators.iter().map(|accumulator| accumulator.size()).sum::<usize>()
    }

    /// From now on no group is added. The hashes of the known ones decide: a stranger with the hash of a known group was never sent away, so
    /// it may still come in.
    fn close(&mut self, mut overflow: Overflow, keys: &SchemaRef) -> Result<()> {
        let known = self.values.emit(EmitTo::All)?;
        let count = known.first().map_or(0, |column| column.len());
        overflow.known = hashes(&known, count, 0)?.into_iter().collect();
        let mut values = table_of(keys)?;
        values.intern(&known, &mut self.places)?;
        self.values = values;
        self.overflow = Some(overflow);
        Ok(())
    }

    fn emit(mut self, output: &SchemaRef) -> Result<RecordBatch> {
        if self.values.is_empty() {
            return Ok(RecordBatch::new_empty(Arc::clone(output)));
        }
        let mut columns = self.values.emit(EmitTo::All)?;
        for accumulator in &mut self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(output), columns)?)
    }
}

/// The order of groups by their key, if it is one whole number, and the keys lie close together. Whoever sorts them has less to do then.
fn by_close_key(groups: &RecordBatch, keys: usize) -> Option<UInt32Array> {
    by_distance(groups.columns().first().filter(|_| keys == 1)?.as_primitive_opt::<Int64Type>()?)
}

fn evaluate(exprs: &[PhysicalExprRef], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    exprs.iter().map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows())).collect()
}

fn hashes(keys: &[ArrayRef], rows: usize, seed: u64) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    create_hashes(keys, &RandomState::with_seed(seed), &mut hashes)?;
    Ok(hashes)
}

type Append = dyn FnMut(Option<&RecordBatch>) -> Result<Option<Arc<dyn SpillFile>>> + Send;

/// Rows of groups that there was no room for.
struct Overflow {
    /// Hashes of the groups that there is room for.
    known: HashSet<u64>,
    spill: SpillManager,
    files: Vec<Option<Box<Append>>>,
    level: u64,
}

impl Overflow {
    fn new(context: &Arc<TaskContext>, metrics: &ExecutionPlanMetricsSet, input: &SchemaRef, level: u64) -> Result<Overflow> {
        if level >= MAX_LEVEL {
            return Err(DataFusionError::ResourcesExhausted(
                "the groups of a partition do not fit in memory, however they are divided".into(),
            ));
        }
        let metrics = SpillMetrics::new(metrics, 0);
        let spill = SpillManager::new(context.runtime_env(), metrics, Arc::clone(input));
        let spill = spill.with_compression_type(context.session_config().spill_compression());
        Ok(Overflow { known: HashSet::new(), spill, files: (0..FILES).map(|_| None).collect(), level })
    }

    /// The rows of known groups; the others are written away.
    fn divide(&mut self, batch: &RecordBatch, keys: &[PhysicalExprRef]) -> Result<RecordBatch> {
        let keys = evaluate(keys, batch)?;
        let own = hashes(&keys, batch.num_rows(), 0)?;
        // Another hash at each level, or all rows of a file would meet again in one file.
        let spread = hashes(&keys, batch.num_rows(), 1 + self.level)?;
        let mut files: Vec<Vec<u32>> = vec![Vec::new(); FILES];
        let is_known: BooleanArray = own.iter().map(|hash| Some(self.known.contains(hash))).collect();
        for (row, hash) in spread.iter().enumerate() {
            if !is_known.value(row) {
                files[(hash >> 32) as usize % FILES].push(row as u32);
            }
        }
        for (file, rows) in files.into_iter().enumerate() {
            if !rows.is_empty() {
                self.write(file, &take_record_batch(batch, &UInt32Array::from(rows))?)?;
            }
        }
        Ok(filter_record_batch(batch, &is_known)?)
    }

    fn write(&mut self, file: usize, rows: &RecordBatch) -> Result<()> {
        if self.files[file].is_none() {
            let mut created = self.spill.create_in_progress_file("rows of groups without room")?;
            self.files[file] = Some(Box::new(move |batch| match batch {
                Some(batch) => created.append_batch(batch).map(|_| None),
                None => created.finish(),
            }));
        }
        self.files[file].as_mut().map_or(Ok(()), |append| append(Some(rows)).map(|_| ()))
    }

    fn finish(mut self) -> Result<Vec<SendableRecordBatchStream>> {
        let mut streams = Vec::new();
        for mut append in std::mem::take(&mut self.files).into_iter().flatten() {
            if let Some(file) = append(None)? {
                streams.push(self.spill.read_spill_as_stream_unbuffered(file, None)?);
            }
        }
        Ok(streams)
    }
}
