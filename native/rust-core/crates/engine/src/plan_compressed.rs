//! Planning a compressed file: one pass that decodes and divides it, and then the question where each chunk starts to decode.
//!
//! A file of many members is split at them. One stream that is small is one chunk; a large one is passed a second time, which puts it into the
//! journal in pieces that can be read alone.

use std::cell::RefCell;
use std::rc::Rc;

use millrace_formats::decompress::{Compression, Damage, DecodedSource, InflationLimit, Progress, Restart};
use millrace_formats::pins::{FilePlan, InputPins, StreamCut};
use millrace_formats::read::{FileTotals, PlannedRange, last_line_end, plan_file, plan_scan};
use millrace_formats::source::ByteSource;

use crate::cancel::CancelFlag;
use crate::error::Error;
use crate::plan::PlanIo;
use crate::records::{DecodeFrom, InputFile};
use crate::streams::{PIECE_BYTES, Prefix, Staging};
use crate::watch::Shared;

/// A stream of up to so many chunk sizes is read as one chunk, and a chunk starts to decode at most so far before its first byte.
const WHOLE_CHUNKS: u64 = 4;

/// What planning one compressed file needs.
pub(crate) struct Decoding<'a> {
    pub pins: &'a InputPins,
    pub compression: Compression,
    pub file: &'a InputFile,
    pub chunk_size: u64,
    pub cancel: &'a CancelFlag,
}

/// A file that was decoded to its end.
pub(crate) struct Decoded {
    pub plan: FilePlan,
    pub totals: FileTotals,
    pub ranges: Vec<(PlannedRange, DecodeFrom)>,
}

/// A file divided, with the member before each range.
struct Divided {
    plan: FilePlan,
    totals: FileTotals,
    ranges: Vec<(PlannedRange, Restart)>,
    members: u64,
}

/// A stream, and what decoding it comes upon.
type Opened = (Box<dyn ByteSource>, Rc<RefCell<Progress>>);

impl Decoding<'_> {
    pub(crate) fn decode(&self, io: &mut dyn PlanIo) -> Result<Decoded, Error> {
        match self.decode_up_to(None, io) {
            Err(Fault { error, damage: Some(damage) }) if self.pins.keep_intact_prefix => {
                let cut = self.cut_before(*damage, io)?.ok_or(error)?;
                self.decode_up_to(Some(cut), io).map_err(|fault| fault.error)
            }
            end => end.map_err(|fault| fault.error),
        }
    }

    fn decode_up_to(&self, cut: Option<StreamCut>, io: &mut dyn PlanIo) -> Result<Decoded, Fault> {
        let Some(divided) = self.divide(cut.as_ref(), io)? else { return self.stage(cut.as_ref(), io) };
        let is_small = divided.totals.bytes <= self.whole_bytes();
        let ranges = if is_small && divided.members < divided.ranges.len() as u64 {
            vec![join_all(&divided.ranges)]
        } else {
            self.join_far(divided.ranges)
        };
        let decode =
            |(range, restart): (PlannedRange, Restart)| (range, DecodeFrom::Member { offset: restart.offset, stream: restart.stream });
        let decoded =
            Decoded { plan: divided.plan, totals: divided.totals, ranges: ranges.into_iter().flat_map(|one| one.map(decode)).collect() };
        Ok(with_cut(decoded, cut))
    }

    fn whole_bytes(&self) -> u64 {
        self.chunk_size.saturating_mul(WHOLE_CHUNKS)
    }

    fn open(&self, shared: &Shared, cut: Option<&StreamCut>) -> Result<Opened, Error> {
        let limit = Some(InflationLimit::of_ratio(self.pins.max_inflation));
        let decoded = DecodedSource::open(Box::new(shared.clone()), self.compression, Restart::default(), limit)?;
        let progress = decoded.progress();
        let source: Box<dyn ByteSource> = match cut {
            Some(cut) => Box::new(Prefix { source: Box::new(decoded), end: cut.end }),
            None => Box::new(decoded),
        };
        Ok((source, progress))
    }

    fn plan_file(&self, source: &mut dyn ByteSource) -> Result<FilePlan, Error> {
        let file = self.file;
        let plan = plan_file(self.pins, file.file, file.input, &file.uri, &file.etag, source)?;
        Ok(FilePlan { size: file.size, ..plan })
    }

    /// Decodes and divides the file; none if it is one long stream.
    fn divide(&self, cut: Option<&StreamCut>, io: &mut dyn PlanIo) -> Result<Option<Divided>, Fault> {
        let shared = Shared::new(io.open_source(self.file)?);
        let (mut source, progress) = self.open(&shared, cut)?;
        let fault = |error: Error| Fault { error, damage: progress.borrow().damage.clone().map(Box::new) };
        let plan = self.plan_file(source.as_mut()).map_err(fault)?;
        let ranges = RefCell::new(Vec::new());
        let is_long = RefCell::new(false);
        let mut emit = |range: PlannedRange| {
            let restart = progress.borrow_mut().restart_before(range.start);
            ranges.borrow_mut().push((range, restart));
            // As many members as chunks, or it cannot be split at them.
            if range.end - plan.data_start > self.whole_bytes() && (progress.borrow().members as usize) < ranges.borrow().len() {
                *is_long.borrow_mut() = true;
            }
        };
        let stop = || self.cancel.is_set() || *is_long.borrow();
        let totals =
            plan_scan(self.pins, &plan, source.as_mut(), self.chunk_size, &mut emit, &stop).map_err(|error| fault(error.into()))?;
        if self.cancel.is_set() {
            return Err(Error::cancelled().into());
        }
        if *is_long.borrow() {
            return Ok(None);
        }
        shared.check_unchanged()?;
        let members = progress.borrow().members;
        Ok(Some(Divided { plan, totals, ranges: ranges.into_inner(), members }))
    }

    /// Joins each range to the one before it whose member begins so far before it that decoding would take longer than reading.
    fn join_far(&self, ranges: Vec<(PlannedRange, Restart)>) -> Vec<Option<(PlannedRange, Restart)>> {
        let mut joined: Vec<Option<(PlannedRange, Restart)>> = Vec::new();
        for (range, restart) in ranges {
            match joined.last_mut() {
                Some(Some((last, _))) if range.start - restart.stream > self.whole_bytes() => *last = last.joined(&range),
                _ => joined.push(Some((range, restart))),
            }
        }
        joined
    }

    /// Passes the file again and puts its stream into the journal.
    fn stage(&self, cut: Option<&StreamCut>, io: &mut dyn PlanIo) -> Result<Decoded, Fault> {
        let shared = Shared::new(io.open_source(self.file)?);
        let (source, progress) = self.open(&shared, cut)?;
        let mut put = |piece: u64, bytes: &[u8]| io.put_staged(self.file.file, piece, bytes);
        let mut staging = Staging::new(source, &mut put);
        let fault = |error: Error| Fault { error, damage: progress.borrow().damage.clone().map(Box::new) };
        let plan = self.plan_file(&mut staging).map_err(fault)?;
        let mut ranges = Vec::new();
        let stop = || self.cancel.is_set();
        let totals = plan_scan(self.pins, &plan, &mut staging, self.chunk_size, &mut |range| ranges.push(range), &stop)
            .map_err(|error| fault(error.into()))?;
        if self.cancel.is_set() {
            return Err(Error::cancelled().into());
        }
        let digests = staging.finish()?;
        shared.check_unchanged()?;
        let ranges = ranges.into_iter().map(|range| (range, staged(&range, &digests))).collect();
        Ok(with_cut(Decoded { plan, totals, ranges }, cut.cloned()))
    }

    /// Where the stream is cut so that no record is: behind the last line end before the damage. None if no record stands before it.
    fn cut_before(&self, damage: Damage, io: &mut dyn PlanIo) -> Result<Option<StreamCut>, Error> {
        let shared = Shared::new(io.open_source(self.file)?);
        let (source, _) = self.open(&shared, None)?;
        let mut intact = Prefix { source, end: damage.stream };
        let Some(end) = last_line_end(self.pins, &mut intact)? else { return Ok(None) };
        let cut = StreamCut {
            end,
            decoded_end: damage.stream,
            compressed_start: damage.compressed,
            code: damage.code.into(),
            message: damage.message,
        };
        let mut prefix = Prefix { source: Box::new(intact), end };
        let plan = self.plan_file(&mut prefix)?;
        Ok((plan.data_start < end).then_some(cut))
    }
}

/// An error, and the damage of the file if that is its cause.
struct Fault {
    error: Error,
    damage: Option<Box<Damage>>,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault { error, damage: None }
    }
}

/// The pieces of a range, and the one behind them for looking ahead.
fn staged(range: &PlannedRange, digests: &[String]) -> DecodeFrom {
    let first = range.start / PIECE_BYTES;
    let end = (range.end / PIECE_BYTES + 2).min(digests.len() as u64);
    DecodeFrom::Staged { piece_bytes: PIECE_BYTES, first, sha256: digests[first as usize..end as usize].to_vec() }
}

fn join_all(ranges: &[(PlannedRange, Restart)]) -> Option<(PlannedRange, Restart)> {
    let (first, restart) = ranges.first()?;
    Some((ranges[1..].iter().fold(*first, |sum, (range, _)| sum.joined(range)), *restart))
}

/// What lies behind the cut is one record more, in the last chunk.
fn with_cut(mut decoded: Decoded, cut: Option<StreamCut>) -> Decoded {
    let Some(cut) = cut else { return decoded };
    if let Some((last, _)) = decoded.ranges.last_mut() {
        last.records += 1;
        last.damages += 1;
    }
    decoded.totals.records += 1;
    decoded.totals.damages += 1;
    decoded.plan.cut = Some(cut);
    decoded
}
