//! The NDJSON reader: walks the lines of a range and closes a batch at every bound.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use millrace_scan::lines::{LineRun, skip_long_line};
use millrace_scan::{Extent, ExtentKind, LineRules, LineSplit, LineSplitter, Skip};

use super::record::{JsonRules, Judge};
use crate::batch::{Batch, Read, ReadCounts, RecordReader};
use crate::column::ColumnBuilder;
use crate::error::Error;
use crate::feed::{BLOCK_BYTES, Feed};
use crate::pins::{FilePlan, InputPins};
use crate::position::{Counter, Place};
use crate::range::{Excluded, RangeEnd, check_range, exclude, excluded_reject};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::reject::{DAMAGE_KEPT_BYTES, Reject};
use crate::report::{Spot, reject, reject_range};
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
    judge: Judge,
    is_done: bool,
}

/// The rows of one batch so far.
struct Open {
    columns: Vec<ColumnBuilder>,
    places: Vec<Place>,
    rejects: Vec<Reject>,
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
            splitter: LineSplitter::new(LineRules { max_record_bytes: pins.max_record_bytes }),
            schema: pins.schema.arrow_schema(),
            feed: Feed::new(source, range.start, range.end, BLOCK_BYTES.min(options.batch_bytes as usize)),
            counter: Counter { file: file.file, record: range.record, line: range.line },
            counts: ReadCounts::default(),
            end: RangeEnd::new(range.end, excluded),
            options,
            run: LineRun::new(),
            judge: Judge::default(),
            is_done: false,
        })
    }

    /// Fills `open` up to a bound. Rows of one batch never lie in two windows.
    fn gather(&mut self, open: &mut Open) -> Result<Stop, Error> {
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

    fn take_run(&mut self, open: &mut Open) {
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

    fn take_line(&mut self, length: usize, lines: u64, open: &mut Open) {
        let place = self.counter.take(self.feed.position(), length as u64, lines);
        let raw = &self.feed.rest()[..length];
        let line = self.judge.judge(&self.rules, raw, &place);
        if self.judge.errors.is_empty() {
            for (index, (column, judged)) in open.columns.iter_mut().zip(&self.judge.judged).enumerate() {
                let text = self.judge.text(index, &line);
                column.append(judged.value, self.rules.fields[index].trimmed(text));
            }
            open.places.push(place);
            self.count_repairs();
        } else {
            open.rejects.push(reject(place, std::mem::take(&mut self.judge.errors), raw));
        }
        self.feed.advance(length);
    }

    /// One repair a record and code.
    fn count_repairs(&mut self) {
        let judge = &mut self.judge;
        judge.repairs.extend(judge.judged.iter().filter_map(|judged| judged.repair));
        if judge.repairs.is_empty() {
            return;
        }
        judge.repairs.sort_unstable();
        judge.repairs.dedup();
        for code in &judge.repairs {
            *self.counts.repairs.entry(code).or_default() += 1;
        }
    }

    fn take_extent(&mut self, extent: &Extent, open: &mut Open) {
        let byte = self.feed.position();
        self.counts.lines += extent.lines;
        if let ExtentKind::Damage { error_offset, .. } = extent.kind {
            let raw = &self.feed.rest()[..extent.length as usize];
            count_damage(&mut self.counts, extent);
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
    fn pass_long_line(&mut self, extent: Extent, open: &mut Open) -> Result<(), Error> {
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
        count_damage(&mut self.counts, &extent);
        let place = self.counter.take(byte, extent.length, extent.lines);
        let error_offset = byte + self.rules.max_record_bytes;
        open.rejects.push(too_large(place, error_offset, &head, self.rules.max_record_bytes));
        Ok(())
    }

    fn pass_excluded(&mut self, excluded: ExcludedRange, open: &mut Open) -> Result<(), Error> {
        let Excluded { head, lines } = exclude(&mut self.feed, &excluded, self.rules.max_record_bytes)?;
        self.counts.records += 1;
        self.counts.lines += lines;
        let place = self.counter.take(excluded.start, excluded.end - excluded.start, lines);
        open.rejects.push(excluded_reject(place, excluded.code, &head, self.rules.max_record_bytes));
        self.end.pass(&excluded);
        Ok(())
    }
}

fn count_damage(counts: &mut ReadCounts, extent: &Extent) {
    counts.records += 1;
    counts.damages += 1;
    counts.damaged_bytes += extent.length;
    counts.damaged_lines += extent.lines;
}

fn too_large(place: Place, error_offset: u64, raw: &[u8], max_record_bytes: u64) -> Reject {
    let spot = Spot { raw, place: &place, offset: (error_offset - place.byte) as usize, column_index: None };
    let error = spot.error("JSON_RECORD_TOO_LARGE", "a record larger than maxRecordSize".into(), None);
    reject_range(place, error, raw, max_record_bytes)
}

impl RecordReader for NdjsonReader {
    fn next(&mut self) -> Result<Option<Read>, Error> {
        if self.is_done {
            return Ok(None);
        }
        let columns = self.rules.fields.iter().map(|field| ColumnBuilder::new(&field.kind)).collect();
        let mut open = Open { columns, places: Vec::new(), rejects: Vec::new() };
        self.is_done = matches!(self.gather(&mut open)?, Stop::RangeEnd);
        if self.is_done && open.places.is_empty() && open.rejects.is_empty() {
            return Ok(None);
        }
        let columns = open.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::new("CORE_PANIC", format!("cannot build a batch: {error}")))?;
        let source = Arc::clone(self.feed.window());
        let batch = Batch { rows, places: open.places, source, source_start: self.feed.window_start() };
        Ok(Some(Read { batch, rejects: open.rejects }))
    }

    fn counts(&self) -> &ReadCounts {
        &self.counts
    }
}
