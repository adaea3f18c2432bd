//! NDJSON and plain lines: an extent is one line. Only LF ends it; a CR before the LF belongs to the terminator. A line over the record
//! limit is a damage, read on without being held.

use crate::extent::{DamageCode, Extent, ExtentKind, Skip, Step};
use crate::fast::{Flow, Halt, Proven, Reached, Sink};
use crate::masks::{Kernel, Simd, Task, WORD};

/// Physical line ends in `bytes`: LF, CR LF and lone CR. `next` is the byte behind them, if there is one: a CR before an LF is not
/// an end of its own.
pub(crate) fn count_line_ends(bytes: &[u8], next: Option<u8>) -> u64 {
    let feeds = count_of(b'\n', bytes);
    let returns = count_of(b'\r', bytes);
    if returns == 0 {
        return feeds as u64;
    }
    let pairs = bytes.windows(2).filter(|pair| *pair == b"\r\n").count();
    let is_split_pair = bytes.last() == Some(&b'\r') && next == Some(b'\n');
    (feeds + returns - pairs - usize::from(is_split_pair)) as u64
}

/// Sums of bytes, as many as one can hold, are what the compiler makes vectors of.
fn count_of(wanted: u8, bytes: &[u8]) -> usize {
    let sum = |piece: &[u8]| piece.iter().fold(0_u8, |count, &byte| count + u8::from(byte == wanted));
    bytes.chunks(192).map(|piece| usize::from(sum(piece))).sum()
}

/// What a line holds: says which lines are blank, and what a line over the limit is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A line of nothing but blanks, tabs and CRs is blank.
    Json,
    /// Only a line without any byte is blank.
    Text,
}

/// The rules of an input whose records are lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRules {
    /// L: bytes of a line with its terminator.
    pub max_record_bytes: u64,
    pub kind: LineKind,
}

impl LineRules {
    pub fn json(max_record_bytes: u64) -> LineRules {
        LineRules { max_record_bytes, kind: LineKind::Json }
    }

    pub fn text(max_record_bytes: u64) -> LineRules {
        LineRules { max_record_bytes, kind: LineKind::Text }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.max_record_bytes).unwrap_or(usize::MAX)
    }
}

/// Finds the line that begins at the first byte of `window`; see `extent::next_extent`. Records have `fields` 1.
pub fn next_line(window: &[u8], at_end: bool, stream_offset: u64, rules: &LineRules) -> Step {
    let limit = rules.limit();
    if window.is_empty() {
        return Step::NeedMore;
    }
    let end = match window.iter().position(|&byte| byte == b'\n') {
        Some(at) => at + 1,
        None if at_end => window.len(),
        None if window.len() > limit => return long_line(window, stream_offset, rules),
        None => return Step::NeedMore,
    };
    let line = &window[..end];
    let kind = match end {
        _ if end > limit => too_large(stream_offset, rules),
        _ if rules.kind.is_blank(line) => ExtentKind::Blank,
        _ => ExtentKind::Record,
    };
    Step::Extent(extent(kind, end, count_line_ends(line, None)))
}

fn too_large(stream_offset: u64, rules: &LineRules) -> ExtentKind {
    let code = match rules.kind {
        LineKind::Json => DamageCode::JsonRecordTooLarge,
        LineKind::Text => DamageCode::LinesRecordTooLarge,
    };
    ExtentKind::Damage { code, error_offset: stream_offset + rules.max_record_bytes }
}

fn long_line(window: &[u8], stream_offset: u64, rules: &LineRules) -> Step {
    let length = settled(window);
    if length == 0 {
        return Step::NeedMore;
    }
    Step::LongLine(extent(too_large(stream_offset, rules), length, count_line_ends(&window[..length], None)))
}

/// A CR at the window's end stays, until it is known whether an LF follows.
pub(crate) fn settled(window: &[u8]) -> usize {
    window.len() - usize::from(window.last() == Some(&b'\r'))
}

pub(crate) fn extent(kind: ExtentKind, length: usize, lines: u64) -> Extent {
    let fields = u32::from(kind == ExtentKind::Record);
    Extent { kind, length: length as u64, lines, fields, first_error: None, suspect: false, literal: false }
}

/// Reads a line over the limit on: see `Step::LongLine`.
pub fn skip_long_line(window: &[u8], at_end: bool) -> Skip {
    if let Some(at) = window.iter().position(|&byte| byte == b'\n') {
        return Skip::End { length: at as u64 + 1, lines: count_line_ends(&window[..=at], None) };
    }
    if at_end {
        return Skip::End { length: window.len() as u64, lines: count_line_ends(window, None) };
    }
    let length = settled(window);
    Skip::More { length: length as u64, lines: count_line_ends(&window[..length], None) }
}

impl LineKind {
    /// `line` with its terminator, not empty.
    #[inline(always)]
    fn is_blank(self, line: &[u8]) -> bool {
        match self {
            LineKind::Json => line[0] <= b' ' && line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')),
            LineKind::Text => matches!(line, b"\n" | b"\r\n"),
        }
    }
}

/// Gives `sink` the lines from the window's start on; halts before a line over the limit.
pub(crate) fn scan_lines<K: Sink>(kernel: Kernel, window: &[u8], at_end: bool, rules: &LineRules, sink: &mut K) -> Reached {
    kernel.run(LineTask { window, at_end, limit: rules.limit(), kind: rules.kind, sink })
}

struct LineTask<'a, K: Sink> {
    window: &'a [u8],
    at_end: bool,
    limit: usize,
    kind: LineKind,
    sink: &'a mut K,
}

struct LineScan<'a> {
    window: &'a [u8],
    limit: usize,
    kind: LineKind,
    last_end: usize,
    /// Physical line ends since the last line's end: lone CRs.
    lines: u64,
    /// The current line begins with a byte that may be blank: its kind is seen at its end only.
    may_be_blank: bool,
    last_ends: u64,
}

impl<K: Sink> Task for LineTask<'_, K> {
    type Output = Reached;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Reached {
        let window = self.window;
        let mut scan =
            LineScan { window, limit: self.limit, kind: self.kind, last_end: 0, lines: 0, may_be_blank: false, last_ends: 1 << 63 };
        let (words, tail) = window.as_chunks::<WORD>();
        for (index, word) in words.iter().enumerate() {
            let next = window.get((index + 1) * WORD).copied();
            if let Some(halt) = scan.word(simd, index * WORD, word, next, self.sink) {
                return scan.reached(halt);
            }
        }
        if !tail.is_empty() {
            let mut word = [b'0'; WORD];
            word[..tail.len()].copy_from_slice(tail);
            if let Some(halt) = scan.word(simd, words.len() * WORD, &word, None, self.sink) {
                return scan.reached(halt);
            }
        }
        let halt = match self.at_end && scan.last_end < window.len() {
            true => scan.take(window.len(), scan.lines, self.sink).unwrap_or(Halt::WindowEnd),
            false => Halt::WindowEnd,
        };
        scan.reached(halt)
    }
}

impl LineScan<'_> {
    fn reached(&self, halt: Halt) -> Reached {
        Reached { consumed: self.last_end, halt }
    }

    #[inline(always)]
    fn word<S: Simd, K: Sink>(&mut self, simd: S, base: usize, bytes: &[u8; WORD], next: Option<u8>, sink: &mut K) -> Option<Halt> {
        let masks = simd.line_masks(bytes);
        let lone_cr = masks.cr & !(masks.lf >> 1 | u64::from(next == Some(b'\n')) << 63);
        let starts = masks.lf << 1 | self.last_ends >> 63;
        self.last_ends = masks.lf;
        let has_low_start = starts & masks.low != 0;
        let is_plain = !has_low_start && lone_cr == 0 && self.lines == 0 && !self.may_be_blank;
        if is_plain && base + WORD < sink.bulk_before() && self.limit >= WORD {
            return self.bulk(base, masks.lf, sink);
        }
        self.may_be_blank |= has_low_start;
        self.line_by_line(base, masks.lf, lone_cr, sink)
    }

    #[inline(always)]
    fn bulk<K: Sink>(&mut self, base: usize, ends: u64, sink: &mut K) -> Option<Halt> {
        let first_end = if ends == 0 { base + WORD } else { base + ends.trailing_zeros() as usize + 1 };
        if first_end - self.last_end > self.limit {
            return Some(Halt::Unproven);
        }
        if ends != 0 {
            self.last_end = base + WORD - ends.leading_zeros() as usize;
            sink.bulk(u64::from(ends.count_ones()), 0);
        }
        None
    }

    #[inline(always)]
    fn line_by_line<K: Sink>(&mut self, base: usize, mut ends: u64, lone_cr: u64, sink: &mut K) -> Option<Halt> {
        let mut from = u64::MAX;
        while ends != 0 {
            let up_to = ends ^ (ends - 1);
            let end = base + ends.trailing_zeros() as usize + 1;
            let lines = self.lines + u64::from((lone_cr & from & up_to).count_ones()) + 1;
            if let Some(halt) = self.take(end, lines, sink) {
                return Some(halt);
            }
            from = !up_to;
            ends &= from;
        }
        self.lines += u64::from((lone_cr & from).count_ones());
        let reached = (base + WORD).min(self.window.len());
        // A line that is still open at the end of the word may be blank; one that is not says so at its first byte.
        self.may_be_blank = self.last_end < reached && self.window[self.last_end] <= b' ';
        (reached - self.last_end > self.limit).then_some(Halt::Unproven)
    }

    #[inline(always)]
    fn take<K: Sink>(&mut self, end: usize, lines: u64, sink: &mut K) -> Option<Halt> {
        let start = self.last_end;
        if end - start > self.limit {
            return Some(Halt::Unproven);
        }
        let is_blank = self.kind.is_blank(&self.window[start..end]);
        let flow = sink.record(Proven { start, end, fields: 1, lines, is_several_lines: false, is_blank });
        if matches!(flow, Flow::StopBefore) {
            return Some(Halt::Sink);
        }
        self.last_end = end;
        self.lines = 0;
        matches!(flow, Flow::StopBehind).then_some(Halt::Sink)
    }
}

/// Consecutive lines within the limit, none of them blank. Offsets count from the window's start; the first line begins at 0.
#[derive(Clone, Debug, Default)]
pub struct LineRun {
    ends: Vec<u32>,
    odd_lines: Vec<(u32, u32)>,
}

impl LineRun {
    pub fn new() -> LineRun {
        LineRun::default()
    }

    /// End of each line, its terminator included.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    pub fn length(&self) -> usize {
        self.ends.last().map_or(0, |&end| end as usize)
    }

    /// Lines that do not hold exactly one physical line end, as (line, line ends), ascending: those with a lone CR, and a last one
    /// without a terminator.
    pub fn odd_lines(&self) -> &[(u32, u32)] {
        &self.odd_lines
    }

    /// Physical line ends in the whole run.
    pub fn lines(&self) -> u64 {
        let odd: u64 = self.odd_lines.iter().map(|&(_, lines)| u64::from(lines)).sum();
        (self.ends.len() - self.odd_lines.len()) as u64 + odd
    }
}

/// What a `LineSplitter` found at the window's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSplit {
    /// The run was filled; it covers `LineRun::length` bytes.
    Run,
    /// A blank line, or a line over the limit.
    Extent(Extent),
    /// See `Step::LongLine`; `skip_long_line` reads it on.
    LongLine(Extent),
    NeedMore,
    /// The window begins at or after `stop`, or at the end of the stream.
    Done,
}

/// Divides a stream into lines for reading.
#[derive(Clone, Debug)]
pub struct LineSplitter {
    rules: LineRules,
    kernel: Kernel,
}

impl LineSplitter {
    pub fn new(rules: LineRules) -> LineSplitter {
        LineSplitter::with_kernel(rules, Kernel::best())
    }

    pub fn with_kernel(rules: LineRules, kernel: Kernel) -> LineSplitter {
        LineSplitter { rules, kernel }
    }

    /// Finds what stands at the window's first byte, which is a line start at `stream_offset`. Lines that start at or after the
    /// stream offset `stop` are not taken; a run holds at most `max_lines`.
    pub fn next(&self, window: &[u8], at_end: bool, stream_offset: u64, stop: u64, max_lines: usize, run: &mut LineRun) -> LineSplit {
        run.ends.clear();
        run.odd_lines.clear();
        if stream_offset >= stop || (window.is_empty() && at_end) {
            return LineSplit::Done;
        }
        let (window, at_end) = crate::split::addressable(window, at_end);
        let stop = usize::try_from(stop - stream_offset).unwrap_or(usize::MAX);
        scan_lines(self.kernel, window, at_end, &self.rules, &mut RunSink { run, stop, max_lines });
        if !run.ends.is_empty() {
            return LineSplit::Run;
        }
        match next_line(window, at_end, stream_offset, &self.rules) {
            Step::Extent(extent) => LineSplit::Extent(extent),
            Step::LongLine(extent) => LineSplit::LongLine(extent),
            Step::NeedMore => LineSplit::NeedMore,
        }
    }
}

struct RunSink<'a> {
    run: &'a mut LineRun,
    stop: usize,
    max_lines: usize,
}

impl Sink for RunSink<'_> {
    const WANTS_SEPARATORS: bool = false;

    #[inline(always)]
    fn bulk_before(&self) -> usize {
        0
    }

    #[inline(always)]
    fn bulk(&mut self, _records: u64, _blanks: u64) {}

    #[inline(always)]
    fn separators<S: Simd>(&mut self, _simd: S, _base: usize, _separators: u64, _quoted: u64, _escaped: u64) {}

    #[inline(always)]
    fn record(&mut self, line: Proven) -> Flow {
        if line.is_blank {
            return Flow::StopBefore;
        }
        if line.lines != 1 {
            self.run.odd_lines.push((self.run.ends.len() as u32, line.lines as u32));
        }
        self.run.ends.push(line.end as u32);
        if line.end >= self.stop || self.run.ends.len() >= self.max_lines { Flow::StopBehind } else { Flow::Go }
    }
}
