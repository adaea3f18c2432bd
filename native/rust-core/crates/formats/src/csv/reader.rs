//! The CSV reader: walks the extents of a range and closes a batch at every bound.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use millrace_scan::{DamageCode, Extent, ExtentKind, Run, Skip, Split, Splitter, skip_line};

use super::gather::Gather;
use super::rules::CsvRules;
use crate::batch::{Batch, Read, ReadCounts, RecordReader};
use crate::error::Error;
use crate::feed::{BLOCK_BYTES, Feed};
use crate::pins::{FilePlan, InputPins};
use crate::position::{Counter, Place};
use crate::range::{Excluded, RangeEnd, check_range, exclude};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::reject::{DAMAGE_KEPT_BYTES, RejectError};
use crate::report::{Spot, line_of, reject_range};
use crate::source::ByteSource;

const BLOCK_BYTES_PER_COLUMN: usize = 64;
const MAX_BLOCK_BYTES: usize = 1 << 20;

pub(crate) struct CsvReader {
    rules: CsvRules,
    splitter: Splitter,
    schema: SchemaRef,
    feed: Feed,
    counter: Counter,
    counts: ReadCounts,
    end: RangeEnd,
    options: ReadOptions,
    run: Run,
    is_done: bool,
}

/// Why gathering stopped.
enum Stop {
    /// The batch is full, or its window is used up.
    BatchEnd,
    RangeEnd,
}

impl CsvReader {
    pub(crate) fn open(
        pins: &InputPins,
        file: &FilePlan,
        range: ReadRange,
        excluded: &[ExcludedRange],
        source: Box<dyn ByteSource>,
        options: ReadOptions,
    ) -> Result<CsvReader, Error> {
        let options = options.bounded();
        check_range(&range, excluded, source.size())?;
        let rules = CsvRules::compile(pins, file)?;
        let block = block_bytes(rules.width()).min(options.batch_bytes as usize);
        Ok(CsvReader {
            splitter: Splitter::new(Arc::new(rules.scan.clone())),
            schema: pins.schema.arrow_schema(),
            rules,
            feed: Feed::new(source, range.start, range.end, block),
            counter: Counter { file: file.file, record: range.record, line: range.line },
            counts: ReadCounts::default(),
            end: RangeEnd::new(range.end, excluded),
            options,
            run: Run::new(),
            is_done: false,
        })
    }

    /// Fills `gather` up to a bound. Rows of one batch never lie in two windows.
    fn gather(&mut self, gather: &mut Gather) -> Result<Stop, Error> {
        let batch_end = self.feed.position() + self.options.batch_bytes;
        loop {
            let room = self.options.batch_records.saturating_sub(gather.places.len() + gather.rejects.len());
            if room == 0 {
                return Ok(Stop::BatchEnd);
            }
            if let Some(excluded) = self.end.excluded_at(self.feed.position()) {
                if !gather.places.is_empty() {
                    return Ok(Stop::BatchEnd);
                }
                self.pass_excluded(excluded, gather)?;
                continue;
            }
            let stop = self.end.stop();
            let (rest, position) = (self.feed.rest(), self.feed.position());
            if position >= batch_end && position < stop {
                return Ok(Stop::BatchEnd);
            }
            match self.splitter.next(rest, self.feed.at_end(), position, stop.min(batch_end), room, &mut self.run) {
                Split::Run => self.take_run(gather),
                Split::Extent(extent) => self.take_extent(&extent, gather),
                Split::Done if position >= self.end.end() || (rest.is_empty() && self.feed.at_end()) => return Ok(Stop::RangeEnd),
                Split::Done => {}
                Split::NeedMore | Split::LongLine(_) if !gather.places.is_empty() => return Ok(Stop::BatchEnd),
                Split::LongLine(extent) => self.pass_long_line(extent, gather)?,
                Split::NeedMore => self.feed.more()?,
            }
        }
    }

    fn take_run(&mut self, gather: &mut Gather) {
        self.counts.records += self.run.records() as u64;
        self.counts.lines += self.run.lines();
        let (window, base) = (self.feed.window(), self.feed.at());
        gather.push_run(&self.rules, window, base, self.feed.position(), &self.run, &mut self.counter);
        self.feed.advance(self.run.length());
    }

    fn take_extent(&mut self, extent: &Extent, gather: &mut Gather) {
        let byte = self.feed.position();
        let raw = &self.feed.rest()[..extent.length as usize];
        self.counts.lines += extent.lines;
        match extent.kind {
            ExtentKind::Comment => {
                self.counts.comment_lines += 1;
                self.counter.line += extent.lines;
            }
            ExtentKind::Blank if !self.rules.reject_blank => {
                self.counts.blank_lines += 1;
                self.counter.line += extent.lines;
            }
            ExtentKind::Blank => {
                self.counts.records += 1;
                let place = self.counter.take(byte, extent.length, extent.lines);
                let spot = Spot { raw, place: &place, offset: 0, column_index: None };
                let error = spot.error("CSV_BLANK_ROW", "a blank line".into(), None);
                gather.rejects.push(reject_range(place, error, raw, self.rules.max_record_bytes));
            }
            ExtentKind::Record => {
                self.counts.records += 1;
                let place = self.counter.take(byte, extent.length, extent.lines);
                gather.push_record(&self.rules, raw, place, extent.literal, extent.suspect);
            }
            ExtentKind::Damage { code, error_offset } => {
                let line = self.line_at(error_offset);
                let place = self.counter.take(byte, extent.length, extent.lines);
                count_damage(&mut self.counts, extent);
                gather.rejects.push(damage(place, code, (error_offset, line), raw, self.rules.max_record_bytes));
            }
        }
        self.feed.advance(extent.length as usize);
    }

    /// The physical line of a byte of the stream at or behind the position. An error may lie behind the damage that it proves.
    fn line_at(&self, byte: u64) -> u64 {
        line_of(self.feed.rest(), (byte - self.feed.position()) as usize, self.counter.line)
    }

    /// Passes a damage or comment whose end is not in sight, without holding it. Of a damage the beginning is kept.
    fn pass_long_line(&mut self, extent: Extent, gather: &mut Gather) -> Result<(), Error> {
        let mut extent = extent;
        let byte = self.feed.position();
        let error_line = match extent.kind {
            ExtentKind::Damage { error_offset, .. } => self.line_at(error_offset),
            _ => self.counter.line,
        };
        let mut head = self.feed.rest()[..(extent.length as usize).min(DAMAGE_KEPT_BYTES)].to_vec();
        self.feed.advance(extent.length as usize);
        loop {
            let skip = skip_line(self.feed.rest(), self.feed.at_end(), self.splitter.rules());
            let (length, lines, is_over) = match skip {
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
        if let ExtentKind::Damage { code, error_offset } = extent.kind {
            count_damage(&mut self.counts, &extent);
            let place = self.counter.take(byte, extent.length, extent.lines);
            gather.rejects.push(damage(place, code, (error_offset, error_line), &head, self.rules.max_record_bytes));
        } else {
            self.counts.comment_lines += 1;
            self.counter.line += extent.lines;
        }
        Ok(())
    }

    fn pass_excluded(&mut self, excluded: ExcludedRange, gather: &mut Gather) -> Result<(), Error> {
        let Excluded { head, lines } = exclude(&mut self.feed, &excluded, self.rules.max_record_bytes)?;
        self.counts.records += 1;
        self.counts.lines += lines;
        let place = self.counter.take(excluded.start, excluded.end - excluded.start, lines);
        gather.rejects.push(crate::range::excluded_reject(place, excluded.code, &head, self.rules.max_record_bytes));
        self.end.pass(&excluded);
        Ok(())
    }
}

/// Each batch costs something for each column, and holds no more records than a block: of wide tables blocks are larger.
fn block_bytes(columns: usize) -> usize {
    (columns * BLOCK_BYTES_PER_COLUMN).clamp(BLOCK_BYTES, MAX_BLOCK_BYTES)
}

fn count_damage(counts: &mut ReadCounts, extent: &Extent) {
    counts.records += 1;
    counts.damages += 1;
    counts.damaged_bytes += extent.length;
    counts.damaged_lines += extent.lines;
}

/// `at`: byte and line of the error.
fn damage(place: Place, code: DamageCode, at: (u64, u64), raw: &[u8], max_record_bytes: u64) -> crate::reject::Reject {
    let message = match code {
        DamageCode::UnclosedQuote => "a quoted field that does not end where its record can be read",
        DamageCode::StrayQuote => "text after a closing quote",
        DamageCode::RecordTooLarge | DamageCode::JsonRecordTooLarge | DamageCode::LinesRecordTooLarge => {
            "a record larger than maxRecordSize"
        }
    };
    let spot = Spot { raw, place: &place, offset: (at.0 - place.byte) as usize, column_index: None };
    let error = RejectError { line: at.1, ..spot.error(code.code(), message.into(), None) };
    reject_range(place, error, raw, max_record_bytes)
}

impl RecordReader for CsvReader {
    fn next(&mut self) -> Result<Option<Read>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let mut gather = Gather::default();
        self.is_done = matches!(self.gather(&mut gather)?, Stop::RangeEnd);
        if self.is_done && gather.places.is_empty() && gather.rejects.is_empty() {
            return Ok(None);
        }
        let (window, start) = (Arc::clone(self.feed.window()), self.feed.window_start());
        let finished = gather.finish(&self.rules, &self.schema, &window, start)?;
        self.counts.suspect_records += finished.suspects;
        for (_, code) in finished.repairs {
            *self.counts.repairs.entry(code).or_default() += 1;
        }
        let batch = Batch { rows: finished.rows, places: finished.places, source: window, source_start: start, file_rows: None };
        Ok(Some(Read { batch, rejects: finished.rejects }))
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}
