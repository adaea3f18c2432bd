//! The main path of a reduce chunk: slices of one partition, through a program or `dedupe`, to parts or the next exchange.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use millrace_formats::batch::ReadCounts;
use millrace_formats::position::Place;
use millrace_formats::reject::{Reject, RejectError};
use millrace_formats::write::{OutputFormat, OutputOptions, open_part};

use crate::account::Account;
use crate::attempt::Attempt;
use crate::budget::Budget;
use crate::dedupe::{Dedupe, DedupeSink, dedupe};
use crate::error::Error;
use crate::io::{ChunkIo, Scratch};
use crate::names::Author;
use crate::order::{Places, add_order, with_order, without_order};
use crate::outputs::Outputs;
use crate::process::{ChunkEnd, Context, ExchangeTo, Outcome, Phases};
use crate::program::{FailedRow, ProgramError, ReduceContext, ReduceProgram, ReduceSink, RowFailure, RowStream, SortKeys};
use crate::progress::Phase;
use crate::records::{PartitionChunk, Slice, Spec};
use crate::replaced::Replaced;
use crate::slices::{Counters, MergedSlices};
use crate::sort::SortSpace;
use crate::unique::{KeySlice, find_losers, key_exchange};

/// What a program may use of the memory that is left when the outputs have theirs, in percent.
const PROGRAM_SHARE: u64 = 70;

/// One attempt at one partition, with everything that was read from the journal for it.
pub struct ReduceTask<'a> {
    pub author: Author,
    pub spec: &'a Spec,
    pub spec_digest: &'a str,
    pub segment_digest: &'a str,
    pub chunk: &'a PartitionChunk,
    /// Name and columns of each stage it reads, without order columns.
    pub tables: &'a [(String, SchemaRef)],
    /// What the chunk's list says.
    pub slices: Vec<Slice>,
    /// Of the stage `owners`: records that replays have read in place of rejected ones.
    pub replaced: Replaced,
    /// Where the rows go if another stage reads them; None: they are the output.
    pub exchange: Option<&'a ExchangeTo>,
    pub trial: bool,
    pub less_memory: bool,
    pub core_version: &'a str,
}

/// What is done with the rows.
pub enum Reducer<'a> {
    Program(&'a mut (dyn ReduceProgram + 'static)),
    Dedupe {
        keys: Vec<String>,
        order_by: Option<&'a mut (dyn SortKeys + 'static)>,
        keep_last: bool,
    },
    /// Rows as they come.
    Merge,
    /// Of keys that several records have: who does not own them. The exchange is `unique::loser_exchange`.
    Owners,
}

/// Where a partition may go that does not fit in memory.
#[derive(Clone, Copy)]
pub struct Spill<'a> {
    pub scratch: Option<&'a dyn Scratch>,
    /// The same place for programs, which name their files themselves.
    pub directory: Option<&'a PathBuf>,
    pub bytes: u64,
}

/// One attempt at one partition, from its slices to the filled verdict. Never retries.
pub fn reduce_partition(
    task: &ReduceTask<'_>,
    reducer: Reducer<'_>,
    spill: Spill<'_>,
    io: &mut dyn ChunkIo,
    cx: &Context<'_>,
) -> Result<ChunkEnd, Error> {
    match run_partition(task, reducer, spill, io, cx) {
        Err(error) if error.is_cancelled() => Ok(ChunkEnd::without_work(Outcome::Cancelled, None)),
        end => end,
    }
}

fn run_partition(
    task: &ReduceTask<'_>,
    reducer: Reducer<'_>,
    spill: Spill<'_>,
    io: &mut dyn ChunkIo,
    cx: &Context<'_>,
) -> Result<ChunkEnd, Error> {
    let attempt = Attempt {
        author: &task.author,
        spec_digest: task.spec_digest,
        segment_digest: task.segment_digest,
        core_version: task.core_version,
        trial: task.trial,
        inputs_digest: Some(&task.chunk.slices.digest),
    };
    if let Some(end) = attempt.already_filled(io)? {
        return Ok(end);
    }
    let options = output_options(task);
    let memory_bytes = reserve(task, &options, cx)?;
    cx.progress.expect_bytes(task.chunk.bytes);
    cx.progress.enter(Phase::Transform);
    let streams = open_tables(task, io, cx)?;
    let mut read: Vec<Arc<Counters>> = streams.iter().map(MergedSlices::counters).collect();
    let mut run = Run::open(task, options, io, cx)?;
    let started = cx.timer.now_us();
    match reducer {
        Reducer::Program(program) => run.run_program(program, streams, memory_bytes, spill, &read)?,
        Reducer::Merge => run.run_merge(streams)?,
        Reducer::Owners => {
            let space = SortSpace { memory_bytes: memory_bytes as usize, scratch: spill.scratch, scratch_bytes: spill.bytes };
            read = run.run_owners(space)?;
        }
        Reducer::Dedupe { keys, order_by, keep_last } => {
            let space = SortSpace { memory_bytes: memory_bytes as usize, scratch: spill.scratch, scratch_bytes: spill.bytes };
            run.run_dedupe(Dedupe { keys, order_by, keep_last }, streams, space)?;
        }
    }
    let total_us = cx.timer.now_us().saturating_sub(started);
    let account = run.settle(&read)?;
    let write_us = run.outputs.write_counter();
    let closed = run.outputs.close(io)?;
    let write_us = write_us.load(Ordering::Relaxed);
    let phases = Phases { transform_us: total_us.saturating_sub(write_us), write_us, ..Phases::default() };
    attempt.conclude(account, &closed, phases, io, cx)
}

fn output_options(task: &ReduceTask<'_>) -> OutputOptions {
    let mut options = task.spec.output.options.clone();
    if task.less_memory {
        options.parquet.row_group_size = (options.parquet.row_group_size / 4).max(1 << 20);
    }
    options
}

/// Reserves what reading and writing hold, and answers what a program or a sort may use.
fn reserve(task: &ReduceTask<'_>, options: &OutputOptions, cx: &Context<'_>) -> Result<u64, Error> {
    let total = task.spec.execution.core_memory.map_or(cx.memory_bytes, |memory| memory.min(cx.memory_bytes));
    let mut budget = Budget::new(total);
    budget.reserve("slice", task.slices.iter().map(|slice| slice.run.length).max().unwrap_or(0))?;
    let output = if task.exchange.is_some() { crate::exchange::GATHERED_BYTES as u64 } else { options.parquet.row_group_size };
    budget.reserve("output", output.min(task.chunk.bytes * 8) + (16 << 20))?;
    let share = (total - budget.held_bytes()) * PROGRAM_SHARE / 100;
    Ok(if task.less_memory { share / 2 } else { share })
}

fn open_tables(task: &ReduceTask<'_>, io: &mut dyn ChunkIo, cx: &Context<'_>) -> Result<Vec<MergedSlices>, Error> {
    if let Some(slice) = task.slices.iter().find(|slice| slice.table as usize >= task.tables.len()) {
        return Err(Error::new("PLAN_CONFLICT", format!("a slice of {} belongs to no stage that this one reads", slice.object)));
    }
    let opener = io.work_opener()?;
    let table = |(index, (_, columns)): (usize, &(String, SchemaRef))| {
        let slices = task.slices.iter().filter(|slice| slice.table as usize == index).cloned().collect();
        MergedSlices::new(with_order(columns), slices, Arc::clone(&opener), cx.cancel.clone())
    };
    Ok(task.tables.iter().enumerate().map(table).collect())
}

/// The state of one attempt while rows flow.
struct Run<'a, 'io> {
    task: &'a ReduceTask<'a>,
    cx: &'a Context<'a>,
    io: &'io mut dyn ChunkIo,
    outputs: Outputs<'a>,
    account: Account,
    rows_out: u64,
    rejected: u64,
    /// Rows that `dedupe` kept.
    kept: Option<u64>,
    read: Vec<Arc<Counters>>,
    /// An error of ours, while it travels through a program.
    failure: Option<Error>,
}

impl<'a, 'io> Run<'a, 'io> {
    fn open(
        task: &'a ReduceTask<'a>,
        options: OutputOptions,
        io: &'io mut dyn ChunkIo,
        cx: &'a Context<'a>,
    ) -> Result<Run<'a, 'io>, Error> {
        let mut account = Account::default();
        account.open_file(None, Some(format!("partition {}", task.chunk.partition)));
        let outputs = Outputs::new(task.spec, options, &task.author, task.trial, Arc::clone(&cx.timer))
            .less(task.less_memory)
            .exchange(task.exchange, task.less_memory)?;
        Ok(Run { task, cx, io, outputs, account, rows_out: 0, rejected: 0, kept: None, read: Vec::new(), failure: None })
    }

    fn run_program(
        &mut self,
        program: &mut (dyn ReduceProgram + 'static),
        streams: Vec<MergedSlices>,
        memory_bytes: u64,
        spill: Spill<'_>,
        read: &[Arc<Counters>],
    ) -> Result<(), Error> {
        self.read = read.to_vec();
        let cancel = self.cx.cancel.clone();
        let cancelled = Arc::new(move || cancel.is_set());
        let context = ReduceContext { memory_bytes, scratch: spill.directory.cloned(), scratch_bytes: spill.bytes, cancelled };
        let tables = streams.into_iter().map(|stream| Box::new(stream) as Box<dyn RowStream>).collect();
        let end = program.run(tables, &context, self);
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let counted = end.map_err(|error| self.placed(error))?.read;
        for (index, counters) in read.iter().enumerate() {
            let (own, programs) = (counters.rows.load(Ordering::Relaxed), counted.get(index).copied());
            if programs != Some(own) {
                let message = format!("table {index}: {own} rows were handed over, the program counted {programs:?}");
                return Err(Error::new("BALANCE_MISMATCH", message));
            }
        }
        Ok(())
    }

    /// No row is to blame for a failed aggregate, so its error says in which partition of which stage to look.
    fn placed(&self, error: ProgramError) -> ProgramError {
        if error.code != "TRANSFORM_AGGREGATE" {
            return error;
        }
        let message = format!("stage {}, partition {}: {}", self.task.author.stage, self.task.chunk.partition, error.message);
        ProgramError { message, ..error }
    }

    fn run_dedupe(&mut self, spec: Dedupe<'_>, mut streams: Vec<MergedSlices>, space: SortSpace<'_>) -> Result<(), Error> {
        self.read = streams.iter().map(MergedSlices::counters).collect();
        self.kept = Some(0);
        match streams.as_mut_slice() {
            [rows] => dedupe(spec, rows, space, self),
            _ => Err(Error::new("PLAN_CONFLICT", "dedupe reads exactly one stage")),
        }
    }

    fn run_merge(&mut self, mut streams: Vec<MergedSlices>) -> Result<(), Error> {
        self.read = streams.iter().map(MergedSlices::counters).collect();
        for stream in &mut streams {
            while let Some(rows) = stream.next_rows()? {
                self.write(without_order(&rows)?)?;
            }
        }
        Ok(())
    }

    /// Every slice by itself, because a record's chunk and generation count too.
    fn run_owners(&mut self, space: SortSpace<'_>) -> Result<Vec<Arc<Counters>>, Error> {
        let opener = self.io.work_opener()?;
        let schema = with_order(&key_exchange(1).columns);
        let key_slice = |slice: &Slice| KeySlice {
            rows: MergedSlices::new(Arc::clone(&schema), vec![slice.clone()], Arc::clone(&opener), self.cx.cancel.clone()),
            chunk: slice.chunk,
            generation: slice.generation,
        };
        let slices: Vec<KeySlice> = self.task.slices.iter().map(key_slice).collect();
        let read: Vec<Arc<Counters>> = slices.iter().map(|slice| slice.rows.counters()).collect();
        self.read.clone_from(&read);
        find_losers(slices, &self.task.replaced, space, |rows| {
            self.rows_out += rows.num_rows() as u64;
            self.account.rows_handed += rows.num_rows() as u64;
            self.report();
            self.outputs.write_rows(&rows, self.io)
        })?;
        Ok(read)
    }

    /// Hands rows of the result to the writers.
    fn write(&mut self, rows: RecordBatch) -> Result<(), Error> {
        if self.cx.cancel.is_set() {
            return Err(Error::cancelled());
        }
        let count = rows.num_rows() as u64;
        let rows = match self.outputs.exchanged_schema() {
            None => rows,
            Some(schema) => {
                let numbers = (self.rows_out..self.rows_out + count).collect();
                add_order(&schema, &rows, vec![self.task.chunk.partition; count as usize], numbers, vec![0; count as usize])?
            }
        };
        self.rows_out += count;
        self.account.rows_handed += count;
        self.report();
        self.outputs.write_rows(&rows, self.io)
    }

    fn report(&self) {
        let sum = |of: fn(&Counters) -> u64| self.read.iter().map(|counters| of(counters)).sum();
        self.cx.progress.count_bytes(sum(|counters| counters.bytes.load(Ordering::Relaxed)));
        let rows = sum(|counters| counters.rows.load(Ordering::Relaxed));
        self.cx.progress.count_fates(rows, self.rows_out, 0, self.rejected);
    }

    /// A row that could not be evaluated. It has no place of its own: the reject names its partition and carries the row as JSON.
    fn reject(&mut self, code: &'static str, message: String, row: String) -> Result<(), Error> {
        let error =
            RejectError { code, column: None, column_index: None, path: None, byte: 0, line: 0, message, expected: None, value: None };
        let reject = Reject { place: Place::default(), errors: vec![error], raw: row.into_bytes(), raw_truncated: false };
        self.rejected += 1;
        self.account.reject(std::slice::from_ref(&reject));
        let partition = format!("partition:{}/{}", self.task.author.stage, self.task.chunk.partition);
        self.outputs.write_rejects(&[reject], &partition, &self.task.chunk.slices.digest, self.io)
    }

    /// Gives every row read its fate. A program has used all rows that it did not reject; `dedupe` dropped what it did not keep.
    fn settle(&mut self, read: &[Arc<Counters>]) -> Result<Account, Error> {
        let rows: u64 = read.iter().map(|counters| counters.rows.load(Ordering::Relaxed)).sum();
        if rows != self.task.chunk.rows {
            let message = format!("partition {}: its list has {} rows, {rows} were read", self.task.chunk.partition, self.task.chunk.rows);
            return Err(Error::new("BALANCE_MISMATCH", message));
        }
        let short = || Error::new("BALANCE_MISMATCH", format!("{rows} rows were read, and more rejected or kept"));
        let good = rows.checked_sub(self.rejected).ok_or_else(short)?;
        let emitted = self.kept.unwrap_or(good);
        self.account.emit(emitted);
        self.account.deduplicate(good.checked_sub(emitted).ok_or_else(short)?);
        self.account.close_file(&ReadCounts { records: rows, ..ReadCounts::default() }, self.task.chunk.bytes);
        Ok(std::mem::take(&mut self.account))
    }

    /// An error that a program carries back to us; what it says then is not lost on the way.
    fn through_program(&mut self, answer: Result<(), Error>) -> Result<(), ProgramError> {
        answer.map_err(|error| {
            let passed = ProgramError { code: error.code, message: error.message.clone(), at: None };
            self.failure = Some(error);
            passed
        })
    }
}

impl ReduceSink for Run<'_, '_> {
    fn rows(&mut self, rows: RecordBatch) -> Result<(), ProgramError> {
        let answer = self.write(rows);
        self.through_program(answer)
    }

    fn failed(&mut self, row: FailedRow) -> Result<(), ProgramError> {
        let answer = self.reject(row.code, row.message, row.row);
        self.through_program(answer)
    }
}

impl DedupeSink for Run<'_, '_> {
    fn keep(&mut self, rows: RecordBatch) -> Result<(), Error> {
        *self.kept.get_or_insert(0) += rows.num_rows() as u64;
        self.write(without_order(&rows)?)
    }

    fn fail(&mut self, batch: &RecordBatch, failures: &[RowFailure]) -> Result<(), Error> {
        Places::of(batch)?;
        for failure in failures {
            let row = json_of(&without_order(&batch.slice(failure.row as usize, 1))?)?;
            self.reject(failure.code, failure.message.clone(), row)?;
        }
        Ok(())
    }
}

/// One row as a JSON object.
fn json_of(row: &RecordBatch) -> Result<String, Error> {
    let bytes = Gathered::default();
    let options = OutputOptions { format: OutputFormat::Ndjson, compression: Some("none".into()), ..OutputOptions::default() };
    let mut writer = open_part(&options, row.schema(), Box::new(bytes.clone()))?;
    writer.write(row)?;
    writer.finish()?;
    let text = std::mem::take(&mut *bytes.0.lock().expect("nothing panics while it holds the lock"));
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

#[derive(Clone, Default)]
struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nothing panics while it holds the lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
