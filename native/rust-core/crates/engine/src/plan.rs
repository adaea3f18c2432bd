//! Files to plan segments: each file is walked once, its exact ranges become chunks, segments are put by put-if-absent.
//!
//! Chunks depend on the bytes and the pins alone, so two planners put the same chunks; only where a segment is cut may differ. What stands in
//! the journal is therefore continued from its end, and anything that contradicts it is `PLAN_CONFLICT`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use millrace_formats::decompress::Compression;
use millrace_formats::pins::{FilePlan, InputPins};
use millrace_formats::read::{FileTotals, PlannedRange, PlannedRows, plan_file, plan_rows, plan_scan};

use crate::cancel::CancelFlag;
use crate::error::Error;
use crate::hex::{Sha256Hex, sha256_hex};
use crate::io::{PinnedSource, PutEnd};
use crate::plan_compressed::Decoding;
use crate::plan_group::{Group, SmallFile, chunk_of, file_record_bytes, is_small};
use crate::progress::{Phase, Progress};
use crate::records::{self, ChunkEntry, DecodeFrom, EndedFile, InputFile, PinsOf, PlannedPart, RangeChunk, RecordHead, RowsChunk, Segment};

/// A segment is put when it holds this many chunks, or when `PlanIo::is_due` says that it has waited long enough.
pub const MAX_SEGMENT_CHUNKS: usize = 1_000;
/// Bytes read at once for a digest.
const DIGEST_BYTES: usize = 1 << 20;
/// Files with very many columns fill a record long before their chunks do; it must stay below 8 MiB.
pub(crate) const MAX_SEGMENT_FILE_BYTES: usize = 4 << 20;

/// The outside of planning.
pub trait PlanIo {
    fn open_source(&mut self, file: &InputFile) -> Result<Box<dyn PinnedSource>, Error>;
    /// The segment with this number of this generation as stored, if it exists.
    fn read_segment(&mut self, generation: u32, segment: u32) -> Result<Option<Vec<u8>>, Error>;
    fn put_segment(&mut self, segment: u32, bytes: &[u8]) -> Result<PutEnd, Error>;
    /// Puts a piece of the decoded stream of a file.
    fn put_staged(&mut self, file: u32, piece: u64, bytes: &[u8]) -> Result<PutEnd, Error>;
    /// A segment is durable: the host tells the ledger.
    fn announce(&mut self, segment: &SegmentRef) -> Result<(), Error>;
    /// Whether a segment that is begun has waited long enough. `announce` starts the wait anew.
    fn is_due(&mut self) -> bool;
}

/// A durable segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    pub segment: u32,
    pub stage: String,
    pub digest: String,
    pub first_chunk: u32,
    pub chunk_count: u16,
    /// Stored bytes that its chunks cover.
    pub bytes: u64,
}

/// What to plan.
pub struct PlanTask<'a> {
    pub job_id: &'a str,
    pub stage: &'a str,
    pub generation: u32,
    pub spec_digest: &'a str,
    pub pins_digest: &'a str,
    pub pins: PinsOf<'a>,
    pub chunk_size: u64,
    /// In order.
    pub files: &'a [InputFile],
    pub first_segment: u32,
    pub first_chunk: u32,
}

/// A file that cannot be planned, and why. The others are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplannable {
    pub file: u32,
    pub code: &'static str,
    pub message: String,
}

/// Sums over everything this request planned or found planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanEnd {
    pub segments: u32,
    pub chunks: u32,
    pub bytes: u64,
    pub records: u64,
    pub lines: u64,
    pub damages: u64,
    pub unplannable: Vec<Unplannable>,
    pub cancelled: bool,
}

/// Plans the files of `task` in order.
pub fn plan_files(task: &PlanTask<'_>, io: &mut dyn PlanIo, cancel: &CancelFlag, progress: &Progress) -> Result<PlanEnd, Error> {
    let mut planner = Planner::new(task);
    planner.recall_earlier(io)?;
    planner.adopt_existing(io)?;
    progress.expect_bytes(task.files.iter().map(|file| file.size).sum());
    let mut bytes_done = 0;
    for file in task.files {
        progress.enter(Phase::Read);
        progress.count_bytes(bytes_done);
        progress.count_records(planner.end.records);
        if cancel.is_set() {
            planner.end.cancelled = true;
            break;
        }
        if !planner.is_planned(file.file) {
            match planner.plan_one(file, io, cancel) {
                Ok(()) => {}
                Err(error) if error.is_cancelled() => {
                    planner.end.cancelled = true;
                    break;
                }
                Err(error) if is_of_the_file(error.code) => planner.give_up(file, error)?,
                Err(error) => return Err(error),
            }
        }
        bytes_done += file.size;
    }
    planner.finish(io)
}

/// Codes that a file brings upon itself: the job goes on without it. All others end the request.
fn is_of_the_file(code: &str) -> bool {
    const EXACT: [&str; 5] = ["CSV_HEADER_MISSING", "ENCODING_MISMATCH", "OVER_LIMIT", "JSON_ARRAY_BROKEN", "JSON_ARRAY_MISSING"];
    ["INPUT_", "SCHEMA_", "PARQUET_", "ARROW_"].iter().any(|family| code.starts_with(family)) || EXACT.contains(&code)
}

struct Planner<'a> {
    task: &'a PlanTask<'a>,
    next_segment: u32,
    next_chunk: u32,
    /// Chunks that stand in the journal already and must be met again, by file, in order.
    standing: BTreeMap<u32, VecDeque<ChunkEntry>>,
    /// Files whose end stands in the journal.
    ended: HashMap<u32, EndedFile>,
    group: Group,
    pending: Pending,
    end: PlanEnd,
}

/// A small file that was read to its end.
struct Small {
    plan: FilePlan,
    ranges: Vec<(PlannedRange, Option<DecodeFrom>)>,
    totals: FileTotals,
}

/// The segment that is being filled.
#[derive(Default)]
struct Pending {
    files: Vec<FilePlan>,
    chunks: Vec<ChunkEntry>,
    ended: Vec<EndedFile>,
    file_bytes: usize,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.ended.is_empty()
    }

    fn is_full(&self) -> bool {
        self.chunks.len() >= MAX_SEGMENT_CHUNKS || self.ended.len() >= MAX_SEGMENT_CHUNKS || self.file_bytes >= MAX_SEGMENT_FILE_BYTES
    }

    fn name_file(&mut self, plan: &FilePlan) {
        if self.files.last().is_none_or(|last| last.file != plan.file) {
            self.file_bytes += file_record_bytes(plan);
            self.files.push(plan.clone());
        }
    }
}

impl<'a> Planner<'a> {
    fn new(task: &'a PlanTask<'a>) -> Planner<'a> {
        Planner {
            task,
            next_segment: task.first_segment,
            next_chunk: task.first_chunk,
            standing: BTreeMap::new(),
            ended: HashMap::new(),
            group: Group::default(),
            pending: Pending::default(),
            end: PlanEnd::default(),
        }
    }

    /// What was put before this request, by another request of this generation or in an earlier one: a chunk that stands anywhere must never
    /// be planned again under another number. It is counted where it stands.
    fn recall_earlier(&mut self, io: &mut dyn PlanIo) -> Result<(), Error> {
        let wanted: BTreeSet<u32> = self.task.files.iter().map(|file| file.file).collect();
        let mut found: BTreeMap<(u32, u64), ChunkEntry> = BTreeMap::new();
        for generation in 1..=self.task.generation {
            let end = if generation == self.task.generation { self.task.first_segment } else { u32::MAX };
            for number in 0..end {
                let Some(bytes) = io.read_segment(generation, number)? else { break };
                let head: RecordHead = records::parse("plan segment", &bytes)?;
                if head.record != "segment" {
                    break;
                }
                let segment: Segment = records::parse("plan segment", &bytes)?;
                for chunk in &segment.chunks {
                    // The files of a group end in its segment, so they are never planned again.
                    if let Some(part) = chunk.planned().filter(|part| wanted.contains(&part.file)) {
                        found.insert((part.file, part.start), chunk.clone());
                    }
                }
                self.ended.extend(segment.ended.into_iter().filter(|ended| wanted.contains(&ended.file)).map(|ended| (ended.file, ended)));
            }
        }
        found.into_iter().for_each(|((file, _), chunk)| self.stand(file, chunk));
        Ok(())
    }

    fn stand(&mut self, file: u32, chunk: ChunkEntry) {
        self.standing.entry(file).or_default().push_back(chunk);
    }

    /// Takes up what an earlier planner has put, and tells the host of it: perhaps nobody did.
    fn adopt_existing(&mut self, io: &mut dyn PlanIo) -> Result<(), Error> {
        while let Some(bytes) = io.read_segment(self.task.generation, self.next_segment)? {
            let head: RecordHead = records::parse("plan segment", &bytes)?;
            if head.record != "segment" {
                return Ok(());
            }
            let segment = self.read_segment(&bytes)?;
            for chunk in &segment.chunks {
                if let Some(part) = chunk.planned() {
                    self.stand(part.file, chunk.clone());
                }
            }
            self.accept(&segment, &bytes, io)?;
        }
        Ok(())
    }

    /// Reads a segment that was put by somebody else. It must come from the same spec and pins and begin where ours would. It may be of another
    /// map stage: the stages of a job are planned one after another under one numbering.
    fn read_segment(&self, bytes: &[u8]) -> Result<Segment, Error> {
        let segment: Segment = records::parse("plan segment", bytes)?;
        let same = segment.spec_digest == self.task.spec_digest
            && segment.pins_digest == self.task.pins_digest
            && segment.generation == self.task.generation
            && segment.segment == self.next_segment
            && segment.first_chunk == self.next_chunk;
        if same { Ok(segment) } else { Err(conflict(format!("segment {} stands for another plan", self.next_segment))) }
    }

    /// A segment is durable, ours or another's: count it, tell the host, go on behind it.
    fn accept(&mut self, segment: &Segment, bytes: &[u8], io: &mut dyn PlanIo) -> Result<(), Error> {
        let covered: u64 = segment.chunks.iter().map(ChunkEntry::bytes).sum();
        for ended in &segment.ended {
            self.ended.insert(ended.file, ended.clone());
            self.end.lines += ended.lines;
        }
        for chunk in &segment.chunks {
            for part in parts_of(chunk)? {
                self.end.records += part.records;
                self.end.damages += part.damages;
            }
        }
        self.forget_ended_group();
        self.end.segments += 1;
        self.end.chunks += segment.chunks.len() as u32;
        self.end.bytes += covered;
        self.next_segment += 1;
        self.next_chunk += segment.chunks.len() as u32;
        io.announce(&SegmentRef {
            segment: segment.segment,
            stage: segment.stage.clone(),
            digest: sha256_hex(bytes),
            first_chunk: segment.first_chunk,
            chunk_count: segment.chunks.len() as u16,
            bytes: covered,
        })
    }

    /// All of the file stands in the journal; its chunks need not be met again.
    fn is_planned(&self, file: u32) -> bool {
        self.ended.contains_key(&file)
    }

    fn plan_one(&mut self, file: &InputFile, io: &mut dyn PlanIo, cancel: &CancelFlag) -> Result<(), Error> {
        let pins = &*self.task.pins.file(file.file, file.input)?;
        if let Some(expected) = &file.sha256 {
            // Of the file as it was sent: compressed, if it is.
            check_digest(io.open_source(file)?.as_mut(), expected, cancel)?;
        }
        if is_small(pins, file, self.task.chunk_size) && !self.standing.contains_key(&file.file) {
            return self.plan_small(pins, file, io, cancel);
        }
        self.close_group(io)?;
        let (plan, totals) = match Compression::from_name(&pins.compression) {
            None => self.plan_plain(pins, file, io, cancel)?,
            Some(compression) => self.plan_compressed(pins, compression, file, io, cancel)?,
        };
        if self.standing.get(&file.file).is_some_and(|left| !left.is_empty()) {
            return Err(conflict(format!("the journal holds more chunks of file {} than it has", file.file)));
        }
        self.end_file(&plan, &totals, io)
    }

    fn end_file(&mut self, plan: &FilePlan, totals: &FileTotals, io: &mut dyn PlanIo) -> Result<(), Error> {
        // A winner of a race may have put this file's end meanwhile.
        if !self.ended.contains_key(&plan.file) {
            self.pending.name_file(plan);
            self.pending.ended.push(ended_of(plan.file, totals));
        }
        self.put_if_full(io)
    }

    /// A file that becomes part of a group, unless more comes out of it than its size says.
    fn plan_small(&mut self, pins: &InputPins, file: &InputFile, io: &mut dyn PlanIo, cancel: &CancelFlag) -> Result<(), Error> {
        let Small { plan, mut ranges, totals } = match Compression::from_name(&pins.compression) {
            None => self.scan_small(pins, file, io, cancel)?,
            Some(compression) => {
                let decoding = Decoding { pins, compression, file, chunk_size: self.task.chunk_size, cancel };
                let decoded = decoding.decode(io)?;
                let ranges = decoded.ranges.into_iter().map(|(range, decode)| (range, Some(decode))).collect();
                Small { plan: decoded.plan, ranges, totals: decoded.totals }
            }
        };
        let fits = |(range, decode): &(PlannedRange, Option<DecodeFrom>)| {
            range.end - range.start <= self.task.chunk_size && !matches!(decode, Some(DecodeFrom::Staged { .. }))
        };
        if ranges.len() > 1 || !ranges.iter().all(fits) {
            self.close_group(io)?;
            ranges.into_iter().try_for_each(|(range, decode)| self.take(&plan, range, decode, io))?;
            return self.end_file(&plan, &totals, io);
        }
        let range = ranges.pop().map(|(range, decode)| range_chunk(&plan, range, decode));
        let small = SmallFile { plan, range, ended: ended_of(file.file, &totals) };
        if !self.group.has_room(&small, self.task.chunk_size) {
            self.close_group(io)?;
        }
        // Closing may have shown that another planner has put this file.
        if !self.ended.contains_key(&file.file) {
            self.group.push(small);
        }
        Ok(())
    }

    fn scan_small(&mut self, pins: &InputPins, file: &InputFile, io: &mut dyn PlanIo, cancel: &CancelFlag) -> Result<Small, Error> {
        let mut source = io.open_source(file)?;
        let plan = plan_file(pins, file.file, file.input, &file.uri, &file.etag, source.as_mut())?;
        let mut ranges = Vec::new();
        let mut take = |range: PlannedRange| ranges.push((range, None));
        let totals = plan_scan(pins, &plan, source.as_mut(), self.task.chunk_size, &mut take, &|| cancel.is_set())?;
        source.check_unchanged()?;
        if totals.cancelled { Err(Error::cancelled()) } else { Ok(Small { plan, ranges, totals }) }
    }

    /// Makes one chunk of the group. It and the ends of its files stand in one segment.
    fn close_group(&mut self, io: &mut dyn PlanIo) -> Result<(), Error> {
        let is_too_much = self.pending.ended.len() + self.group.files.len() > MAX_SEGMENT_CHUNKS
            || self.pending.file_bytes + self.group.record_bytes > MAX_SEGMENT_FILE_BYTES;
        while is_too_much && !self.pending.is_empty() {
            self.put(io)?;
        }
        // Putting may have shown that another planner has put some of them.
        let group = std::mem::take(&mut self.group);
        if group.files.is_empty() {
            return Ok(());
        }
        self.pending.file_bytes += group.record_bytes;
        let mut ranges = Vec::new();
        for file in group.files {
            self.pending.files.push(file.plan);
            self.pending.ended.push(file.ended);
            ranges.extend(file.range);
        }
        let chunk = self.next_chunk + self.pending.chunks.len() as u32;
        self.pending.chunks.extend(chunk_of(ranges, chunk));
        self.put_if_full(io)
    }

    /// Another planner has put files that were gathered here.
    fn forget_ended_group(&mut self) {
        let gathered = std::mem::take(&mut self.group).files;
        gathered.into_iter().filter(|file| !self.ended.contains_key(&file.ended.file)).for_each(|file| self.group.push(file));
    }

    /// A file as it lies there: its chunks go out while it is walked.
    fn plan_plain(
        &mut self,
        pins: &InputPins,
        file: &InputFile,
        io: &mut dyn PlanIo,
        cancel: &CancelFlag,
    ) -> Result<(FilePlan, FileTotals), Error> {
        let mut source = io.open_source(file)?;
        let plan = plan_file(pins, file.file, file.input, &file.uri, &file.etag, source.as_mut())?;
        let totals = if pins.format.has_rows() {
            self.cut_rows(pins, &plan, source.as_mut(), io)?
        } else {
            self.scan(pins, &plan, source.as_mut(), io, cancel)?
        };
        source.check_unchanged()?;
        if totals.cancelled { Err(Error::cancelled()) } else { Ok((plan, totals)) }
    }

    /// A compressed file: its chunks go out when all of it was decoded without a fault, because what a chunk commits cannot be taken back.
    fn plan_compressed(
        &mut self,
        pins: &InputPins,
        compression: Compression,
        file: &InputFile,
        io: &mut dyn PlanIo,
        cancel: &CancelFlag,
    ) -> Result<(FilePlan, FileTotals), Error> {
        let decoding = Decoding { pins, compression, file, chunk_size: self.task.chunk_size, cancel };
        let decoded = decoding.decode(io)?;
        for (range, decode) in decoded.ranges {
            self.take(&decoded.plan, range, Some(decode), io)?;
        }
        Ok((decoded.plan, decoded.totals))
    }

    /// A file of columns says itself where its rows lie.
    fn cut_rows(
        &mut self,
        pins: &InputPins,
        plan: &FilePlan,
        source: &mut dyn PinnedSource,
        io: &mut dyn PlanIo,
    ) -> Result<FileTotals, Error> {
        let (planned, totals) = plan_rows(pins, plan, source, self.task.chunk_size)?;
        for rows in planned {
            let PlannedRows { start, end, bytes } = rows;
            let chunk = RowsChunk { chunk: 0, file: plan.file, start, end, bytes, records: end - start };
            self.take_chunk(plan, ChunkEntry::Rows(chunk), io)?;
        }
        Ok(totals)
    }

    /// Walks the file. The first error of a put stops the walk and is what comes out.
    fn scan(
        &mut self,
        pins: &InputPins,
        plan: &FilePlan,
        source: &mut dyn PinnedSource,
        io: &mut dyn PlanIo,
        cancel: &CancelFlag,
    ) -> Result<FileTotals, Error> {
        let chunk_size = self.task.chunk_size;
        let failure = std::cell::RefCell::new(None);
        let mut take = |range: PlannedRange| {
            if failure.borrow().is_none()
                && let Err(error) = self.take(plan, range, None, io)
            {
                *failure.borrow_mut() = Some(error);
            }
        };
        let stop = || cancel.is_set() || failure.borrow().is_some();
        let totals = plan_scan(pins, plan, source, chunk_size, &mut take, &stop);
        match failure.into_inner() {
            Some(error) => Err(error),
            None => Ok(totals?),
        }
    }

    fn take(&mut self, plan: &FilePlan, range: PlannedRange, decode: Option<DecodeFrom>, io: &mut dyn PlanIo) -> Result<(), Error> {
        self.take_chunk(plan, ChunkEntry::Range(range_chunk(plan, range, decode)), io)
    }

    /// The next chunk of a file: one that stands already must be the same, another one gets the next number.
    fn take_chunk(&mut self, plan: &FilePlan, chunk: ChunkEntry, io: &mut dyn PlanIo) -> Result<(), Error> {
        if let Some(standing) = self.standing.get_mut(&plan.file).and_then(VecDeque::pop_front) {
            return meet(&standing, &chunk.renumbered(standing.number()));
        }
        let chunk = chunk.renumbered(self.next_chunk + self.pending.chunks.len() as u32);
        self.pending.name_file(plan);
        if let ChunkEntry::Range(RangeChunk { decode: Some(decode), .. }) = &chunk {
            self.pending.file_bytes += decode.record_bytes();
        }
        self.pending.chunks.push(chunk);
        self.put_if_full(io)
    }

    fn put_if_full(&mut self, io: &mut dyn PlanIo) -> Result<(), Error> {
        if !self.pending.is_empty() && (self.pending.is_full() || io.is_due()) {
            self.put(io)?;
        }
        Ok(())
    }

    fn put(&mut self, io: &mut dyn PlanIo) -> Result<(), Error> {
        let pending = std::mem::take(&mut self.pending);
        let segment = Segment {
            record: "segment".into(),
            version: 1,
            job_id: self.task.job_id.to_owned(),
            generation: self.task.generation,
            stage: self.task.stage.to_owned(),
            segment: self.next_segment,
            spec_digest: self.task.spec_digest.to_owned(),
            pins_digest: self.task.pins_digest.to_owned(),
            first_chunk: self.next_chunk,
            files: pending.files.clone(),
            chunks: pending.chunks.clone(),
            ended: pending.ended.clone(),
            losers: Vec::new(),
        };
        let bytes = records::to_bytes(&segment);
        match io.put_segment(self.next_segment, &bytes)? {
            PutEnd::Won => self.accept(&segment, &bytes, io),
            PutEnd::Lost(winner) if winner == bytes => self.accept(&segment, &bytes, io),
            PutEnd::Lost(winner) => self.follow(pending, &winner, io),
        }
    }

    /// Another planner was faster and cut elsewhere. What it put must be ours as far as it goes; what it did not reach stays pending, what it
    /// reached before us must be met again.
    fn follow(&mut self, pending: Pending, winner: &[u8], io: &mut dyn PlanIo) -> Result<(), Error> {
        let segment = self.read_segment(winner)?;
        let mut ours = pending.chunks.into_iter();
        for theirs in &segment.chunks {
            match (ours.next(), theirs.planned()) {
                (Some(own), _) => meet(theirs, &own)?,
                (None, Some(part)) => self.stand(part.file, theirs.clone()),
                // The files of a group end in its segment.
                (None, None) => {}
            }
        }
        self.accept(&segment, winner, io)?;
        for chunk in ours {
            for part in chunk.parts() {
                let plan = pending.files.iter().find(|plan| plan.file == part.file).expect("a pending chunk names its file");
                self.pending.name_file(plan);
            }
            self.pending.chunks.push(chunk);
        }
        for ended in pending.ended {
            match self.ended.get(&ended.file) {
                Some(theirs) if *theirs == ended => {}
                Some(_) => return Err(conflict(format!("another planner found another end of file {}", ended.file))),
                None => {
                    let plan = pending.files.iter().find(|plan| plan.file == ended.file).expect("a pending end names its file");
                    self.pending.name_file(plan);
                    self.pending.ended.push(ended);
                }
            }
        }
        Ok(())
    }

    /// The file is left out. Chunks of it that were put stand: each is checked again when it runs.
    fn give_up(&mut self, file: &InputFile, error: Error) -> Result<(), Error> {
        let kept = self
            .pending
            .chunks
            .iter()
            .position(|chunk| chunk.planned().is_some_and(|part| part.file == file.file))
            .unwrap_or(self.pending.chunks.len());
        self.pending.chunks.truncate(kept);
        self.pending.files.retain(|plan| plan.file != file.file);
        self.standing.remove(&file.file);
        self.end.unplannable.push(Unplannable { file: file.file, code: error.code, message: error.message });
        Ok(())
    }

    fn finish(mut self, io: &mut dyn PlanIo) -> Result<PlanEnd, Error> {
        self.close_group(io)?;
        while !self.pending.is_empty() {
            self.put(io)?;
        }
        Ok(self.end)
    }
}

/// The sender's digest of a file costs one more read of it, and only where it was given.
fn check_digest(source: &mut dyn PinnedSource, expected: &str, cancel: &CancelFlag) -> Result<(), Error> {
    let mut digest = Sha256Hex::default();
    let mut buffer = vec![0; DIGEST_BYTES];
    let mut at = 0;
    loop {
        if cancel.is_set() {
            return Err(Error::cancelled());
        }
        let got = source.read_at(at, &mut buffer)?;
        digest.update(&buffer[..got]);
        at += got as u64;
        if got < buffer.len() {
            break;
        }
    }
    let actual = digest.finish();
    if actual == expected { Ok(()) } else { Err(Error::new("INPUT_DIGEST_MISMATCH", format!("expected SHA-256 {expected}, got {actual}"))) }
}

fn meet(standing: &ChunkEntry, found: &ChunkEntry) -> Result<(), Error> {
    if standing == found {
        return Ok(());
    }
    Err(conflict(format!("chunk {} stands in the journal as {standing:?} and was found as {found:?}", standing.number())))
}

fn parts_of(chunk: &ChunkEntry) -> Result<Vec<PlannedPart>, Error> {
    let parts = chunk.parts();
    if parts.is_empty() { Err(conflict(format!("chunk {} of a planned segment is part of no file", chunk.number()))) } else { Ok(parts) }
}

/// Its number is given later.
fn range_chunk(plan: &FilePlan, range: PlannedRange, decode: Option<DecodeFrom>) -> RangeChunk {
    RangeChunk {
        chunk: 0,
        file: plan.file,
        start: range.start,
        end: range.end,
        record: range.record,
        line: range.line,
        records: range.records,
        lines: range.lines,
        damages: range.damages,
        blank_lines: range.blank_lines,
        comment_lines: range.comment_lines,
        decode,
    }
}

fn ended_of(file: u32, totals: &FileTotals) -> EndedFile {
    EndedFile {
        file,
        records: totals.records,
        lines: totals.lines,
        damages: totals.damages,
        blank_lines: totals.blank_lines,
        comment_lines: totals.comment_lines,
        bytes: totals.bytes,
    }
}

fn conflict(message: String) -> Error {
    Error::new("PLAN_CONFLICT", message)
}
