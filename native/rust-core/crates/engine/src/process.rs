//! The main path of a map chunk. `process_chunk` is the table of contents of this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use millrace_formats::batch::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS, Read, ReadCounts, RecordReader};
use millrace_formats::decompress::{Compression, DecodedSource, InflationLimit, Restart, measure};
use millrace_formats::encoding::shows_structure;
use millrace_formats::given::given_range;
use millrace_formats::pins::{FilePlan, Format, InputPins, StreamCut};
use millrace_formats::position::Place;
use millrace_formats::read::{ExcludedRange, ReadOptions, ReadRange, open_columns, open_reader, plan_file};
use millrace_formats::reject::{DAMAGE_KEPT_BYTES, Reject, RejectError};
use millrace_formats::source::{ByteSource, read_full};
use millrace_formats::write::OutputOptions;

use crate::account::Account;
use crate::attempt::Attempt;
use crate::budget::{Budget, ChunkNeeds};
use crate::cancel::CancelFlag;
use crate::chosen::Chosen;
use crate::error::Error;
use crate::folder_parts::{GATHERED_BYTES, SHARED_BYTES};
use crate::hex::sha256_hex;
use crate::input_names::{output_name, payload_name};
use crate::io::{ChunkIo, PinnedSource, RecordHook, Timer};
use crate::names::Author;
use crate::order::{add_order, with_order};
use crate::outputs::{Closed, Outputs};
use crate::partition::Key;
use crate::program::Program;
use crate::progress::{Phase, Progress};
use crate::records::{
    ChunkEntry, Counts, DecodeFrom, GivenChunk, InlineChunk, InlinePayload, Origin, PinsOf, RangeChunk, RowsChunk, Segment, Slice, Spec,
};
use crate::slices::MergedSlices;
use crate::streams::open_chunk_stream;
use crate::transform::{Fates, transform};
use crate::unique::{Losers, key_rows, loser_exchange};
use crate::watch::{MemorySource, Watched};

/// Under `memory: less` a batch has at most this many records, and a row group a quarter of its size.
const LESS_BATCH_RECORDS: usize = 1_024;

/// Payloads are ordered behind the files of a job, whose numbers are all below this.
pub(crate) const FIRST_PAYLOAD: u32 = 1 << 31;

/// How much the host wants to know of a record that may kill the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    #[default]
    None,
    Batch,
    /// Batches of one record.
    Record,
}

/// One attempt at one chunk, with everything that was read from the journal for it.
pub struct ChunkTask<'a> {
    pub author: Author,
    pub spec: &'a Spec,
    pub spec_digest: &'a str,
    pub pins: PinsOf<'a>,
    pub segment: &'a Segment,
    pub segment_digest: &'a str,
    pub chunk: &'a ChunkEntry,
    /// Where the rows go if another stage reads them; None: they are the output.
    pub exchange: Option<&'a ExchangeTo>,
    pub uniqueness: Uniqueness,
    /// The bytes of an inline chunk, else empty.
    pub payload: Arc<[u8]>,
    /// Runs the whole path and commits nothing.
    pub trial: bool,
    /// A part of the chunk, for trials. Of a chunk that a producer sent it counts records, as `excluded` does (see `chosen`).
    pub range: Option<ReadRange>,
    /// Records that become rejects and go no further: of files bytes that are not even parsed.
    pub excluded: Vec<ExcludedRange>,
    pub trace: Trace,
    pub less_memory: bool,
    pub core_version: &'a str,
}

/// What a chunk has to do with keys that are unique over the whole job; by their columns.
#[derive(Clone, Debug, Default)]
pub enum Uniqueness {
    #[default]
    None,
    /// A chunk of the stage `unique`: it hands on keys and no rows. Its pins are lenient ones.
    Keys(Vec<Vec<String>>),
    /// A chunk whose records may have lost a key to others: those that did stand in these slices.
    Losers(Vec<Vec<String>>, Vec<Slice>),
}

/// How the rows of a stage reach the stage that reads them.
#[derive(Clone, Debug)]
pub struct ExchangeTo {
    /// Columns of the rows, without order columns.
    pub columns: SchemaRef,
    pub keys: Vec<Key>,
    pub partitions: u32,
    /// Columns that name folders where the stage behind only writes these rows: what fits no folder is rejected where it comes from.
    pub folders: Vec<String>,
}

/// What surrounds every attempt of a process.
pub struct Context<'a> {
    pub cancel: CancelFlag,
    pub progress: Progress,
    pub timer: Arc<dyn Timer + Send + Sync>,
    /// What this process may hold.
    pub memory_bytes: u64,
    pub hook: Option<&'a dyn RecordHook>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    /// The verdict was filled by another.
    Superseded,
    Cancelled,
    TrialOk,
}

/// Where the time went, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    pub read_us: u64,
    pub decode_us: u64,
    pub transform_us: u64,
    pub encode_us: u64,
    pub write_us: u64,
    pub commit_us: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkEnd {
    pub outcome: Outcome,
    /// The verdict as stored: ours, or the winner's. None when cancelled or a trial.
    pub verdict: Option<Vec<u8>>,
    /// Of this attempt; all zero if it read nothing.
    pub counts: Counts,
    pub by_code: Vec<(String, u64)>,
    pub phases: Phases,
}

impl ChunkEnd {
    pub(crate) fn without_work(outcome: Outcome, verdict: Option<Vec<u8>>) -> ChunkEnd {
        ChunkEnd { outcome, verdict, counts: Counts::default(), by_code: Vec::new(), phases: Phases::default() }
    }
}

/// One attempt at one map chunk, from its pinned range to the filled verdict. Never retries.
pub fn process_chunk<'a>(
    task: &'a ChunkTask<'a>,
    program: Option<&'a mut (dyn Program + 'static)>,
    io: &mut dyn ChunkIo,
    cx: &'a Context<'a>,
) -> Result<ChunkEnd, Error> {
    match run_chunk(task, program, io, cx) {
        Err(error) if error.is_cancelled() => Ok(ChunkEnd::without_work(Outcome::Cancelled, None)),
        end => end,
    }
}

fn run_chunk<'a>(
    task: &'a ChunkTask<'a>,
    program: Option<&'a mut (dyn Program + 'static)>,
    io: &mut dyn ChunkIo,
    cx: &'a Context<'a>,
) -> Result<ChunkEnd, Error> {
    let attempt = task.attempt();
    if let Some(end) = attempt.already_filled(io)? {
        return Ok(end);
    }
    let mut run = Run::open(task, program, io, cx)?;
    for unit in units(task)? {
        run.read_unit(unit, io)?;
    }
    let (phases, account, closed) = run.close(io)?;
    attempt.conclude(account, &closed, phases, io, cx)
}

impl ChunkTask<'_> {
    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            author: &self.author,
            spec_digest: self.spec_digest,
            segment_digest: self.segment_digest,
            core_version: self.core_version,
            trial: self.trial,
            inputs_digest: None,
        }
    }
}

/// One file's share of a chunk: all of a range chunk, one file of a group, or one payload of an inline one.
enum Unit<'a> {
    Range(RangeUnit<'a>),
    Rows {
        plan: &'a FilePlan,
        chunk: &'a RowsChunk,
        range: ReadRange,
        whole: bool,
    },
    Payload {
        number: u32,
        payload: &'a InlinePayload,
        source: MemorySource,
    },
    /// A record that takes the place of one that was rejected.
    Correction {
        plan: &'a FilePlan,
        origin: &'a Origin,
        length: u64,
        source: MemorySource,
    },
    Given {
        chunk: &'a GivenChunk,
    },
}

/// A range of one file.
struct RangeUnit<'a> {
    plan: &'a FilePlan,
    chunk: RangeChunk,
    range: ReadRange,
    whole: bool,
    excluded: Vec<ExcludedRange>,
    /// One file of a group: if it cannot be read it is left out, and the others are not.
    grouped: bool,
}

fn units<'a>(task: &ChunkTask<'a>) -> Result<Vec<Unit<'a>>, Error> {
    match task.chunk {
        ChunkEntry::Range(chunk) => {
            let whole = range_of(chunk);
            let range = part_of(task, whole)?;
            let (plan, excluded) = (task.segment.file(chunk.file)?, task.excluded.clone());
            Ok(vec![Unit::Range(RangeUnit { plan, chunk: chunk.clone(), range, whole: range == whole, excluded, grouped: false })])
        }
        ChunkEntry::Files(_) => file_units(task),
        ChunkEntry::Rows(chunk) => {
            let whole = ReadRange { start: chunk.start, end: chunk.end, record: chunk.start + 1, line: 0 };
            let range = ReadRange { line: 0, ..part_of(task, whole)? };
            Ok(vec![Unit::Rows { plan: task.segment.file(chunk.file)?, chunk, range, whole: range == whole }])
        }
        ChunkEntry::Inline(_) | ChunkEntry::Given(_) if task.range.is_some() && !task.trial => {
            Err(Error::new("PLAN_CONFLICT", "some records of a chunk are read by trials alone"))
        }
        ChunkEntry::Inline(chunk) => payload_units(task, chunk),
        ChunkEntry::Given(chunk) => Ok(vec![Unit::Given { chunk }]),
        ChunkEntry::Partition(chunk) => {
            Err(Error::new("PLAN_CONFLICT", format!("chunk {} is a partition, which no map stage reads", chunk.chunk)))
        }
    }
}

fn range_of(chunk: &RangeChunk) -> ReadRange {
    ReadRange { start: chunk.start, end: chunk.end, record: chunk.record, line: chunk.line }
}

/// The files of a group. The range of a trial, and what is excluded, count as if they stood one after another.
fn file_units<'a>(task: &ChunkTask<'a>) -> Result<Vec<Unit<'a>>, Error> {
    let all = ReadRange { start: 0, end: task.chunk.bytes(), record: 1, line: 1 };
    let wanted = part_of(task, all)?;
    let mut units = Vec::new();
    let mut offset = 0;
    for chunk in task.chunk.ranges() {
        let (first, length) = (offset, chunk.end - chunk.start);
        offset += length;
        let Some(range) = share_of(&chunk, first, wanted) else { continue };
        let in_file = |excluded: &ExcludedRange| {
            let inside = excluded.start >= first && excluded.end <= first + length;
            let (start, end) = (excluded.start.checked_sub(first)? + chunk.start, excluded.end.checked_sub(first)? + chunk.start);
            inside.then_some(ExcludedRange { start, end, code: excluded.code })
        };
        let excluded = task.excluded.iter().filter_map(in_file).collect();
        let (plan, whole) = (task.segment.file(chunk.file)?, range == range_of(&chunk));
        units.push(Unit::Range(RangeUnit { plan, chunk, range, whole, excluded, grouped: true }));
    }
    Ok(units)
}

/// What of a file that begins at `first` lies in `wanted`.
fn share_of(chunk: &RangeChunk, first: u64, wanted: ReadRange) -> Option<ReadRange> {
    let last = first + (chunk.end - chunk.start);
    if wanted.end <= first || wanted.start >= last {
        return None;
    }
    let end = wanted.end.min(last) - first + chunk.start;
    if wanted.start <= first {
        return Some(ReadRange { end, ..range_of(chunk) });
    }
    Some(ReadRange { start: wanted.start - first + chunk.start, end, record: wanted.record, line: wanted.line })
}

/// All of the chunk or, in a trial, the part that was asked for.
fn part_of(task: &ChunkTask<'_>, whole: ReadRange) -> Result<ReadRange, Error> {
    let range = task.range.unwrap_or(whole);
    if range.start < whole.start || range.end > whole.end || range.start > range.end || (range != whole && !task.trial) {
        return Err(Error::new("PLAN_CONFLICT", format!("{}–{} is no part of a trial of this chunk", range.start, range.end)));
    }
    Ok(range)
}

fn payload_units<'a>(task: &ChunkTask<'a>, chunk: &'a InlineChunk) -> Result<Vec<Unit<'a>>, Error> {
    if task.payload.len() as u64 != chunk.length || sha256_hex(&task.payload) != chunk.sha256 {
        let message =
            format!("the payload of chunk {} has {} bytes and another digest than its plan says", chunk.chunk, task.payload.len());
        return Err(Error::new("STORAGE_CHECKSUM", message));
    }
    let unit = |(number, payload): (usize, &'a InlinePayload)| {
        let source = MemorySource::new(Arc::clone(&task.payload), payload.offset, payload.length);
        let outside = || Error::new("PLAN_CONFLICT", format!("payload {} lies outside its chunk", payload.key));
        let source = source.ok_or_else(outside)?;
        let Some(origin) = &payload.origin else { return Ok(Unit::Payload { number: number as u32, payload, source }) };
        let source = source.standing_at(origin.byte).ok_or_else(outside)?;
        Ok(Unit::Correction { plan: task.segment.file(origin.file)?, origin, length: payload.length, source })
    };
    if chunk.payloads.iter().any(|payload| payload.origin.is_some() != chunk.is_replay()) {
        return Err(Error::new("PLAN_CONFLICT", format!("chunk {} mixes replayed records with others", chunk.chunk)));
    }
    chunk.payloads.iter().enumerate().map(unit).collect()
}

/// The state of one attempt while it reads.
struct Run<'a> {
    task: &'a ChunkTask<'a>,
    program: Option<&'a mut (dyn Program + 'static)>,
    cx: &'a Context<'a>,
    account: Account,
    outputs: Outputs<'a>,
    losers: Option<Losers>,
    chosen: Option<Chosen>,
    phases: Phases,
    read_us: Arc<AtomicU64>,
    options: ReadOptions,
    /// Bytes of units that are done.
    bytes_done: u64,
    records_done: u64,
}

impl<'a> Run<'a> {
    fn open(
        task: &'a ChunkTask<'a>,
        program: Option<&'a mut (dyn Program + 'static)>,
        io: &dyn ChunkIo,
        cx: &'a Context<'a>,
    ) -> Result<Run<'a>, Error> {
        let options = read_options(task);
        let output = output_options(task);
        let total = task.spec.execution.core_memory.map_or(cx.memory_bytes, |memory| memory.min(cx.memory_bytes));
        let max_record_bytes = task.pins.inputs.iter().map(|pins| pins.max_record_bytes).max().unwrap_or(0);
        Budget::new(total).reserve_chunk(ChunkNeeds {
            max_record_bytes: max_record_bytes.min(task.chunk.bytes()),
            batch_bytes: options.batch_bytes,
            output_bytes: output_bytes(&output).min(task.chunk.bytes() * 2),
            payload_bytes: (task.payload.len() as u64).max(largest_loaded(task)),
        })?;
        cx.progress.expect_bytes(expected_bytes(task));
        Ok(Run {
            task,
            program,
            cx,
            account: Account::default(),
            outputs: Outputs::new(task.spec, output, &task.author, task.trial, Arc::clone(&cx.timer))
                .less(task.less_memory)
                .exchange(task.exchange, task.less_memory)?,
            losers: open_losers(task, io, cx)?,
            chosen: chosen_of(task),
            phases: Phases::default(),
            read_us: Arc::default(),
            options,
            bytes_done: 0,
            records_done: 0,
        })
    }

    fn read_unit(&mut self, unit: Unit<'_>, io: &mut dyn ChunkIo) -> Result<(), Error> {
        match unit {
            Unit::Range(unit) => self.read_range_unit(&unit, io),
            Unit::Rows { plan, chunk, range, whole } => {
                let pins = &*self.task.pins.file(plan.file, plan.input)?;
                let watched = self.watch(io.open_source(&plan.uri, &plan.etag)?);
                self.account.open_file(Some(plan.file), None);
                let bytes = if whole { chunk.bytes } else { 0 };
                let wanted = self.wanted_fields(pins);
                let source = Box::new(watched.clone());
                let reader = open_columns(pins, plan, range, &self.task.excluded, source, self.options, wanted.as_deref())?;
                let counts = self.read_range(plan, range, bytes, reader, &watched, io)?;
                self.close_unit(&counts, bytes);
                if whole && counts.records != chunk.records {
                    let message = format!("chunk {}: {} records were planned, {} were read", chunk.chunk, chunk.records, counts.records);
                    return Err(Error::new("PLAN_CONFLICT", message));
                }
                Ok(())
            }
            Unit::Payload { number, payload: InlinePayload { key, records, .. }, source } => {
                let pins = self.payload_pins()?;
                if pins.format.has_rows() {
                    let message = "records sent inline are text, but the pins say that the input is a file of columns";
                    return Err(Error::new("INPUT_MAGIC", message));
                }
                let watched = self.watch(Box::new(source));
                let (mut stream, end) = open_payload_stream(pins, &watched)?;
                let plan = plan_file(pins, number, 0, key, "", stream.as_mut())?;
                self.account.open_file(None, Some(key.clone()));
                self.outputs.begin_input(None, || payload_name(key))?;
                let range = ReadRange { start: plan.data_start, end, record: 1, line: plan.first_line };
                // Preamble and header are bytes of the chunk too.
                self.bytes_done += plan.data_start;
                let reader = open_reader(pins, &plan, range, &[], stream, self.options)?;
                let counts = self.read_range(&plan, range, range.end - range.start, reader, &watched, io)?;
                self.close_unit(&counts, range.end - range.start);
                check_promised(key, *records, counts.records)
            }
            Unit::Correction { plan, origin, length, source } => self.read_correction(plan, origin, length, source, io),
            Unit::Given { chunk } => self.read_given(chunk, io),
        }
    }

    /// The fields that somebody looks at, by their index; none: all of them.
    fn wanted_fields(&self, pins: &InputPins) -> Option<Vec<usize>> {
        match &self.task.uniqueness {
            Uniqueness::Keys(keys) => {
                let fields = pins.schema.fields.iter().enumerate();
                Some(fields.filter(|(_, field)| keys.iter().flatten().any(|key| *key == field.name)).map(|(index, _)| index).collect())
            }
            _ => self.program.as_deref().and_then(|program| program.reads()),
        }
    }

    fn read_range_unit(&mut self, unit: &RangeUnit<'_>, io: &mut dyn ChunkIo) -> Result<(), Error> {
        let RangeUnit { plan, chunk, range, whole, excluded, grouped } = unit;
        let (range, bytes) = (*range, range.end - range.start);
        let source = if *grouped { load(plan, io) } else { io.open_source(&plan.uri, &plan.etag) };
        let source = match source {
            Err(error) if *grouped && error.code.starts_with("INPUT_") => {
                self.bytes_done += bytes;
                self.account.leave_out(plan.file, error);
                return Ok(());
            }
            source => source?,
        };
        let pins = &*self.task.pins.file(plan.file, plan.input)?;
        let watched = self.watch(source);
        let mut pieces = || io.staged_pieces(plan.file);
        let mut stream = open_chunk_stream(pins, plan, chunk, Box::new(watched.clone()), &mut pieces)?;
        check_start(pins, plan, range.start, stream.as_mut())?;
        self.account.open_file(Some(plan.file), None);
        let input = self.task.spec.inputs.get(plan.input as usize);
        self.outputs.begin_input(Some(plan.file), || output_name(&plan.uri, input))?;
        let reader = open_reader(pins, plan, range, excluded, stream, self.options)?;
        let mut counts = self.read_range(plan, range, bytes, reader, &watched, io)?;
        if let Some(cut) = plan.cut.as_ref().filter(|cut| cut.end == range.end) {
            self.reject_rest(pins, plan, chunk, cut, &watched, &mut counts, io)?;
        }
        self.close_unit(&counts, bytes);
        if *whole { check_plan(chunk, &counts, excluded.is_empty()) } else { Ok(()) }
    }

    /// One record in the dialect of its file, under the place of the one that was rejected. Whatever is not exactly one record is a reject again, so
    /// that each replayed reject has one fate.
    fn read_correction(
        &mut self,
        plan: &FilePlan,
        origin: &Origin,
        length: u64,
        source: MemorySource,
        io: &mut dyn ChunkIo,
    ) -> Result<(), Error> {
        let pins = &*self.task.pins.file(plan.file, plan.input)?;
        if pins.format.has_rows() {
            return Err(Error::new("INPUT_MAGIC", "a replayed record is text, but its file is one of columns"));
        }
        let range = ReadRange { start: origin.byte, end: origin.byte + length, record: origin.record, line: origin.line };
        let raw = source.bytes().to_vec();
        let watched = self.watch(Box::new(source));
        if self.account.files.last().is_none_or(|last| last.file != Some(plan.file)) {
            let input = self.task.spec.inputs.get(plan.input as usize);
            self.outputs.begin_input(Some(plan.file), || output_name(&plan.uri, input))?;
        }
        self.account.continue_file(plan.file);
        let mut reader = open_reader(pins, plan, range, &[], Box::new(watched), self.options)?;
        self.stand_at(plan, range, length, reader.counts(), range.start, io);
        if self.cx.cancel.is_set() {
            return Err(Error::cancelled());
        }
        let mut found = Vec::new();
        while let Some(read) = self.read_batch(reader.as_mut())? {
            found.push(read);
        }
        found.retain(|read| !read.batch.places.is_empty() || !read.rejects.is_empty());
        let records: usize = found.iter().map(|read| read.batch.places.len() + read.rejects.len()).sum();
        let mut counts = reader.counts().clone();
        match found.pop() {
            Some(read) if records == 1 => self.take(read, plan, io)?,
            _ => {
                counts = ReadCounts { records: 1, ..ReadCounts::default() };
                self.reject_correction(pins, plan, range, records, raw, io)?;
            }
        }
        self.close_unit(&counts, length);
        Ok(())
    }

    fn reject_correction(
        &mut self,
        pins: &InputPins,
        plan: &FilePlan,
        range: ReadRange,
        records: usize,
        raw: Vec<u8>,
        io: &mut dyn ChunkIo,
    ) -> Result<(), Error> {
        if let Some(chosen) = &mut self.chosen {
            chosen.pass();
        }
        if matches!(self.task.uniqueness, Uniqueness::Keys(_)) {
            self.account.filter(1);
            return Ok(());
        }
        let code = match pins.format {
            Format::Csv => "CSV_LONG_ROW",
            Format::Lines => "LINES_NO_MATCH",
            _ => "JSON_SYNTAX",
        };
        let place = Place { file: plan.file, record: range.record, line: range.line, byte: range.start, byte_end: range.end };
        let message = format!("expected one record in place of the rejected one, found {records}");
        let error = RejectError {
            code,
            column: None,
            column_index: None,
            path: None,
            byte: range.start,
            line: range.line,
            message,
            expected: None,
            value: None,
        };
        let rejects = [Reject { place, errors: vec![error], raw, raw_truncated: false }];
        self.account.reject(&rejects);
        self.outputs.write_rejects(&rejects, &plan.uri, &plan.etag, io)
    }

    /// An object, or a part of it, as a producer named it: its header is read here, for nobody has planned it.
    fn read_given(&mut self, chunk: &GivenChunk, io: &mut dyn ChunkIo) -> Result<(), Error> {
        let pins = self.payload_pins()?;
        let whole = chunk.start == 0 && chunk.end == chunk.size;
        let watched = self.watch(io.open_source(&chunk.uri, &chunk.etag)?);
        if pins.format.has_rows() {
            let message =
                format!("cannot read {}: files of columns cannot be sent as chunks in this version; submit them as inputs", chunk.uri);
            return Err(Error::new("INPUT_RANGE", message));
        }
        let (mut stream, size) = open_payload_stream(pins, &watched)?;
        let plan = plan_file(pins, 0, 0, &chunk.uri, &chunk.etag, stream.as_mut())?;
        let range = given_range(pins, &plan, (chunk.start, chunk.end), whole, size, stream.as_mut())?;
        self.account.open_file(None, Some(chunk.key.clone()));
        let input = self.task.spec.inputs.first();
        self.outputs.begin_input(None, || output_name(&chunk.uri, input))?;
        let reader = open_reader(pins, &plan, range, &[], stream, self.options)?;
        let counts = self.read_range(&plan, range, chunk.end - chunk.start, reader, &watched, io)?;
        self.close_unit(&counts, chunk.end - chunk.start);
        check_promised(&chunk.key, chunk.records, counts.records)
    }

    /// Payloads are read as the first input.
    fn payload_pins(&self) -> Result<&'a InputPins, Error> {
        self.task.pins.inputs.first().ok_or_else(|| Error::new("PLAN_CONFLICT", "the pins hold no input"))
    }

    fn watch(&self, source: Box<dyn PinnedSource>) -> Watched {
        Watched::new(source, self.cx.cancel.clone(), Arc::clone(&self.cx.timer), Arc::clone(&self.read_us))
    }

    fn read_range(
        &mut self,
        plan: &FilePlan,
        range: ReadRange,
        bytes: u64,
        mut reader: Box<dyn RecordReader>,
        watched: &Watched,
        io: &mut dyn ChunkIo,
    ) -> Result<ReadCounts, Error> {
        let mut next_byte = range.start;
        loop {
            self.stand_at(plan, range, bytes, reader.counts(), next_byte, io);
            if self.cx.cancel.is_set() {
                return Err(Error::cancelled());
            }
            let Some(read) = self.read_batch(reader.as_mut())? else { break };
            next_byte = end_of(&read).unwrap_or(next_byte);
            // A record that starts in a producer's range may end behind it.
            if next_byte > range.end && !matches!(self.task.chunk, ChunkEntry::Given(_)) {
                return Err(Error::new(
                    "PLAN_CONFLICT",
                    format!("a record ends at byte {next_byte}, behind its range's end {}", range.end),
                ));
            }
            self.take(read, plan, io)?;
        }
        watched.check_unchanged()?;
        Ok(reader.counts().clone())
    }

    fn close_unit(&mut self, counts: &ReadCounts, bytes: u64) {
        self.account.close_file(counts, bytes);
        self.bytes_done += bytes;
        self.records_done += counts.records;
    }

    /// What lies behind the cut of a damaged file becomes one reject, with what could be decoded of it.
    #[allow(clippy::too_many_arguments)]
    fn reject_rest(
        &mut self,
        pins: &InputPins,
        plan: &FilePlan,
        chunk: &RangeChunk,
        cut: &StreamCut,
        watched: &Watched,
        counts: &mut ReadCounts,
        io: &mut dyn ChunkIo,
    ) -> Result<(), Error> {
        let mut pieces = || io.staged_pieces(plan.file);
        let whole = FilePlan { cut: None, ..plan.clone() };
        let mut head = vec![0; (cut.decoded_end - cut.end).min(DAMAGE_KEPT_BYTES as u64) as usize];
        // The staged stream ends at the cut; what could be decoded behind it is in the file alone.
        if !matches!(chunk.decode, Some(DecodeFrom::Staged { .. })) {
            let mut stream = open_chunk_stream(pins, &whole, chunk, Box::new(watched.clone()), &mut pieces)?;
            let filled = read_full(stream.as_mut(), cut.end, &mut head)?;
            head.truncate(filled);
            watched.check_unchanged()?;
        } else {
            head.clear();
        }
        counts.records += 1;
        counts.damages += 1;
        counts.damaged_bytes += cut.decoded_end - cut.end;
        if matches!(self.task.uniqueness, Uniqueness::Keys(_)) {
            self.account.filter(1);
            return Ok(());
        }
        let rejects = [rest_reject(plan, chunk, cut, head)?];
        self.account.reject(&rejects);
        self.outputs.write_rejects(&rejects, &plan.uri, &plan.etag, io)?;
        Ok(())
    }

    /// Makes visible where the next batch begins, before it is touched.
    fn stand_at(&self, plan: &FilePlan, range: ReadRange, bytes: u64, counts: &ReadCounts, next_byte: u64, io: &mut dyn ChunkIo) {
        let progress = &self.cx.progress;
        progress.enter(Phase::Read);
        progress.stand_at(plan.file, next_byte, range.record + counts.records, range.line + counts.lines);
        // Of rows that is the share that is done.
        let (done, all) = (u128::from(next_byte.min(range.end) - range.start), u128::from((range.end - range.start).max(1)));
        progress.count_bytes(self.bytes_done + (u128::from(bytes) * done / all) as u64);
        let sums = self.account.counts(0);
        progress.count_fates(self.records_done + counts.records, sums.emitted, sums.filtered, sums.rejected);
        if self.task.trace != Trace::None {
            io.trace();
        }
    }

    fn read_batch(&mut self, reader: &mut dyn RecordReader) -> Result<Option<Read>, Error> {
        let (started, read_before) = (self.cx.timer.now_us(), self.read_us.load(Ordering::Relaxed));
        let read = reader.next()?;
        let read_us = self.read_us.load(Ordering::Relaxed) - read_before;
        self.phases.decode_us += self.cx.timer.now_us().saturating_sub(started + read_us);
        Ok(read)
    }

    /// Decides the fate of each record of a batch and writes what became of it.
    fn take(&mut self, read: Read, plan: &FilePlan, io: &mut dyn ChunkIo) -> Result<(), Error> {
        let read = self.only_chosen(read)?;
        let forgotten = self.meet(&read)?;
        if let Uniqueness::Keys(keys) = &self.task.uniqueness {
            return self.hand_on_keys(read, keys, plan, io);
        }
        let read = self.without_losers(read, plan)?;
        self.cx.progress.enter(Phase::Transform);
        let started = self.cx.timer.now_us();
        let program = self.program.as_deref_mut();
        let mut fates = transform(&read.batch, program, &plan.uri, self.outputs.partition_by())?;
        if let Some(schema) = self.task.exchange.and_then(|_| self.outputs.exchanged_schema()) {
            fates.rows = place_rows(&fates, &read.batch.places, self.file_order(plan), &schema)?;
        }
        self.phases.transform_us += self.cx.timer.now_us().saturating_sub(started);

        let mut rejects = read.rejects;
        rejects.extend(fates.rejects);
        rejects.sort_by_key(|reject| reject.place.byte);
        self.account.emit(fates.emitted.saturating_sub(forgotten));
        self.account.filter(fates.filtered);
        self.account.reject(&rejects);
        self.account.rows_handed += fates.rows.num_rows() as u64;

        self.cx.progress.enter(Phase::Encode);
        let (started, written_before) = (self.cx.timer.now_us(), self.outputs.write_us());
        self.outputs.write_rows(&fates.rows, io)?;
        self.outputs.write_rejects(&rejects, &plan.uri, &plan.etag, io)?;
        let write_us = self.outputs.write_us() - written_before;
        self.phases.encode_us += self.cx.timer.now_us().saturating_sub(started + write_us);
        Ok(())
    }

    /// In a trial all others count as filtered.
    fn only_chosen(&mut self, read: Read) -> Result<Read, Error> {
        let Some(chosen) = &mut self.chosen else { return Ok(read) };
        let max_record_bytes = self.task.pins.inputs.iter().map(|pins| pins.max_record_bytes).max().unwrap_or(0);
        let (read, passed_over) = chosen.sift(read, max_record_bytes)?;
        self.account.filter(passed_over);
        Ok(read)
    }

    /// Keys instead of rows: records without one are filtered, as are those that cannot be read; what is wrong with them the stage behind says.
    fn hand_on_keys(&mut self, read: Read, keys: &[Vec<String>], plan: &FilePlan, io: &mut dyn ChunkIo) -> Result<(), Error> {
        self.cx.progress.enter(Phase::Transform);
        let (rows, emitted) = key_rows(&read.batch, keys, self.file_order(plan))?;
        self.account.emit(emitted);
        self.account.filter((read.batch.rows.num_rows() + read.rejects.len()) as u64 - emitted);
        self.account.rows_handed += rows.num_rows() as u64;
        self.cx.progress.enter(Phase::Encode);
        self.outputs.write_rows(&rows, io)
    }

    /// Uniqueness is judged before the query sees a record.
    fn without_losers(&mut self, read: Read, plan: &FilePlan) -> Result<Read, Error> {
        let file = self.file_order(plan);
        let Some(losers) = &mut self.losers else { return Ok(read) };
        let Read { batch, mut rejects } = read;
        let (batch, lost) = losers.sift(batch, file)?;
        rejects.extend(lost);
        Ok(Read { batch, rejects })
    }

    /// What stands for a file in the order of the job. Payloads have no number of their own: they come behind the files, in the order of their
    /// chunks, and their records one payload after another. A replayed record stands where the rejected one stood.
    fn file_order(&self, plan: &FilePlan) -> (u32, u64) {
        match self.task.chunk {
            ChunkEntry::Inline(chunk) if !chunk.is_replay() => (FIRST_PAYLOAD | chunk.chunk, u64::from(plan.file) << 32),
            ChunkEntry::Given(chunk) => (FIRST_PAYLOAD | chunk.chunk, 0),
            _ => (plan.file, 0),
        }
    }

    /// Shows each record to the hook of a test build, and says how many are not to be counted.
    fn meet(&self, read: &Read) -> Result<u64, Error> {
        let Some(hook) = self.cx.hook else { return Ok(0) };
        let mut forgotten = 0;
        for row in 0..read.batch.rows.num_rows() {
            forgotten += u64::from(!hook.meet(&read.batch.raw(row)?));
        }
        Ok(forgotten)
    }

    fn close(mut self, io: &mut dyn ChunkIo) -> Result<(Phases, Account, Closed), Error> {
        if self.cx.cancel.is_set() {
            return Err(Error::cancelled());
        }
        let (started, written_before) = (self.cx.timer.now_us(), self.outputs.write_us());
        let write_counter = self.outputs.write_counter();
        let closed = self.outputs.close(io)?;
        let elapsed_us = self.cx.timer.now_us().saturating_sub(started);
        self.phases.write_us = write_counter.load(Ordering::Relaxed);
        self.phases.encode_us += elapsed_us.saturating_sub(self.phases.write_us - written_before);
        self.phases.read_us = self.read_us.load(Ordering::Relaxed);
        Ok((self.phases, self.account, closed))
    }
}

/// Takes all of a small file into memory, so that nothing can be wrong with it later.
fn load(plan: &FilePlan, io: &mut dyn ChunkIo) -> Result<Box<dyn PinnedSource>, Error> {
    let mut source = io.open_source(&plan.uri, &plan.etag)?;
    let mut bytes = vec![0; plan.size as usize];
    let filled = read_full(source.as_mut(), 0, &mut bytes)?;
    source.check_unchanged()?;
    if filled < bytes.len() {
        let message = format!("{} had {} bytes when it was planned, {filled} could be read", plan.uri, bytes.len());
        return Err(Error::new("INPUT_CHANGED", message));
    }
    Ok(Box::new(MemorySource::whole(bytes.into())))
}

/// A producer that says how many records a chunk holds is told when it holds others.
fn check_promised(key: &str, promised: Option<u64>, read: u64) -> Result<(), Error> {
    match promised {
        Some(records) if records != read => {
            Err(Error::new("INPUT_COUNT_MISMATCH", format!("chunk {key}: its producer said {records} records, {read} were read")))
        }
        _ => Ok(()),
    }
}

/// The stream of a payload and where it ends. A compressed one is decoded once to know.
fn open_payload_stream(pins: &InputPins, source: &Watched) -> Result<(Box<dyn ByteSource>, u64), Error> {
    let Some(compression) = Compression::from_name(&pins.compression) else { return Ok((Box::new(source.clone()), source.size())) };
    let limit = Some(InflationLimit::of_ratio(pins.max_inflation));
    let mut stream = DecodedSource::open(Box::new(source.clone()), compression, Restart::default(), limit)?;
    let end = measure(&mut stream)?;
    Ok((Box::new(stream), end))
}

fn rest_reject(plan: &FilePlan, chunk: &RangeChunk, cut: &StreamCut, head: Vec<u8>) -> Result<Reject, Error> {
    let code = match cut.code.as_str() {
        "INPUT_TRUNCATED" => "INPUT_TRUNCATED",
        "INPUT_CORRUPT" => "INPUT_CORRUPT",
        other => return Err(Error::new("PLAN_CONFLICT", format!("a stream is not cut for {other}"))),
    };
    // The plan counts this reject as the last record of its chunk.
    let line = chunk.line + chunk.lines;
    let place = Place { file: plan.file, record: chunk.record + chunk.records - 1, line, byte: cut.end, byte_end: cut.decoded_end };
    let message = format!("{}; compressed bytes {} to {} are not used", cut.message, cut.compressed_start, plan.size);
    let error = RejectError {
        code,
        column: None,
        column_index: None,
        path: None,
        byte: cut.decoded_end,
        line,
        message,
        expected: None,
        value: None,
    };
    let raw_truncated = (head.len() as u64) < cut.decoded_end - cut.end;
    Ok(Reject { place, errors: vec![error], raw: head, raw_truncated })
}

fn open_losers(task: &ChunkTask<'_>, io: &dyn ChunkIo, cx: &Context<'_>) -> Result<Option<Losers>, Error> {
    let Uniqueness::Losers(keys, slices) = &task.uniqueness else { return Ok(None) };
    let schema = with_order(&loser_exchange(1).columns);
    let rows = MergedSlices::new(schema, slices.clone(), io.work_opener()?, cx.cancel.clone());
    Ok(Some(Losers::new(keys.clone(), rows)))
}

/// Adds to each row the place it came from: file, record, and its number among the rows of that record.
fn place_rows(fates: &Fates, places: &[Place], (file, first_record): (u32, u64), schema: &SchemaRef) -> Result<RecordBatch, Error> {
    let rows = fates.rows.num_rows();
    let is_one_by_one = |origin: &Vec<u32>| (0u32..).zip(origin).all(|(row, origin)| row == *origin);
    if rows == places.len() && fates.origin.as_ref().is_none_or(is_one_by_one) {
        let records = places.iter().map(|place| first_record + place.record).collect();
        return add_order(schema, &fates.rows, vec![file; rows], records, vec![0; rows]);
    }
    let (mut records, mut ordinals) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut previous = None;
    for row in 0..rows {
        let origin = fates.origin.as_ref().map_or(row, |origin| origin[row] as usize);
        let ordinal = if previous == Some(origin) { ordinals.last().copied().unwrap_or(0) + 1 } else { 0u32 };
        records.push(first_record + places[origin].record);
        ordinals.push(ordinal);
        previous = Some(origin);
    }
    add_order(schema, &fates.rows, vec![file; rows], records, ordinals)
}

/// Where the last record of a turn ends.
fn end_of(read: &Read) -> Option<u64> {
    let row = read.batch.places.last().map(|place| place.byte_end);
    row.max(read.rejects.last().map(|reject| reject.place.byte_end))
}

/// The largest file of a group as it lies in its store.
fn largest_loaded(task: &ChunkTask<'_>) -> u64 {
    match task.chunk {
        ChunkEntry::Files(_) => task.segment.files.iter().map(|plan| plan.size).max().unwrap_or(0),
        _ => 0,
    }
}

/// Records of a chunk that nobody planned are chosen by their number.
fn chosen_of(task: &ChunkTask<'_>) -> Option<Chosen> {
    match task.chunk {
        ChunkEntry::Inline(_) | ChunkEntry::Given(_) => Chosen::new(task.range, &task.excluded),
        _ => None,
    }
}

/// Bytes of the chunk, or of the part of a trial where they are known.
fn expected_bytes(task: &ChunkTask<'_>) -> u64 {
    match (task.chunk, task.range) {
        (ChunkEntry::Range(_) | ChunkEntry::Files(_), Some(range)) => range.end.saturating_sub(range.start),
        _ => task.chunk.bytes(),
    }
}

fn read_options(task: &ChunkTask<'_>) -> ReadOptions {
    let normal = ReadOptions { batch_records: MAX_BATCH_RECORDS, batch_bytes: MAX_BATCH_BYTES };
    match (task.trace, task.less_memory) {
        (Trace::Record, _) => ReadOptions { batch_records: 1, ..normal },
        (_, true) => ReadOptions { batch_records: LESS_BATCH_RECORDS, batch_bytes: MAX_BATCH_BYTES / 4 },
        _ => normal,
    }
}

fn output_options(task: &ChunkTask<'_>) -> OutputOptions {
    let mut options = task.spec.output.options.clone();
    if task.less_memory {
        options.parquet.row_group_size = (options.parquet.row_group_size / 4).max(1 << 20);
    }
    options
}

/// What the writers hold of rows before these reach their sinks.
fn output_bytes(output: &OutputOptions) -> u64 {
    if output.partition_by.is_empty() { output.parquet.row_group_size } else { SHARED_BYTES + GATHERED_BYTES }
}

/// A range begins at the first data byte or right behind a line end; anything else was not planned from these bytes.
fn check_start(pins: &InputPins, plan: &FilePlan, start: u64, source: &mut dyn ByteSource) -> Result<(), Error> {
    // Where decoding starts right at the range, nothing can be read before it; of converted text a byte says nothing.
    if start == plan.data_start || start <= source.first_offset() || !shows_structure(&pins.encoding) {
        return Ok(());
    }
    let written = pins.dialect.as_ref().and_then(|dialect| dialect.line_terminator.as_deref()).filter(|text| !text.is_empty());
    let mut before = [0];
    let found = start > plan.data_start && source.read_at(start - 1, &mut before)? == 1;
    let fits = match (pins.format, written) {
        (Format::Csv, Some(terminator)) => terminator.as_bytes().last() == Some(&before[0]) || matches!(before[0], b'\n' | b'\r'),
        (Format::Csv, None) => matches!(before[0], b'\n' | b'\r'),
        (Format::Ndjson | Format::Lines, _) => before[0] == b'\n',
        // An element begins behind a comma or the blanks after it.
        (Format::Json, _) => matches!(before[0], b',' | b' ' | b'\t' | b'\n' | b'\r'),
        (Format::Parquet | Format::Arrow, _) => false,
    };
    if found && fits {
        return Ok(());
    }
    Err(Error::new("PLAN_CONFLICT", format!("byte {start} of {} does not begin a record", plan.uri)))
}

/// With a pinned version a difference cannot be the data: either the plan or this reader is wrong.
fn check_plan(chunk: &RangeChunk, counts: &ReadCounts, untouched: bool) -> Result<(), Error> {
    let same = |what: &str, planned: u64, read: u64| {
        if planned == read {
            return Ok(());
        }
        Err(Error::new("PLAN_CONFLICT", format!("chunk {}: {planned} {what} were planned, {read} were read", chunk.chunk)))
    };
    same("records", chunk.records, counts.records)?;
    if !untouched {
        // Excluded bytes are not parsed, so what else lies in them cannot be told.
        return Ok(());
    }
    same("lines", chunk.lines, counts.lines)?;
    same("damages", chunk.damages, counts.damages)?;
    same("blank lines", chunk.blank_lines, counts.blank_lines)?;
    same("comment lines", chunk.comment_lines, counts.comment_lines)
}
