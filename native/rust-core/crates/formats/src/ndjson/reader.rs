//! The NDJSON reader: walks the lines of a range and closes a batch at every bound.

use arrow_schema::SchemaRef;
use millrace_scan::lines::{LineRun, skip_long_line};
use millrace_scan::{Extent, ExtentKind, LineRules, LineSplit, LineSplitter, Skip};

use super::record::JsonRules;
use super::rows::{Reuse, Rows, Window};
use crate::batch::{Read, ReadCounts, RecordReader};
use crate::error::Error;
use crate::feed::{BLOCK_BYTES, Feed};
use crate::pins::{FilePlan, InputPins};
use crate::position::{Counter, Place};
use crate::range::{Excluded, RangeEnd, check_range, exclude, excluded_reject};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::reject::{DAMAGE_KEPT_BYTES, Reject};
use crate::report::{Spot, reject_range};
use crate::source::ByteSource;

pub(crate) struct NdjsonReader {
    rules: JsonRules,
    splitter: LineSplitter,
    schema: SchemaRef,
    feed: Feed,
    counter: Counter,
    counts: ReadCounts,
    end: RangeEnd,
    options: ReadOptions,
    run: LineRun,
    reuse: Option<Box<Reuse>>,
    is_done: bool,
}

enum Stop {
    BatchEnd,
    RangeEnd,
}

impl NdjsonReader {
    pub(crate) fn open(
        pins: &InputPins,
        file: &FilePlan,
        range: ReadRange,
        excluded: &[ExcludedRange],
        source: Box<dyn ByteSource>,
        options: ReadOptions,
    ) -> Result<NdjsonReader, Error> {
        let options = options.bounded();
        check_range(&range, excluded, source.size())?;
        Ok(NdjsonReader {
            rules: JsonRules::compile(pins)?,
            splitter: LineSplitter::new(LineRules::json(pins.max_record_bytes)),
            schema: pins.schema.arrow_schema(),
            feed: Feed::new(source, range.start, range.end, BLOCK_BYTES.min(options.batch_bytes as usize)),
            counter: Counter { file: file.file, record: range.record, line: range.line },
            counts: ReadCounts::default(),
            end: RangeEnd::new(range.end, excluded),
            options,
            run: LineRun::new(),
            reuse: None,
            is_done: false,
        })
    }

    fn turn(&mut self, reuse: &mut Reuse) -> Result<Option<Read>, Error> {
        let mut open = Rows::new(&self.rules, reuse);
        self.is_done = matches!(self.gather(&mut open)?, Stop::RangeEnd);
        if self.is_done && open.is_empty() {
            return Ok(None);
        }
        let window = Window { bytes: self.feed.window(), start: self.feed.window_start() };
        open.finish(&self.rules, &self.schema, &window, &mut self.counts).map(Some)
    }

    /// Fills `open` up to a bound. Rows of one batch never lie in two windows.
    fn gather(&mut self, open: &mut Rows<'_>) -> Result<Stop, Error> {
        let batch_end = self.feed.position() + self.options.batch_bytes;
        loop {
            let room = self.options.batch_records.saturating_sub(open.places.len() + open.rejects.len());
            if room == 0 {
                return Ok(Stop::BatchEnd);
            }
            if let Some(excluded) = self.end.excluded_at(self.feed.position()) {
                if !open.places.is_empty() {
                    return Ok(Stop::BatchEnd);
                }
                self.pass_excluded(excluded, open)?;
                continue;
            }
            let stop = self.end.stop();
            let (rest, position) = (self.feed.rest(), self.feed.position());
            if position >= batch_end && position < stop {
                return Ok(Stop::BatchEnd);
            }
            match self.splitter.next(rest, self.feed.at_end(), position, stop.min(batch_end), room, &mut self.run) {
                LineSplit::Run => self.take_run(open),
                LineSplit::Extent(extent) => self.take_extent(&extent, open),
                LineSplit::Done if position >= self.end.end() || (rest.is_empty() && self.feed.at_end()) => return Ok(Stop::RangeEnd),
                LineSplit::Done => {}
                LineSplit::NeedMore | LineSplit::LongLine(_) if !open.places.is_empty() => return Ok(Stop::BatchEnd),
                LineSplit::LongLine(extent) => self.pass_long_line(extent, open)?,
                LineSplit::NeedMore => self.feed.more()?,
            }
        }
    }

    fn take_run(&mut self, open: &mut Rows<'_>) {
        let run = std::mem::take(&mut self.run);
        self.counts.records += run.ends().len() as u64;
        self.counts.lines += run.lines();
        let mut odd = run.odd_lines().iter().peekable();
        let mut start = 0;
        for (index, &end) in run.ends().iter().enumerate() {
            let lines = odd.next_if(|(at, _)| *at as usize == index).map_or(1, |&(_, lines)| u64::from(lines));
            let length = (end - start) as usize;
            self.take_line(length, lines, open);
            start = end;
        }
        self.run = run;
    }

    fn take_line(&mut self, length: usize, lines: u64, open: &mut Rows<'_>) {
        let place = self.counter.take(self.feed.position(), length as u64, lines);
        let raw = &self.feed.rest()[..length];
        open.take(&self.rules, raw, self.feed.at(), place, &mut self.counts);
        self.feed.advance(length);
    }

    fn take_extent(&mut self, extent: &Extent, open: &mut Rows<'_>) {
        let byte = self.feed.position();
        self.counts.lines += extent.lines;
        if let ExtentKind::Damage { error_offset, .. } = extent.kind {
            let raw = &self.feed.rest()[..extent.length as usize];
            self.counts.damage(extent.length, extent.lines);
            let place = self.counter.take(byte, extent.length, extent.lines);
            open.rejects.push(too_large(place, error_offset, raw, self.rules.max_record_bytes));
        } else if extent.kind == ExtentKind::Record {
            self.counts.records += 1;
            return self.take_line(extent.length as usize, extent.lines, open);
        } else {
            self.counts.blank_lines += 1;
            self.counter.line += extent.lines;
        }
        self.feed.advance(extent.length as usize);
    }

    /// Passes a line over the limit without holding it; its beginning is kept.
    fn pass_long_line(&mut self, extent: Extent, open: &mut Rows<'_>) -> Result<(), Error> {
        let mut extent = extent;
        let byte = self.feed.position();
        let mut head = self.feed.rest()[..(extent.length as usize).min(DAMAGE_KEPT_BYTES)].to_vec();
        self.feed.advance(extent.length as usize);
        loop {
            let (length, lines, is_over) = match skip_long_line(self.feed.rest(), self.feed.at_end()) {
                Skip::End { length, lines } => (length, lines, true),
                Skip::More { length, lines } => (length, lines, false),
            };
            let wanted = (DAMAGE_KEPT_BYTES - head.len()).min(length as usize);
            head.extend_from_slice(&self.feed.rest()[..wanted]);
            extent.length += length;
            extent.lines += lines;
            self.feed.advance(length as usize);
            if is_over {
                break;
            }
            self.feed.more()?;
        }
        self.counts.lines += extent.lines;
        self.counts.damage(extent.length, extent.lines);
        let place = self.counter.take(byte, extent.length, extent.lines);
        let error_offset = byte + self.rules.max_record_bytes;
        open.rejects.push(too_large(place, error_offset, &head, self.rules.max_record_bytes));
        Ok(())
    }

    fn pass_excluded(&mut self, excluded: ExcludedRange, open: &mut Rows<'_>) -> Result<(), Error> {
        let Excluded { head, lines } = exclude(&mut self.feed, &excluded, self.rules.max_record_bytes)?;
        self.counts.records += 1;
        self.counts.lines += lines;
        let place = self.counter.take(excluded.start, excluded.end - excluded.start, lines);
        open.rejects.push(excluded_reject(place, excluded.code, &head, self.rules.max_record_bytes));
        self.end.pass(&excluded);
        Ok(())
    }
}

pub(crate) fn too_large(place: Place, error_offset: u64, raw: &[u8], max_record_bytes: u64) -> Reject {
    let spot = Spot { raw, place: &place, offset: (error_offset - place.byte) as usize, column_index: None };
    let error = spot.error("JSON_RECORD_TOO_LARGE", "a record larger than maxRecordSize".into(), None);
    reject_range(place, error, raw, max_record_bytes)
}

impl RecordReader for NdjsonReader {
    fn next(&mut self) -> Result<Option<Read>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let mut reuse = self.reuse.take().unwrap_or_else(|| Box::new(Reuse::new(&self.rules)));
        let read = self.turn(&mut reuse);
        self.reuse = Some(reuse);
        read
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}
