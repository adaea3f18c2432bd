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
use millrace_formats::write::batch_bytes;
use twox_hash::XxHash3_64;

use crate::error::Error;
use crate::exchange_form::{Form, Rows};
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
    /// The rows of each of `batches` by partition.
    divided: Vec<Divided>,
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
            divided: Vec::new(),
            bytes: 0,
            rows: 0,
            runs: Vec::new(),
            offset: 0,
        }
    }

    /// Takes rows. True = enough is gathered, and `flush` must follow.
    pub fn push(&mut self, batch: RecordBatch) -> Result<bool, Error> {
        self.divided.push(Divided::of(&self.partitioner.assign(&batch)?, self.partitioner.partitions()));
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
        let divided = std::mem::take(&mut self.divided);
        let form = Form::of(&self.schema, &batches, std::mem::take(&mut self.bytes));
        let mut rows: Vec<Rows<'_>> = Vec::new();
        for partition in 0..self.partitioner.partitions() {
            rows.clear();
            let of_batches = batches.iter().zip(&divided).map(|(batch, divided)| Rows { batch, rows: divided.rows_of(partition) });
            rows.extend(of_batches.filter(|rows| !rows.rows.is_empty()));
            if !rows.is_empty() {
                self.append(partition, &rows, &form, sink)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, partition: u32, rows: &[Rows<'_>], form: &Form, sink: &mut dyn Write) -> Result<(), Error> {
        let mut out = Digested { sink, hasher: XxHash3_64::with_seed(0), bytes: 0 };
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).map_err(gather_error)?;
        let mut form = form.of_run(rows);
        let mut stream = StreamWriter::try_new_with_options(&mut out, &form.schema, options).map_err(write_error)?;
        let mut left = rows.to_vec();
        while !left.is_empty() {
            let piece = take_rows(&mut left, RUN_BATCH_ROWS);
            stream.write(&form.store(&piece).map_err(gather_error)?).map_err(write_error)?;
        }
        stream.finish().map_err(write_error)?;
        drop(stream);
        let place = |of: Option<&Rows<'_>>, row: fn(&[u32]) -> Option<&u32>| {
            let (rows, row) =
                of.and_then(|rows| Some((rows, *row(rows.rows)?))).ok_or_else(|| Error::new("CORE_PANIC", "a run has no rows"))?;
            Ok::<_, Error>(Places::of(rows.batch)?.at(row as usize))
        };
        self.runs.push(Run {
            partition,
            offset: self.offset,
            length: out.bytes,
            rows: rows.iter().map(|rows| rows.rows.len() as u64).sum(),
            xxh3: format!("{:016x}", out.hasher.finish()),
            first: place(rows.first(), <[u32]>::first)?,
            last: place(rows.last(), <[u32]>::last)?,
        });
        self.offset += out.bytes;
        Ok(())
    }

    /// The runs of everything flushed, in the order of the object.
    pub fn into_runs(self) -> Vec<Run> {
        self.runs
    }
}

/// The rows of one batch, those of one partition together and in their order.
struct Divided {
    rows: Vec<u32>,
    /// Where the rows of each partition begin, with the end behind them.
    starts: Vec<u32>,
}

impl Divided {
    fn of(partitions: &[u32], count: u32) -> Divided {
        let mut starts = vec![0u32; count as usize + 1];
        for partition in partitions {
            starts[*partition as usize + 1] += 1;
        }
        for partition in 0..count as usize {
            starts[partition + 1] += starts[partition];
        }
        let (mut next, mut rows) = (starts.clone(), vec![0; partitions.len()]);
        for (row, partition) in (0u32..).zip(partitions) {
            let at = &mut next[*partition as usize];
            rows[*at as usize] = row;
            *at += 1;
        }
        Divided { rows, starts }
    }

    fn rows_of(&self, partition: u32) -> &[u32] {
        &self.rows[self.starts[partition as usize] as usize..self.starts[partition as usize + 1] as usize]
    }
}

/// Takes the first `count` rows away, or all if there are fewer.
fn take_rows<'a>(rows: &mut Vec<Rows<'a>>, count: usize) -> Vec<Rows<'a>> {
    let mut room = count;
    let whole = rows.iter().take_while(|rows| {
        let fits = rows.rows.len() <= room;
        room -= if fits { rows.rows.len() } else { 0 };
        fits
    });
    let whole = whole.count();
    let mut taken: Vec<Rows<'a>> = rows.drain(..whole).collect();
    if let Some(cut) = rows.first_mut().filter(|_| room > 0) {
        let (first, rest) = cut.rows.split_at(room);
        taken.push(Rows { rows: first, ..*cut });
        cut.rows = rest;
    }
    taken
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
