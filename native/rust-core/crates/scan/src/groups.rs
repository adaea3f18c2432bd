//! Lines grouped into records: a record begins at a line that matches, and takes all lines up to the next one that does. What stands
//! before the first matching line is one record too. Lines end as in `lines`; an empty line at the start of an extent is blank.
//!
//! A record over the limit is a damage up to the next matching line. A line over the limit never begins a record, so that no more than
//! the limit need be held to tell.

use std::fmt::Debug;
use std::sync::Arc;

use crate::extent::{DamageCode, Extent, ExtentKind, Skip, Step};
use crate::lines::{count_line_ends, extent, settled};

/// Tells the lines that begin a record.
pub trait LineStart: Debug + Send + Sync {
    /// `line` without its terminator. MUST depend on nothing else.
    fn begins(&self, line: &[u8]) -> bool;
}

#[derive(Clone, Debug)]
pub struct GroupRules {
    /// L: bytes of a record with its terminators.
    pub max_record_bytes: u64,
    pub start: Arc<dyn LineStart>,
}

impl GroupRules {
    fn limit(&self) -> usize {
        usize::try_from(self.max_record_bytes).unwrap_or(usize::MAX)
    }

    fn begins(&self, line: &[u8]) -> bool {
        line.len() <= self.limit() && self.start.begins(content(line))
    }
}

/// A line without its terminator: LF, and a CR before it.
pub fn content(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        rest => rest,
    }
}

/// What stands at `at` in a window.
enum Line {
    /// A line that ends here, exclusive.
    Until(usize),
    /// No end in sight, but it is over the limit already.
    Long,
    Unknown,
    /// The window ends at `at`, and so does the stream.
    None,
}

fn line_at(window: &[u8], at: usize, at_end: bool, limit: usize) -> Line {
    let rest = &window[at..];
    match rest.iter().position(|&byte| byte == b'\n') {
        Some(end) => Line::Until(at + end + 1),
        None if at_end && rest.is_empty() => Line::None,
        None if at_end => Line::Until(window.len()),
        None if rest.len() > limit => Line::Long,
        None => Line::Unknown,
    }
}

/// Finds the record or blank line that begins at the first byte of `window`; see `extent::next_extent`.
pub fn next_group(window: &[u8], at_end: bool, stream_offset: u64, rules: &GroupRules) -> Step {
    let limit = rules.limit();
    let mut end = match line_at(window, 0, at_end, limit) {
        Line::Until(end) if matches!(&window[..end], b"\n" | b"\r\n") => return Step::Extent(extent(ExtentKind::Blank, end, 1)),
        Line::Until(end) => end,
        Line::Long => return long(window, settled(window), stream_offset, rules),
        Line::Unknown | Line::None => return Step::NeedMore,
    };
    loop {
        if end > limit {
            return long(window, end, stream_offset, rules);
        }
        match line_at(window, end, at_end, limit) {
            Line::Until(next) if rules.begins(&window[end..next]) => return record(window, end),
            Line::Until(next) => end = next,
            Line::None => return record(window, end),
            Line::Long => return long(window, settled(window), stream_offset, rules),
            Line::Unknown => return Step::NeedMore,
        }
    }
}

fn record(window: &[u8], end: usize) -> Step {
    Step::Extent(extent(ExtentKind::Record, end, count_line_ends(&window[..end], None)))
}

fn long(window: &[u8], length: usize, stream_offset: u64, rules: &GroupRules) -> Step {
    let kind = ExtentKind::Damage { code: DamageCode::LinesRecordTooLarge, error_offset: stream_offset + rules.max_record_bytes };
    let settled: Extent = extent(kind, length, count_line_ends(&window[..length], None));
    if length == 0 { Step::NeedMore } else { Step::LongLine(settled) }
}

/// Reads a record over the limit on: see `Step::LongLine`. `is_inside_line`: the last byte settled ends no line.
pub fn skip_group(window: &[u8], at_end: bool, is_inside_line: bool, rules: &GroupRules) -> Skip {
    let limit = rules.limit();
    let mut at = 0;
    if is_inside_line {
        // What follows is the rest of a line that begins no record, however short it is.
        match window.iter().position(|&byte| byte == b'\n') {
            Some(end) => at = end + 1,
            None if at_end => return Skip::End { length: window.len() as u64, lines: count_line_ends(window, None) },
            None => return more(window, settled(window)),
        }
    }
    loop {
        match line_at(window, at, at_end, limit) {
            Line::Until(next) if rules.begins(&window[at..next]) => return over(window, at),
            Line::Until(next) => at = next,
            Line::None => return over(window, at),
            Line::Long => return more(window, settled(window)),
            Line::Unknown => return more(window, at),
        }
    }
}

fn over(window: &[u8], length: usize) -> Skip {
    Skip::End { length: length as u64, lines: count_line_ends(&window[..length], None) }
}

fn more(window: &[u8], length: usize) -> Skip {
    Skip::More { length: length as u64, lines: count_line_ends(&window[..length], None) }
}
