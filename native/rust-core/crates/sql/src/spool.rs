//! Rows that wait: in memory as long as there is room, then in scratch.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion_common::Result;
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion_execution::{SendableRecordBatchStream, SpillFile, TaskContext};
use datafusion_physical_plan::SpillManager;
use datafusion_physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use futures::StreamExt;

/// Rows kept: first those in memory, then those in scratch.
pub struct Spool {
    pub batches: VecDeque<RecordBatch>,
    pub spilled: Option<SendableRecordBatchStream>,
    _reservation: MemoryReservation,
}

impl Spool {
    /// The next rows; None behind the last.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.batches.pop_front() {
            return Ok(Some(batch));
        }
        match self.spilled.as_mut() {
            None => Ok(None),
            Some(spilled) => spilled.next().await.transpose(),
        }
    }
}

type Append = dyn FnMut(Option<&RecordBatch>) -> Result<Option<Arc<dyn SpillFile>>> + Send;

/// Keeps rows in memory as long as the pool allows, then in scratch.
pub struct SpoolWriter {
    what: &'static str,
    batches: VecDeque<RecordBatch>,
    reservation: MemoryReservation,
    spill: SpillManager,
    /// Appends a batch to the file, or ends it and hands it out.
    file: Option<Box<Append>>,
    /// Most bytes held in memory: the operators behind need the larger share.
    limit: usize,
}

impl SpoolWriter {
    /// `what` is held, as messages call it.
    pub fn new(what: &'static str, schema: SchemaRef, context: &Arc<TaskContext>) -> SpoolWriter {
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let spill =
            SpillManager::new(context.runtime_env(), metrics, schema).with_compression_type(context.session_config().spill_compression());
        let reservation = MemoryConsumer::new(what).register(context.memory_pool());
        let limit = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(bytes) => bytes / 8,
            MemoryLimit::Infinite | MemoryLimit::Unknown => usize::MAX,
        };
        SpoolWriter { what, batches: VecDeque::new(), reservation, spill, file: None, limit }
    }

    pub fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let size = batch.get_array_memory_size();
        if self.file.is_none() && self.reservation.size() + size <= self.limit && self.reservation.try_grow(size).is_ok() {
            self.batches.push_back(batch);
            return Ok(());
        }
        if self.file.is_none() {
            let mut file = self.spill.create_in_progress_file(self.what)?;
            self.file = Some(Box::new(move |batch| match batch {
                Some(batch) => file.append_batch(batch).map(|_| None),
                None => file.finish(),
            }));
            // What was held makes room for the operators.
            for held in std::mem::take(&mut self.batches) {
                self.append(&held)?;
            }
            self.reservation.free();
        }
        self.append(&batch)
    }

    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file(Some(batch)).map(|_| ()))
    }

    /// All that was written, in its order.
    pub fn finish(mut self) -> Result<Spool> {
        let file = self.file.as_mut().map(|file| file(None)).transpose()?.flatten();
        let spilled = file.map(|file| self.spill.read_spill_as_stream_unbuffered(file, None)).transpose()?;
        Ok(Spool { batches: self.batches, spilled, _reservation: self.reservation })
    }
}
