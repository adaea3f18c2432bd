//! Planning: one pass over a stream that counts its extents and finds the extent starts at which chunks begin.
//!
//! Chunk k begins at the first extent start at or after `data_start + k × chunk_size`; equal anchors collapse. The plan is a
//! function of the bytes and the rules: not of block sizes, kernels or speed.

use std::sync::Arc;

use crate::dialect::Rules;
use crate::extent::{Extent, ExtentKind, Skip, Step, next_extent, skip_line};
use crate::fast::{FastRules, Flow, Halt, Proven, Reached, Sink, Span, scan};
use crate::groups::{GroupRules, next_group, skip_group};
use crate::lines::{LineRules, next_line, scan_lines, skip_long_line};
use crate::masks::{Kernel, Simd};

/// Bytes asked for at once; larger blocks fall out of the cache between reading and scanning.
pub const BLOCK: usize = 1 << 19;
/// Blocks are read to addresses of this alignment: elsewhere the kernel's copy out of the page cache takes a fifth longer.
const ALIGNMENT: usize = 64;

/// How a stream is divided.
#[derive(Clone, Debug)]
pub enum Division {
    Csv(Arc<Rules>),
    Lines(LineRules),
    Groups(GroupRules),
}

/// What was passed since `data_start`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records, damages included: a damage is one record.
    pub records: u64,
    pub damages: u64,
    pub blank_lines: u64,
    pub comment_lines: u64,
    /// Physical line ends.
    pub lines: u64,
}

impl Counts {
    fn add(&mut self, extent: &Extent) {
        self.lines += extent.lines;
        match extent.kind {
            ExtentKind::Record => self.records += 1,
            ExtentKind::Damage { .. } => {
                self.records += 1;
                self.damages += 1;
            }
            ExtentKind::Blank => self.blank_lines += 1,
            ExtentKind::Comment => self.comment_lines += 1,
        }
    }

    /// What was passed between two anchors.
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            records: self.records - earlier.records,
            damages: self.damages - earlier.damages,
            blank_lines: self.blank_lines - earlier.blank_lines,
            comment_lines: self.comment_lines - earlier.comment_lines,
            lines: self.lines - earlier.lines,
        }
    }
}

/// An extent start at which a chunk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Stream offset.
    pub offset: u64,
    /// Number, from 1, of the first record at or after the anchor. Blank lines have none.
    pub record: u64,
    /// Physical line, from 1, at the anchor.
    pub line: u64,
    /// What lies between `data_start` and the anchor.
    pub before: Counts,
}

/// The result of a whole pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Ascending; the first is `data_start`, unless no byte follows it.
    pub anchors: Vec<Anchor>,
    pub totals: Counts,
    /// Length of the stream.
    pub end: u64,
}

/// A pass in progress. Either push the blocks, or let `scan` pull them.
#[derive(Debug)]
pub struct PlanScan {
    division: Division,
    fast: Option<FastRules>,
    kernel: Kernel,
    /// `held` bytes from `start` on are the stream's; the rest is room, kept so that it is zeroed once only.
    buffer: Vec<u8>,
    start: usize,
    held: usize,
    /// Stream offset of the first byte held, an extent start (or the middle of `long_line`).
    offset: u64,
    /// Do not look again before the buffer holds as much: what stands there needs a long look-ahead.
    wait_for: usize,
    long_line: Option<Extent>,
    /// The last byte passed of `long_line` ends no line.
    is_inside_line: bool,
    tally: Tally,
}

/// Counts what is passed and sets an anchor at the first extent start at or after each target.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) anchors: Vec<Anchor>,
    data_start: u64,
    first_line: u64,
    chunk_size: u64,
    target: u64,
}

impl Tally {
    /// No anchor is set yet; the first target is `data_start`. A `chunk_size` of 0 counts as 1.
    pub(crate) fn new(data_start: u64, first_line: u64, chunk_size: u64) -> Tally {
        let chunk_size = chunk_size.max(1);
        Tally { counts: Counts::default(), anchors: Vec::new(), data_start, first_line, chunk_size, target: data_start }
    }

    /// An extent starts at `end`, behind everything counted.
    #[inline(always)]
    pub(crate) fn pass(&mut self, end: u64) {
        if end >= self.target {
            self.anchor(end);
        }
    }

    pub(crate) fn data_start(&self) -> u64 {
        self.data_start
    }

    /// The next extent start at or after this offset gets an anchor.
    pub(crate) fn target(&self) -> u64 {
        self.target
    }

    #[cold]
    fn anchor(&mut self, offset: u64) {
        self.anchors.push(Anchor {
            offset,
            record: self.counts.records + 1,
            line: self.first_line + self.counts.lines,
            before: self.counts,
        });
        let passed = (offset - self.data_start) / self.chunk_size;
        self.target = passed.saturating_add(1).saturating_mul(self.chunk_size).saturating_add(self.data_start);
    }
}

impl PlanScan {
    /// `first_line`: physical line, from 1, at `data_start`. A `chunk_size` of 0 counts as 1.
    pub fn new(division: Division, data_start: u64, first_line: u64, chunk_size: u64) -> PlanScan {
        PlanScan::with_kernel(division, data_start, first_line, chunk_size, Kernel::best())
    }

    pub fn with_kernel(division: Division, data_start: u64, first_line: u64, chunk_size: u64, kernel: Kernel) -> PlanScan {
        let division = match division {
            Division::Csv(rules) => Division::Csv(Arc::new(rules.without_suspects())),
            lines => lines,
        };
        let fast = match &division {
            Division::Csv(rules) => FastRules::of(rules),
            Division::Lines(_) | Division::Groups(_) => None,
        };
        let mut tally = Tally::new(data_start, first_line, chunk_size);
        tally.pass(data_start);
        PlanScan {
            division,
            fast,
            kernel,
            buffer: Vec::new(),
            start: 0,
            held: 0,
            offset: data_start,
            wait_for: 0,
            long_line: None,
            is_inside_line: false,
            tally,
        }
    }

    /// Reads the stream from `data_start` to its end through `read_at` (offset, buffer to fill → bytes read, 0 at the end only).
    pub fn scan<E>(mut self, mut read_at: impl FnMut(u64, &mut [u8]) -> Result<usize, E>) -> Result<Plan, E> {
        while self.pull(&mut read_at)? {}
        Ok(self.finish())
    }

    /// Reads and divides one more block; false at the end of the stream. For callers that look at progress or cancel in between.
    pub fn pull<E>(&mut self, mut read_at: impl FnMut(u64, &mut [u8]) -> Result<usize, E>) -> Result<bool, E> {
        let position = self.position();
        let end = self.make_room(BLOCK);
        let read = read_at(position, &mut self.buffer[end..end + BLOCK])?;
        self.held += read;
        let at_end = read == 0;
        self.divide(at_end);
        Ok(!at_end)
    }

    /// Divides a stream that stands in memory whole, from `data_start` on, where it stands. Nothing may have been taken before.
    pub fn scan_slice(mut self, bytes: &[u8]) -> Plan {
        let used = self.divide_window(bytes, true);
        self.offset += used as u64;
        self.finish()
    }

    /// Takes the next bytes of the stream, of any number.
    pub fn push(&mut self, block: &[u8]) {
        let end = self.make_room(block.len());
        self.buffer[end..end + block.len()].copy_from_slice(block);
        self.held += block.len();
        self.divide(false);
    }

    /// Makes room for `bytes` more behind what is held, and says where. What is held is moved so that they come to an aligned address; a long
    /// look-ahead stays where it is while it has room.
    fn make_room(&mut self, bytes: usize) -> usize {
        let end = self.start + self.held;
        let stays = self.held >= BLOCK || self.buffer.get(end..).is_some_and(|rest| rest.as_ptr().align_offset(ALIGNMENT) == 0);
        if stays && end + bytes <= self.buffer.len() {
            return end;
        }
        let needed = self.held + ALIGNMENT + bytes;
        if self.buffer.len() < needed {
            self.buffer.resize(needed.next_multiple_of(BLOCK), 0);
        }
        // An address that cannot be aligned is one step further than any.
        let shift = self.buffer[self.held..].as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        if shift != self.start {
            self.buffer.copy_within(self.start..end, shift);
            self.start = shift;
        }
        shift + self.held
    }

    /// Stream offset up to which bytes were taken.
    pub fn position(&self) -> u64 {
        self.offset + self.held as u64
    }

    /// Stream offset up to which all is divided: no anchor comes before it any more.
    pub fn settled(&self) -> u64 {
        self.offset
    }

    /// What was divided so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts
    }

    /// Hands out the anchors that are certain, each once: those before the last byte taken.
    pub fn take_anchors(&mut self) -> Vec<Anchor> {
        let position = self.position();
        let certain = self.tally.anchors.partition_point(|anchor| anchor.offset < position);
        self.tally.anchors.drain(..certain).collect()
    }

    /// The stream ends here. The plan holds the anchors that `take_anchors` did not hand out.
    pub fn finish(mut self) -> Plan {
        self.divide(true);
        let end = self.position();
        self.tally.anchors.retain(|anchor| anchor.offset < end);
        Plan { anchors: self.tally.anchors, totals: self.tally.counts, end }
    }

    fn divide(&mut self, at_end: bool) {
        if !at_end && self.held < self.wait_for {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let used = self.divide_window(&buffer[self.start..self.start + self.held], at_end);
        self.buffer = buffer;
        self.start += used;
        self.held -= used;
        self.offset += used as u64;
        // Looking again at every block would cost the square of a long look-ahead.
        self.wait_for = if self.held >= BLOCK { self.held * 2 } else { 0 };
    }

    /// Divides as much as can be decided and says how many bytes that were.
    fn divide_window(&mut self, buffer: &[u8], at_end: bool) -> usize {
        let mut used = 0;
        while used < buffer.len() {
            let window = &buffer[used..];
            if let Some(mut long) = self.long_line {
                let (length, lines, is_over) = match self.skip(window, at_end) {
                    Skip::End { length, lines } => (length, lines, true),
                    Skip::More { length, lines } => (length, lines, false),
                };
                used += length as usize;
                if length > 0 {
                    self.is_inside_line = buffer[used - 1] != b'\n';
                }
                long.length += length;
                long.lines += lines;
                self.long_line = Some(long);
                if !is_over {
                    break;
                }
                self.long_line = None;
                self.take(&long, self.offset + used as u64);
                continue;
            }
            let reached = self.count_run(window, at_end, self.offset + used as u64);
            used += reached.consumed;
            if reached.halt == Halt::WindowEnd {
                break;
            }
            match self.next(&buffer[used..], at_end, self.offset + used as u64) {
                Step::Extent(extent) => {
                    used += extent.length as usize;
                    self.take(&extent, self.offset + used as u64);
                }
                Step::LongLine(extent) => {
                    used += extent.length as usize;
                    self.is_inside_line = buffer[used - 1] != b'\n';
                    self.long_line = Some(extent);
                }
                Step::NeedMore => break,
            }
        }
        // A long line whose settled bytes were the stream's last ones ends there.
        if at_end && let Some(long) = self.long_line.take() {
            self.take(&long, self.offset + used as u64);
        }
        used
    }

    fn take(&mut self, extent: &Extent, end: u64) {
        self.tally.counts.add(extent);
        self.tally.pass(end);
    }

    fn count_run(&mut self, window: &[u8], at_end: bool, offset: u64) -> Reached {
        let mut sink = CountSink { tally: &mut self.tally, offset };
        match (&self.division, self.fast) {
            (Division::Csv(rules), Some(fast)) => scan(self.kernel, Span { window, at_end, offset, rules, fast }, &mut sink),
            (Division::Csv(_), None) => Reached { consumed: 0, halt: Halt::Unproven },
            (Division::Lines(rules), _) => scan_lines(self.kernel, window, at_end, rules, &mut sink),
            (Division::Groups(_), _) => Reached { consumed: 0, halt: Halt::Unproven },
        }
    }

    fn next(&self, window: &[u8], at_end: bool, offset: u64) -> Step {
        match &self.division {
            Division::Csv(rules) => next_extent(window, at_end, offset, rules),
            Division::Lines(rules) => next_line(window, at_end, offset, rules),
            Division::Groups(rules) => next_group(window, at_end, offset, rules),
        }
    }

    fn skip(&self, window: &[u8], at_end: bool) -> Skip {
        match &self.division {
            Division::Csv(rules) => skip_line(window, at_end, rules),
            Division::Lines(_) => skip_long_line(window, at_end),
            Division::Groups(rules) => skip_group(window, at_end, self.is_inside_line, rules),
        }
    }
}

struct CountSink<'a> {
    tally: &'a mut Tally,
    offset: u64,
}

impl Sink for CountSink<'_> {
    const WANTS_SEPARATORS: bool = false;

    #[inline(always)]
    fn bulk_before(&self) -> usize {
        usize::try_from(self.tally.target.saturating_sub(self.offset)).unwrap_or(usize::MAX)
    }

    #[inline(always)]
    fn bulk(&mut self, records: u64, blanks: u64) {
        self.tally.counts.records += records;
        self.tally.counts.blank_lines += blanks;
        self.tally.counts.lines += records + blanks;
    }

    #[inline(always)]
    fn separators<S: Simd>(&mut self, _simd: S, _base: usize, _separators: u64, _quoted: u64, _escaped: u64) {}

    #[inline(always)]
    fn record(&mut self, record: Proven) -> Flow {
        let counts = &mut self.tally.counts;
        counts.lines += record.lines;
        if record.is_blank {
            counts.blank_lines += 1;
        } else {
            counts.records += 1;
        }
        self.tally.pass(self.offset + record.end as u64);
        Flow::Go
    }
}
