//! The tables of a reduce stage as operators see them: each batch goes through the row-wise steps that the query begins with, rows that fail
//! are set aside, and rows keep their order.
//!
//! A table can be read once. If the query scans it several times, the first scan that is asked reads all of it, lets each row through the
//! steps of all scans, so that a row that fails in one is in none, and keeps what each scan yields in memory or in scratch.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions, cast::AsArray, types::UInt32Type, types::UInt64Type};
use arrow_select::filter::filter_record_batch;
use datafusion_common::{DataFusionError, Result};
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_plan::ExecutionPlan;
use futures::{StreamExt, stream};
use millrace_engine::program::{FailedRow, ORDER_COLUMNS, Order, ProgramError, RowFailure, RowStream};

use crate::error::{BUG, refuse};
use crate::evaluate::evaluate;
use crate::isolate::isolate;
use crate::json::row_as_json;
use crate::operators::{StreamExec, boxed, released};
use crate::rowwise::Steps;
use crate::spool::{Spool, SpoolWriter};

/// The tables of one run and what was read of them.
#[derive(Clone)]
pub struct Feeds {
    tables: Arc<Vec<Mutex<Table>>>,
    cancelled: Arc<Cancelled>,
}

/// Says whether the run is no longer wanted.
pub type Cancelled = dyn Fn() -> bool + Send + Sync;

struct Table {
    stream: Option<Box<dyn RowStream>>,
    scans: Vec<Arc<Steps>>,
    /// For each scan what it has yet to yield, once the table was read for several.
    spools: Option<Vec<Spool>>,
    read: u64,
    failed: Vec<FailedRow>,
}

fn outside(error: ProgramError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Feeds {
    /// Tables without rows, for planning.
    pub fn empty(count: usize) -> Feeds {
        Feeds::new((0..count).map(|_| None).collect(), Arc::new(|| false))
    }

    pub fn new(streams: Vec<Option<Box<dyn RowStream>>>, cancelled: Arc<Cancelled>) -> Feeds {
        let table = |stream| Mutex::new(Table { stream, scans: Vec::new(), spools: None, read: 0, failed: Vec::new() });
        Feeds { tables: Arc::new(streams.into_iter().map(table).collect()), cancelled }
    }

    pub fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// A scan of a table, through some steps.
    pub fn scan(&self, table: usize, steps: Steps) -> Arc<dyn ExecutionPlan> {
        let steps = Arc::new(steps);
        let scan = {
            let mut known = self.table(table);
            known.scans.push(Arc::clone(&steps));
            known.scans.len() - 1
        };
        let feeds = self.clone();
        let schema = Arc::clone(&steps.output);
        StreamExec::build("Scan", Vec::new(), schema, move |_, context| Ok(feeds.open(table, scan, Arc::clone(&steps), context)))
    }

    fn table(&self, table: usize) -> MutexGuard<'_, Table> {
        // A panic while a table is held ends the whole run; what is inside stays whole.
        self.tables[table].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn open(&self, table: usize, scan: usize, steps: Arc<Steps>, context: &Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&steps.output);
        let feeds = self.clone();
        if self.table(table).scans.len() == 1 {
            // Each batch ends a turn, so that failures are handed on and a cancel is seen.
            let mut is_turn = false;
            let rows = stream::poll_fn(move |cx| {
                is_turn = !is_turn;
                if !is_turn {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(feeds.next(table, &steps).transpose())
            });
            return boxed(schema, rows);
        }
        let context = Arc::clone(context);
        let rows = stream::unfold((), move |()| {
            let (feeds, context) = (feeds.clone(), Arc::clone(&context));
            async move {
                yield_now().await;
                feeds.next_spooled(table, scan, &context).await.transpose().map(|batch| (batch, ()))
            }
        });
        boxed(schema, Box::pin(rows))
    }

    /// The next rows of a table's only scan.
    fn next(&self, table: usize, steps: &Steps) -> Result<Option<RecordBatch>> {
        let mut known = self.table(table);
        let Some(batch) = known.next_batch()? else { return Ok(None) };
        let mut outputs = known.through(table, &batch, &[steps])?;
        Ok(outputs.pop())
    }

    async fn next_spooled(&self, table: usize, scan: usize, context: &Arc<TaskContext>) -> Result<Option<RecordBatch>> {
        if self.table(table).spools.is_none() {
            self.spool(table, context).await?;
        }
        let mut spilled = {
            let mut known = self.table(table);
            let Some(spool) = known.spools.as_mut().and_then(|spools| spools.get_mut(scan)) else { return Ok(None) };
            if let Some(batch) = spool.batches.pop_front() {
                return Ok(Some(batch));
            }
            match spool.spilled.take() {
                None => return Ok(None),
                Some(stream) => stream,
            }
        };
        let next = spilled.next().await.transpose()?;
        if next.is_some()
            && let Some(spools) = self.table(table).spools.as_mut()
        {
            spools[scan].spilled = Some(spilled);
        }
        Ok(next)
    }

    /// Reads the whole table for all of its scans.
    async fn spool(&self, table: usize, context: &Arc<TaskContext>) -> Result<()> {
        let scans = self.table(table).scans.clone();
        let mut writers: Vec<SpoolWriter> = scans
            .iter()
            .map(|steps| SpoolWriter::new("rows that several parts of the query read", Arc::clone(&steps.output), context))
            .collect();
        loop {
            let outputs = {
                let mut known = self.table(table);
                let Some(batch) = known.next_batch()? else { break };
                let steps: Vec<&Steps> = scans.iter().map(Arc::as_ref).collect();
                known.through(table, &batch, &steps)?
            };
            for (writer, output) in writers.iter_mut().zip(outputs) {
                writer.write(output)?;
            }
            yield_now().await;
        }
        let spools = writers.into_iter().map(SpoolWriter::finish).collect::<Result<Vec<_>>>()?;
        self.table(table).spools = Some(spools);
        Ok(())
    }

    /// Failures met since the last call.
    pub fn take_failed(&self) -> Vec<FailedRow> {
        (0..self.tables.len()).flat_map(|table| std::mem::take(&mut self.table(table).failed)).collect()
    }

    /// Reads one batch of what operators left unread, so that every row is counted and every failure known; false when nothing is left.
    pub fn drain(&self) -> Result<bool> {
        for table in 0..self.tables.len() {
            let mut known = self.table(table);
            if let Some(batch) = known.next_batch()? {
                let scans = known.scans.clone();
                let steps: Vec<&Steps> = scans.iter().map(Arc::as_ref).collect();
                known.through(table, &batch, &steps)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn rows_read(&self) -> Vec<u64> {
        (0..self.tables.len()).map(|table| self.table(table).read).collect()
    }
}

/// Lets the run look at what has come up meanwhile.
async fn yield_now() {
    let mut is_second = false;
    futures::future::poll_fn(|cx| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Table {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(stream) = self.stream.as_mut() else { return Ok(None) };
        let Some(batch) = stream.next().map_err(outside)? else {
            self.stream = None;
            return Ok(None);
        };
        self.read += batch.num_rows() as u64;
        Ok(Some(batch))
    }

    /// What each scan makes of a batch, without the rows that fail in any of them.
    fn through(&mut self, table: usize, batch: &RecordBatch, scans: &[&Steps]) -> Result<Vec<RecordBatch>> {
        let mut outputs = Vec::with_capacity(scans.len());
        let mut failures: Vec<RowFailure> = Vec::new();
        for steps in scans {
            let read = columns_of(batch, steps)?;
            match evaluate(&steps.steps, &read) {
                Ok(rows) => outputs.push(rows.batch),
                Err(_) => {
                    let (rows, failed) = isolate(steps, &read).map_err(outside)?;
                    outputs.push(rows.batch);
                    failures.extend(failed);
                }
            }
        }
        if failures.is_empty() {
            return Ok(outputs.into_iter().map(released).collect());
        }
        failures.sort_by_key(|failure| failure.row);
        failures.dedup_by_key(|failure| failure.row);
        if scans.len() > 1 {
            let mut is_good = vec![true; batch.num_rows()];
            for failure in &failures {
                is_good[failure.row as usize] = false;
            }
            let good = filter_record_batch(batch, &BooleanArray::from(is_good))?;
            outputs = scans.iter().map(|steps| without_failures(&good, steps)).collect::<Result<Vec<_>>>()?;
        }
        for failure in failures {
            self.failed.push(failed_row(table, batch, failure)?);
        }
        Ok(outputs.into_iter().map(released).collect())
    }
}

/// All of these rows are known to pass alone.
fn without_failures(good: &RecordBatch, steps: &Steps) -> Result<RecordBatch> {
    let read = columns_of(good, steps)?;
    match evaluate(&steps.steps, &read) {
        Ok(rows) => Ok(rows.batch),
        Err(_) => Ok(isolate(steps, &read).map_err(outside)?.0.batch),
    }
}

fn columns_of(batch: &RecordBatch, steps: &Steps) -> Result<RecordBatch> {
    let columns = steps.read.iter().map(|index| Arc::clone(batch.column(*index))).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(&steps.read_schema), columns, &options)
        .map_err(|error| outside(refuse(BUG, None, format!("the rows are not what the query was compiled for: {error}"))))
}

fn failed_row(table: usize, batch: &RecordBatch, failure: RowFailure) -> Result<FailedRow> {
    let row = failure.row as usize;
    let visible = batch.num_columns() - ORDER_COLUMNS.len();
    let json = row_as_json(batch, visible, row)?;
    Ok(FailedRow { table, order: order_of(batch, visible, row)?, code: failure.code, message: failure.message, row: json })
}

fn order_of(batch: &RecordBatch, visible: usize, row: usize) -> Result<Order> {
    let missing = || outside(refuse(BUG, None, "a table's rows lack their order columns"));
    let first = batch.column(visible).as_primitive_opt::<UInt32Type>().ok_or_else(missing)?;
    let second = batch.column(visible + 1).as_primitive_opt::<UInt64Type>().ok_or_else(missing)?;
    let third = batch.column(visible + 2).as_primitive_opt::<UInt32Type>().ok_or_else(missing)?;
    Ok((first.value(row), second.value(row), third.value(row)))
}
