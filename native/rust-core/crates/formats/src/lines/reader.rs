//! The reader of lines and of groups of lines: walks the records of a range and closes a batch at every bound.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use millrace_scan::lines::LineRun;
use millrace_scan::{
    Division, Extent, ExtentKind, GroupRules, LineSplit, LineSplitter, Skip, Step, next_group, skip_group, skip_long_line,
};

use super::matches::Matches;
use super::rules::LinesRules;
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

pub(crate) struct LinesReader {
    rules: LinesRules,
    divider: Divider,
    schema: SchemaRef,
    feed: Feed,
    counter: Counter,
    counts: ReadCounts,
    end: RangeEnd,
    options: ReadOptions,
    run: LineRun,
    is_done: bool,
}

/// What cuts the stream into records.
enum Divider {
    Lines(LineSplitter),
    Groups(GroupRules),
}

impl Divider {
    fn of(division: &Division) -> Result<Divider, Error> {
        match division {
            Division::Lines(rules) => Ok(Divider::Lines(LineSplitter::new(*rules))),
            Division::Groups(rules) => Ok(Divider::Groups(rules.clone())),
            Division::Csv(_) => Err(Error::new("CORE_PANIC", "lines are not divided as CSV")),
        }
    }
}

enum Stop {
    BatchEnd,
    RangeEnd,
}

impl LinesReader {
    pub(crate) fn open(
        pins: &InputPins,
        file: &FilePlan,
        range: ReadRange,
        excluded: &[ExcludedRange],
        source: Box<dyn ByteSource>,
        options: ReadOptions,
    ) -> Result<LinesReader, Error> {
        let options = options.bounded();
        check_range(&range, excluded, source.size())?;
        let rules = LinesRules::compile(pins, file)?;
        Ok(LinesReader {
            divider: Divider::of(&rules.division)?,
            rules,
            schema: pins.schema.arrow_schema(),
            feed: Feed::new(source, range.start, range.end, BLOCK_BYTES.min(options.batch_bytes as usize)),
            counter: Counter { file: file.file, record: range.record, line: range.line },
            counts: ReadCounts::default(),
            end: RangeEnd::new(range.end, excluded),
            options,
            run: LineRun::new(),
            is_done: false,
        })
    }

    /// Fills `open` up to a bound. Rows of one batch never lie in two windows.
    fn gather(&mut self, open: &mut Matches) -> Result<Stop, Error> {
        let batch_end = self.feed.position() + self.options.batch_bytes;
        loop {
            let room = self.options.batch_records.saturating_sub(open.records());
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
            let position = self.feed.position();
            if position >= batch_end && position < stop {
                return Ok(Stop::BatchEnd);
            }
            match self.next(stop.min(batch_end), room) {
                LineSplit::Run => self.take_run(open),
                LineSplit::Extent(extent) => self.take_extent(&extent, open),
                LineSplit::Done if position >= self.end.end() || (self.feed.rest().is_empty() && self.feed.at_end()) => {
                    return Ok(Stop::RangeEnd);
                }
                LineSplit::Done => {}
                LineSplit::NeedMore | LineSplit::LongLine(_) if !open.places.is_empty() => return Ok(Stop::BatchEnd),
                LineSplit::LongLine(extent) => self.pass_long_record(extent, open)?,
                LineSplit::NeedMore => self.feed.more()?,
            }
        }
    }

    /// What stands at the feed's position; records that begin at or after `stop` are not taken.
    fn next(&mut self, stop: u64, room: usize) -> LineSplit {
        let (rest, at_end, position) = (self.feed.rest(), self.feed.at_end(), self.feed.position());
        match &self.divider {
            Divider::Lines(splitter) => splitter.next(rest, at_end, position, stop, room, &mut self.run),
            Divider::Groups(_) if position >= stop || (rest.is_empty() && at_end) => LineSplit::Done,
            Divider::Groups(rules) => match next_group(rest, at_end, position, rules) {
                Step::Extent(extent) => LineSplit::Extent(extent),
                Step::LongLine(extent) => LineSplit::LongLine(extent),
                Step::NeedMore => LineSplit::NeedMore,
            },
        }
    }

    fn take_run(&mut self, open: &mut Matches) {
        let run = std::mem::take(&mut self.run);
        self.counts.lines += run.lines();
        let mut odd = run.odd_lines().iter().peekable();
        let mut start = 0;
        for (index, &end) in run.ends().iter().enumerate() {
            let lines = odd.next_if(|(at, _)| *at as usize == index).map_or(1, |&(_, lines)| u64::from(lines));
            self.take_record((end - start) as usize, lines, open);
            start = end;
        }
        self.run = run;
    }

    fn take_record(&mut self, length: usize, lines: u64, open: &mut Matches) {
        self.counts.records += 1;
        let place = self.counter.take(self.feed.position(), length as u64, lines);
        open.take(&self.rules, &self.feed.rest()[..length], place);
        self.feed.advance(length);
    }

    fn take_extent(&mut self, extent: &Extent, open: &mut Matches) {
        self.counts.lines += extent.lines;
        let length = extent.length as usize;
        match extent.kind {
            ExtentKind::Record => return self.take_record(length, extent.lines, open),
            ExtentKind::Damage { error_offset, .. } => {
                self.counts.damage(extent.length, extent.lines);
                let place = self.counter.take(self.feed.position(), extent.length, extent.lines);
                open.rejects.push(too_large(place, error_offset, &self.feed.rest()[..length], self.rules.max_record_bytes));
            }
            ExtentKind::Blank | ExtentKind::Comment => {
                self.counts.blank_lines += 1;
                self.counter.line += extent.lines;
            }
        }
        self.feed.advance(length);
    }

    /// Passes a record over the limit without holding it; its beginning is kept.
    fn pass_long_record(&mut self, extent: Extent, open: &mut Matches) -> Result<(), Error> {
        let mut extent = extent;
        let byte = self.feed.position();
        let settled = &self.feed.rest()[..extent.length as usize];
        let mut head = settled[..settled.len().min(DAMAGE_KEPT_BYTES)].to_vec();
        let mut is_inside_line = settled.last() != Some(&b'\n');
        self.feed.advance(extent.length as usize);
        loop {
            let (rest, at_end) = (self.feed.rest(), self.feed.at_end());
            let skip = match &self.divider {
                Divider::Lines(_) => skip_long_line(rest, at_end),
                Divider::Groups(rules) => skip_group(rest, at_end, is_inside_line, rules),
            };
            let (length, lines, is_over) = match skip {
                Skip::End { length, lines } => (length, lines, true),
                Skip::More { length, lines } => (length, lines, false),
            };
            let passed = &rest[..length as usize];
            head.extend_from_slice(&passed[..passed.len().min(DAMAGE_KEPT_BYTES - head.len())]);
            is_inside_line = passed.last().map_or(is_inside_line, |&byte| byte != b'\n');
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
        let limit = self.rules.max_record_bytes;
        open.rejects.push(too_large(place, byte + limit, &head, limit));
        Ok(())
    }

    fn pass_excluded(&mut self, excluded: ExcludedRange, open: &mut Matches) -> Result<(), Error> {
        let Excluded { head, lines } = exclude(&mut self.feed, &excluded, self.rules.max_record_bytes)?;
        self.counts.records += 1;
        self.counts.lines += lines;
        let place = self.counter.take(excluded.start, excluded.end - excluded.start, lines);
        open.rejects.push(excluded_reject(place, excluded.code, &head, self.rules.max_record_bytes));
        self.end.pass(&excluded);
        Ok(())
    }
}

fn too_large(place: Place, error_offset: u64, raw: &[u8], max_record_bytes: u64) -> Reject {
    let spot = Spot { raw, place: &place, offset: (error_offset - place.byte) as usize, column_index: None };
    let error = spot.error("LINES_RECORD_TOO_LARGE", "a record larger than maxRecordSize".into(), None);
    reject_range(place, error, raw, max_record_bytes)
}

impl RecordReader for LinesReader {
    fn next(&mut self) -> Result<Option<Read>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let mut open = Matches::new(&self.rules);
        self.is_done = matches!(self.gather(&mut open)?, Stop::RangeEnd);
        if self.is_done && open.records() == 0 {
            return Ok(None);
        }
        let (window, start) = (Arc::clone(self.feed.window()), self.feed.window_start());
        open.finish(&self.rules, &self.schema, window, start, &mut self.counts).map(Some)
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}
