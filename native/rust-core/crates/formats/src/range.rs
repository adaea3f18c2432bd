//! The range a reader walks, and the records inside it that it must not parse again.

use crate::error::Error;
use crate::feed::{Feed, LineCounter};
use crate::position::Place;
use crate::read::{ExcludedRange, ReadRange};
use crate::reject::{DAMAGE_KEPT_BYTES, Reject};
use crate::report::{Spot, reject_range};

/// Where the range ends, and the excluded records still ahead, in order.
#[derive(Debug)]
pub(crate) struct RangeEnd {
    end: u64,
    ahead: Vec<ExcludedRange>,
}

/// Refuses ranges that lie outside the input or contradict each other.
pub(crate) fn check_range(range: &ReadRange, excluded: &[ExcludedRange], size: u64) -> Result<(), Error> {
    if range.start > range.end || range.end > size {
        let message = format!("cannot read bytes {} to {}: the input has {size}", range.start, range.end);
        return Err(Error::new("INPUT_RANGE", message));
    }
    let outside = |one: &&ExcludedRange| one.start >= one.end || (one.start < range.start) || one.end > range.end;
    let mut sorted: Vec<&ExcludedRange> = excluded.iter().collect();
    sorted.sort_by_key(|one| one.start);
    let overlap = sorted.windows(2).any(|pair| pair[0].end > pair[1].start);
    if overlap || excluded.iter().any(|one| outside(&one)) {
        return Err(Error::new("INPUT_RANGE", "cannot exclude records: their ranges overlap or lie outside the range that is read"));
    }
    Ok(())
}

impl RangeEnd {
    pub(crate) fn new(end: u64, excluded: &[ExcludedRange]) -> RangeEnd {
        let mut ahead = excluded.to_vec();
        ahead.sort_by_key(|range| std::cmp::Reverse(range.start));
        RangeEnd { end, ahead }
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Where parsing has to stop next: at an excluded record or at the end.
    pub(crate) fn stop(&self) -> u64 {
        self.ahead.last().map_or(self.end, |range| range.start)
    }

    pub(crate) fn excluded_at(&self, position: u64) -> Option<ExcludedRange> {
        self.ahead.last().filter(|range| range.start <= position).copied()
    }

    pub(crate) fn pass(&mut self, excluded: &ExcludedRange) {
        self.ahead.retain(|range| range.start > excluded.start);
    }
}

/// What is known of an excluded record without parsing it.
pub(crate) struct Excluded {
    pub head: Vec<u8>,
    pub lines: u64,
}

/// Passes an excluded record that begins at the feed's position.
pub(crate) fn exclude(feed: &mut Feed, excluded: &ExcludedRange, max_record_bytes: u64) -> Result<Excluded, Error> {
    let length = excluded.end - excluded.start;
    let kept = if length > max_record_bytes { DAMAGE_KEPT_BYTES } else { length as usize };
    let (mut head, mut counter, mut left) = (Vec::new(), LineCounter::default(), length);
    while left > 0 {
        if feed.rest().is_empty() {
            feed.more()?;
        }
        let piece = &feed.rest()[..(feed.rest().len() as u64).min(left) as usize];
        if piece.is_empty() {
            return Err(Error::new("INPUT_RANGE", format!("cannot exclude bytes up to {}: the input ends before", excluded.end)));
        }
        counter.add(piece);
        head.extend_from_slice(&piece[..piece.len().min(kept - head.len())]);
        let passed = piece.len();
        left -= passed as u64;
        feed.advance(passed);
    }
    Ok(Excluded { head, lines: counter.lines })
}

/// The reject that a record becomes that was found by bisecting: `code` is `CORE_CRASH` or `CORE_MEMORY`, `head` its bytes or the first of them.
pub fn excluded_reject(place: Place, code: &'static str, head: &[u8], max_record_bytes: u64) -> Reject {
    let message = match code {
        "CORE_MEMORY" => "memory ran out whenever this record was processed",
        _ => "the core died whenever this record was processed",
    };
    let spot = Spot { raw: head, place: &place, offset: 0, column_index: None };
    reject_range(place, spot.error(code, message.into(), None), head, max_record_bytes)
}
