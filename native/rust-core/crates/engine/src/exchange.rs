//! What a chunk hands on to a reduce stage: one object, in it runs of rows of one partition each, every run a stream of Arrow IPC (lz4) in the
//! form of `exchange_form`.
//!
//! Rows are gathered until they fill the memory set aside for them; then all partitions are appended, ascending. So a chunk makes one object,
//! not one for each partition, and where it is cut depends on the rows alone.

use std::hash::Hasher;
use std::io::Write;

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::interleave::interleave_record_batch;
use millrace_formats::write::batch_bytes;
use twox_hash::XxHash3_64;

use crate::error::Error;
use crate::exchange_form::Form;
use crate::order::{Places, gather_error};
use crate::partition::Partitioner;
use crate::records::Run;

/// Bytes of values that wait for their run.
pub const GATHERED_BYTES: usize = 48 << 20;
/// Rows of one batch inside a run.
const RUN_BATCH_ROWS: usize = 8_192;

/// Gathers rows and appends them to a sink, run by run.
pub struct ExchangeWriter {
    schema: SchemaRef,
    partitioner: Partitioner,
    gathered_limit: usize,
    batches: Vec<RecordBatch>,
    /// The partition of each row of `batches`.
    partitions: Vec<Vec<u32>>,
    bytes: usize,
    rows: u64,
    runs: Vec<Run>,
    offset: u64,
}

impl ExchangeWriter {
    /// `schema` ends in the order columns. Rows must come in their order.
    pub fn new(schema: SchemaRef, partitioner: Partitioner, gathered_limit: usize) -> ExchangeWriter {
        ExchangeWriter {
            schema,
            partitioner,
            gathered_limit,
            batches: Vec::new(),
            partitions: Vec::new(),
            bytes: 0,
            rows: 0,
            runs: Vec::new(),
            offset: 0,
        }
    }

    /// Takes rows. True = enough is gathered, and `flush` must follow.
    pub fn push(&mut self, batch: RecordBatch) -> Result<bool, Error> {
        self.partitions.push(self.partitioner.assign(&batch)?);
        self.bytes += batch_bytes(&batch);
        self.rows += batch.num_rows() as u64;
        self.batches.push(batch);
        Ok(self.bytes >= self.gathered_limit)
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends what is gathered, partitions ascending.
    pub fn flush(&mut self, sink: &mut dyn Write) -> Result<(), Error> {
        let batches = std::mem::take(&mut self.batches);
        let partitions = std::mem::take(&mut self.partitions);
        let form = Form::of(&self.schema, &batches, std::mem::take(&mut self.bytes));
        let (order, starts) = sort_by_partition(&partitions, self.partitioner.partitions());
        let sources: Vec<&RecordBatch> = batches.iter().collect();
        for (partition, bounds) in starts.windows(2).enumerate() {
            let rows = &order[bounds[0]..bounds[1]];
            if !rows.is_empty() {
                self.append(partition as u32, rows, &sources, &form, sink)?;
            }
        }
        Ok(())
    }

    fn append(
        &mut self,
        partition: u32,
        rows: &[(usize, usize)],
        sources: &[&RecordBatch],
        form: &Form,
        sink: &mut dyn Write,
    ) -> Result<(), Error> {
        let mut out = Digested { sink, hasher: XxHash3_64::with_seed(0), bytes: 0 };
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).map_err(gather_error)?;
        let mut stream = StreamWriter::try_new_with_options(&mut out, &form.schema, options).map_err(write_error)?;
        for piece in rows.chunks(RUN_BATCH_ROWS) {
            let batch = interleave_record_batch(sources, piece).map_err(gather_error)?;
            stream.write(&form.store(&batch).map_err(gather_error)?).map_err(write_error)?;
        }
        stream.finish().map_err(write_error)?;
        drop(stream);
        let place = |at: &(usize, usize)| Ok::<_, Error>(Places::of(sources[at.0])?.at(at.1));
        self.runs.push(Run {
            partition,
            offset: self.offset,
            length: out.bytes,
            rows: rows.len() as u64,
            xxh3: format!("{:016x}", out.hasher.finish()),
            first: place(&rows[0])?,
            last: place(&rows[rows.len() - 1])?,
        });
        self.offset += out.bytes;
        Ok(())
    }

    /// The runs of everything flushed, in the order of the object.
    pub fn into_runs(self) -> Vec<Run> {
        self.runs
    }
}

/// Every row as (batch, row), those of one partition together and in their order; and where each partition begins, with the end behind them.
fn sort_by_partition(partitions: &[Vec<u32>], count: u32) -> (Vec<(usize, usize)>, Vec<usize>) {
    let mut starts = vec![0usize; count as usize + 1];
    for partition in partitions.iter().flatten() {
        starts[*partition as usize + 1] += 1;
    }
    for partition in 0..count as usize {
        starts[partition + 1] += starts[partition];
    }
    let (mut next, mut order) = (starts.clone(), vec![(0, 0); starts[count as usize]]);
    for (batch, rows) in partitions.iter().enumerate() {
        for (row, partition) in rows.iter().enumerate() {
            let at = &mut next[*partition as usize];
            order[*at] = (batch, row);
            *at += 1;
        }
    }
    (order, starts)
}

/// Counts and hashes what goes into the sink.
struct Digested<'a> {
    sink: &'a mut dyn Write,
    hasher: XxHash3_64,
    bytes: u64,
}

impl Write for Digested<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.sink.write_all(bytes)?;
        self.hasher.write(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

/// The error of a sink travels inside the writer's.
fn write_error(error: ArrowError) -> Error {
    if let ArrowError::IoError(_, cause) = &error
        && let Some(inner) = cause.get_ref().and_then(|inner| inner.downcast_ref::<millrace_formats::error::Error>())
    {
        return inner.clone().into();
    }
    Error::new("STORAGE_UNAVAILABLE", format!("cannot write exchanged rows: {error}"))
}
