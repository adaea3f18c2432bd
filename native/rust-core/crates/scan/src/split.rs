//! Reading: a window of bytes into runs of proven records with their separator index, and into single extents for all the rest.

use std::sync::Arc;

use crate::dialect::Rules;
use crate::extent::{Extent, ExtentKind, Step, has_fitting_inner_line, next_extent};
use crate::fast::{FastRules, Flow, OpenRecord, Proven, Sink, Span, scan};
use crate::masks::{Kernel, Simd};
use crate::tokenize::{Mark, Run};

/// What a `Splitter` found at the window's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The run was filled: records of A fields without errors. It covers `Run::length` bytes.
    Run,
    /// A record with another number of fields or with errors, a damage, a blank line, a comment. For records: `fields_of`.
    Extent(Extent),
    /// See `Step::LongLine`; `skip_line` reads it on.
    LongLine(Extent),
    /// Give a longer window: at least twice as long, so that the work stays linear.
    NeedMore,
    /// The window begins at or after `stop`, or at the end of the stream.
    Done,
}

/// Divides CSV for reading. Holds no state between calls: what it finds depends on the bytes and the rules alone, where a run ends
/// also on window and `max_records`.
#[derive(Clone, Debug)]
pub struct Splitter {
    rules: Arc<Rules>,
    fast: Option<FastRules>,
    kernel: Kernel,
}

impl Splitter {
    pub fn new(rules: Arc<Rules>) -> Splitter {
        Splitter::with_kernel(rules, Kernel::best())
    }

    pub fn with_kernel(rules: Arc<Rules>, kernel: Kernel) -> Splitter {
        Splitter { fast: FastRules::of(&rules), rules, kernel }
    }

    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Finds what stands at the window's first byte, which is an extent start at `stream_offset`. Extents that start at or after
    /// the stream offset `stop` are not taken (`u64::MAX`: read to the end); a run holds at most `max_records`.
    pub fn next(&self, window: &[u8], at_end: bool, stream_offset: u64, stop: u64, max_records: usize, run: &mut Run) -> Split {
        run.clear(self.rules.columns, self.rules.dialect.skip_initial_space);
        if stream_offset >= stop || (window.is_empty() && at_end) {
            return Split::Done;
        }
        let (window, at_end) = addressable(window, at_end);
        if let Some(fast) = self.fast {
            let stop = usize::try_from(stop - stream_offset).unwrap_or(usize::MAX);
            let span = Span { window, at_end, offset: stream_offset, rules: &self.rules, fast };
            let mut sink = RunSink { run, span, stop, max_records, single: None };
            scan(self.kernel, span, &mut sink);
            let single = sink.single;
            run.finish();
            if run.records() > 0 {
                return Split::Run;
            }
            if let Some(extent) = single {
                return Split::Extent(extent);
            }
        }
        match next_extent(window, at_end, stream_offset, &self.rules) {
            Step::Extent(extent) => Split::Extent(extent),
            Step::LongLine(extent) => Split::LongLine(extent),
            Step::NeedMore => Split::NeedMore,
        }
    }
}

/// As much of the window as 32-bit offsets reach.
pub(crate) fn addressable(window: &[u8], at_end: bool) -> (&[u8], bool) {
    const REACH: usize = (u32::MAX - 64) as usize;
    if window.len() > REACH { (&window[..REACH], false) } else { (window, at_end) }
}

struct RunSink<'a, 'r> {
    run: &'r mut Run,
    span: Span<'a>,
    stop: usize,
    max_records: usize,
    /// The first extent, where it is proven but not part of a run.
    single: Option<Extent>,
}

impl Sink for RunSink<'_, '_> {
    const WANTS_SEPARATORS: bool = true;

    #[inline(always)]
    fn bulk_before(&self) -> usize {
        0
    }

    #[inline(always)]
    fn bulk(&mut self, _records: u64, _blanks: u64) {}

    #[inline(always)]
    fn separators<S: Simd>(&mut self, simd: S, base: usize, separators: u64, quoted: u64, escaped: u64) {
        self.run.push_separators(simd, base as u32, separators);
        self.run.mark(Mark::Quoted, quoted, separators);
        self.run.mark(Mark::Escaped, escaped, separators);
    }

    #[inline(always)]
    fn block_until(&self, from: usize) -> usize {
        // A record that is not blank has at least two bytes.
        let records = self.max_records.saturating_sub(self.run.record_ends.len() + 2);
        let until = from.saturating_add(records.saturating_mul(2)).min(self.stop.saturating_sub(1));
        if self.run.columns == 0 { from } else { until }
    }

    #[inline(always)]
    fn begin_block(&self) -> usize {
        self.run.separators
    }

    #[inline(always)]
    fn end_block(&mut self, begun: usize, lines: usize) -> Option<OpenRecord> {
        match self.run.take_lines(self.span.window, lines) {
            Some(start) => Some(OpenRecord { start, delimiters: self.run.open_separators() }),
            None => {
                self.run.separators = begun;
                None
            }
        }
    }

    #[inline(always)]
    fn record(&mut self, record: Proven) -> Flow {
        if record.is_blank || record.fields != self.run.columns {
            return self.leave(record);
        }
        if (record.is_several_lines || record.lines != 1) && !self.note_lines(record) {
            return Flow::StopBefore;
        }
        self.run.record_ends.push(record.end as u32);
        if record.end >= self.stop || self.run.record_ends.len() >= self.max_records { Flow::StopBehind } else { Flow::Go }
    }
}

impl RunSink<'_, '_> {
    /// Ends the run before a record that does not belong to one.
    #[inline(never)]
    fn leave(&mut self, record: Proven) -> Flow {
        if self.run.record_ends.is_empty() {
            self.single = Some(Extent {
                kind: if record.is_blank { ExtentKind::Blank } else { ExtentKind::Record },
                length: (record.end - record.start) as u64,
                lines: record.lines,
                fields: if record.is_blank { 0 } else { record.fields as u32 },
                first_error: None,
                suspect: false,
                literal: false,
            });
        }
        Flow::StopBefore
    }

    /// False if the window is too short to say whether the record is suspect.
    #[inline(never)]
    fn note_lines(&mut self, record: Proven) -> bool {
        let index = self.run.record_ends.len() as u32;
        if record.is_several_lines && self.span.rules.mark_suspects {
            let Span { window, at_end, offset, rules, .. } = self.span;
            match has_fitting_inner_line(window, at_end, offset, rules, record.start, record.end) {
                Some(true) => self.run.suspects.push(index),
                Some(false) => {}
                None => return false,
            }
        }
        if record.lines != 1 {
            self.run.odd_lines.push((index, u32::try_from(record.lines).unwrap_or(u32::MAX)));
        }
        true
    }
}
