//! The reader of a JSON array: walks its elements and closes a batch at every bound.

use arrow_schema::SchemaRef;
use millrace_scan::ElementScan;
use millrace_scan::json_array::is_blank;

use super::{broken, keys_of};
use crate::batch::{Read, ReadCounts, RecordReader};
use crate::error::Error;
use crate::feed::{BLOCK_BYTES, Feed, LineCounter};
use crate::ndjson::{JsonRules, Reuse, Rows, Window, too_large};
use crate::pins::{FilePlan, InputPins};
use crate::position::Counter;
use crate::range::{Excluded, RangeEnd, check_range, exclude, excluded_reject};
use crate::read::{ExcludedRange, ReadOptions, ReadRange};
use crate::reject::DAMAGE_KEPT_BYTES;
use crate::report::count_line_ends;
use crate::source::ByteSource;

pub(crate) struct ArrayReader {
    rules: JsonRules,
    schema: SchemaRef,
    feed: Feed,
    counter: Counter,
    counts: ReadCounts,
    end: RangeEnd,
    options: ReadOptions,
    reuse: Option<Box<Reuse>>,
    /// Line ends between elements.
    gap_lines: LineCounter,
    /// An element was passed and no comma behind it.
    wants_comma: bool,
    /// Any element was passed, so behind a comma another one must come.
    has_element: bool,
    /// Nobody has scanned the array: the range is the rest of the file, and the array ends where its `]` stands.
    is_unplanned: bool,
    is_below_pointer: bool,
    /// The array's `]` is passed.
    is_closed: bool,
    is_done: bool,
}

enum Stop {
    BatchEnd,
    RangeEnd,
}

/// What stands at the feed's position.
enum Next {
    Element,
    /// The range ends.
    End,
    /// The array's `]` was passed.
    Closed,
    /// The window ends before that can be told.
    Unknown,
}

impl ArrayReader {
    pub(crate) fn open(
        pins: &InputPins,
        file: &FilePlan,
        range: ReadRange,
        excluded: &[ExcludedRange],
        source: Box<dyn ByteSource>,
        options: ReadOptions,
    ) -> Result<ArrayReader, Error> {
        let options = options.bounded();
        check_range(&range, excluded, source.size())?;
        let is_empty = file.size <= u64::from(file.bom);
        // A planned range ends at the array's bracket at the latest.
        let is_unplanned = range.end >= source.size() && !is_empty;
        Ok(ArrayReader {
            rules: JsonRules::compile(pins)?,
            schema: pins.schema.arrow_schema(),
            feed: Feed::new(source, range.start, range.end, BLOCK_BYTES.min(options.batch_bytes as usize)),
            counter: Counter { file: file.file, record: range.record, line: range.line },
            counts: ReadCounts::default(),
            end: RangeEnd::new(range.end, excluded),
            options,
            reuse: None,
            gap_lines: LineCounter::default(),
            wants_comma: false,
            has_element: range.start != file.data_start,
            is_unplanned,
            is_below_pointer: !keys_of(pins)?.is_empty(),
            is_closed: false,
            is_done: is_empty,
        })
    }

    fn turn(&mut self, reuse: &mut Reuse) -> Result<Option<Read>, Error> {
        let mut rows = Rows::new(&self.rules, reuse);
        self.is_done = matches!(self.gather(&mut rows)?, Stop::RangeEnd);
        if self.is_done && rows.is_empty() {
            return Ok(None);
        }
        let window = Window { bytes: self.feed.window(), start: self.feed.window_start() };
        rows.finish(&self.rules, &self.schema, &window, &mut self.counts).map(Some)
    }

    /// Fills `rows` up to a bound. Rows of one batch never lie in two windows.
    fn gather(&mut self, rows: &mut Rows<'_>) -> Result<Stop, Error> {
        let batch_end = self.feed.position() + self.options.batch_bytes;
        while rows.records() < self.options.batch_records {
            if self.is_closed {
                return self.pass_tail(rows);
            }
            let next = self.skip_gap()?;
            if let Some(excluded) = self.end.excluded_at(self.feed.position()) {
                if !rows.places.is_empty() {
                    return Ok(Stop::BatchEnd);
                }
                self.pass_excluded(excluded, rows)?;
                continue;
            }
            match next {
                Next::Closed => self.is_closed = true,
                Next::End => return Ok(Stop::RangeEnd),
                Next::Element if self.feed.position() >= batch_end => return Ok(Stop::BatchEnd),
                Next::Element => {
                    if let Some(stop) = self.take_element(rows)? {
                        return Ok(stop);
                    }
                }
                Next::Unknown if !rows.places.is_empty() => return Ok(Stop::BatchEnd),
                Next::Unknown => self.feed.more()?,
            }
        }
        Ok(Stop::BatchEnd)
    }

    /// Passes blanks and the comma behind an element, up to the range's end or an excluded record.
    fn skip_gap(&mut self) -> Result<Next, Error> {
        loop {
            let room = (self.end.stop() - self.feed.position().min(self.end.stop())) as usize;
            let rest = self.feed.rest();
            let rest = &rest[..rest.len().min(room)];
            let blanks = rest.iter().position(|&byte| !is_blank(byte)).unwrap_or(rest.len());
            let byte = rest.get(blanks).copied();
            let lines_before = self.gap_lines.lines;
            self.gap_lines.add(&rest[..blanks]);
            let lines = self.gap_lines.lines - lines_before;
            self.counts.lines += lines;
            self.counter.line += lines;
            self.feed.advance(blanks);
            let position = self.feed.position();
            match byte {
                None if position >= self.end.stop() && !(self.is_unplanned && self.feed.at_end()) => return Ok(Next::End),
                None if self.feed.at_end() => return Err(broken(position, "it ends before the array does")),
                None => return Ok(Next::Unknown),
                Some(b',') if self.wants_comma => {
                    self.feed.advance(1);
                    self.wants_comma = false;
                    self.gap_lines = LineCounter::default();
                }
                Some(b']') if self.is_unplanned && (self.wants_comma || !self.has_element) => {
                    self.feed.advance(1);
                    return Ok(Next::Closed);
                }
                Some(_) if self.wants_comma => return Err(broken(position, "expected a comma or the end of the array behind an element")),
                Some(b',' | b']' | b'}') => return Err(broken(position, "expected an element")),
                Some(_) => return Ok(Next::Element),
            }
        }
    }

    /// Behind the array only blanks may follow, or the rest of what stands around it.
    fn pass_tail(&mut self, rows: &Rows<'_>) -> Result<Stop, Error> {
        loop {
            let rest = self.feed.rest();
            let extra = rest.iter().position(|&byte| !is_blank(byte)).filter(|_| !self.is_below_pointer);
            if let Some(extra) = extra {
                return Err(broken(self.feed.position() + extra as u64, "expected nothing behind the array"));
            }
            self.feed.advance(rest.len());
            if self.feed.at_end() {
                return Ok(Stop::RangeEnd);
            }
            if !rows.places.is_empty() {
                return Ok(Stop::BatchEnd);
            }
            self.feed.more()?;
        }
    }

    /// Takes the element at the feed's position, or says why the batch ends before it.
    fn take_element(&mut self, rows: &mut Rows<'_>) -> Result<Option<Stop>, Error> {
        let (mut scan, mut scanned) = (ElementScan::default(), 0);
        let length = loop {
            match scan.take(&self.feed.rest()[scanned..]) {
                Some(length) => break scanned + length,
                None => scanned = self.feed.rest().len(),
            }
            if self.feed.at_end() && scan.may_end_with_stream() {
                break scanned;
            }
            if !rows.places.is_empty() {
                return Ok(Some(Stop::BatchEnd));
            }
            if self.feed.at_end() {
                return Err(broken(self.feed.position() + scanned as u64, "it ends inside an element"));
            }
            if scanned as u64 > self.rules.max_record_bytes {
                self.pass_long_element(scan, rows)?;
                return Ok(None);
            }
            self.feed.more()?;
        };
        let raw = &self.feed.rest()[..length];
        let lines = count_line_ends(raw);
        let place = self.counter.take(self.feed.position(), length as u64, lines);
        self.counts.lines += lines;
        if length as u64 > self.rules.max_record_bytes {
            self.counts.damage(length as u64, lines);
            rows.rejects.push(too_large(place, place.byte + self.rules.max_record_bytes, raw, self.rules.max_record_bytes));
        } else {
            self.counts.records += 1;
            rows.take(&self.rules, raw, self.feed.at(), place, &mut self.counts);
        }
        self.feed.advance(length);
        self.pass_element();
        Ok(None)
    }

    fn pass_element(&mut self) {
        self.wants_comma = true;
        self.has_element = true;
        self.gap_lines = LineCounter::default();
    }

    /// Passes an element over the limit without holding it; `scan` has seen all of the window. Its beginning is kept.
    fn pass_long_element(&mut self, mut scan: ElementScan, rows: &mut Rows<'_>) -> Result<(), Error> {
        let byte = self.feed.position();
        let mut lines = LineCounter::default();
        let mut head = self.feed.rest()[..self.feed.rest().len().min(DAMAGE_KEPT_BYTES)].to_vec();
        lines.add(self.feed.rest());
        self.feed.advance(self.feed.rest().len());
        loop {
            if self.feed.at_end() && !scan.may_end_with_stream() {
                return Err(broken(self.feed.position(), "it ends inside an element"));
            }
            self.feed.more()?;
            let rest = self.feed.rest();
            let end = scan.take(rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            lines.add(piece);
            head.extend_from_slice(&piece[..piece.len().min(DAMAGE_KEPT_BYTES - head.len())]);
            let passed = piece.len();
            self.feed.advance(passed);
            if end.is_some() || (self.feed.at_end() && scan.may_end_with_stream()) {
                break;
            }
        }
        let length = self.feed.position() - byte;
        self.counts.lines += lines.lines;
        self.counts.damage(length, lines.lines);
        let place = self.counter.take(byte, length, lines.lines);
        rows.rejects.push(too_large(place, byte + self.rules.max_record_bytes, &head, self.rules.max_record_bytes));
        self.pass_element();
        Ok(())
    }

    fn pass_excluded(&mut self, excluded: ExcludedRange, rows: &mut Rows<'_>) -> Result<(), Error> {
        let Excluded { head, lines } = exclude(&mut self.feed, &excluded, self.rules.max_record_bytes)?;
        self.counts.records += 1;
        self.counts.lines += lines;
        let place = self.counter.take(excluded.start, excluded.end - excluded.start, lines);
        rows.rejects.push(excluded_reject(place, excluded.code, &head, self.rules.max_record_bytes));
        self.end.pass(&excluded);
        // The comma behind the element lies in the range, and so do blanks before the next one.
        self.pass_element();
        self.wants_comma = false;
        Ok(())
    }
}

impl RecordReader for ArrayReader {
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
