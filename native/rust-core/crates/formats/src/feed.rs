//! A window over the bytes of a source that moves forward. Batches keep pointing into a window after the feed has left it.

use std::sync::Arc;

use crate::error::Error;
use crate::source::{ByteSource, UNKNOWN_SIZE, read_full};

/// Bytes read at once. What becomes of a block takes four times as much until it is encoded: of larger ones, and of what encoders keep from batch
/// to batch, much falls out of the processor's cache in between. Remote stores are asked for larger ranges, whatever is read at once.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;
/// Read this far behind the end of a range, so that the last record's end can be told without another read.
const LOOK_AHEAD_BYTES: u64 = 4 << 10;
/// Windows kept for use again once nobody points into them.
const SPARE_WINDOWS: usize = 2;
/// None of them is much larger than the windows that will be needed: one that grew with a long record is let go.
const MAX_SPARE_BLOCKS: usize = 4;
/// A window grows by at most this much at once, so that it never is much larger than the record it grows for.
const MAX_GROWTH_BYTES: usize = 8 << 20;

pub(crate) struct Feed {
    source: Box<dyn ByteSource>,
    window: Arc<Vec<u8>>,
    /// Stream offset of the window's first byte.
    start: u64,
    /// Bytes of the window already passed.
    at: usize,
    /// `UNKNOWN_SIZE` until the end was met.
    size: u64,
    /// Where the range to be read ends.
    range_end: u64,
    block_bytes: usize,
    spare: Vec<Arc<Vec<u8>>>,
}

impl Feed {
    pub(crate) fn new(mut source: Box<dyn ByteSource>, start: u64, range_end: u64, block_bytes: usize) -> Feed {
        let size = source.size();
        if start < range_end {
            source.announce(start, range_end.saturating_add(LOOK_AHEAD_BYTES).min(size));
        }
        Feed { source, window: Arc::default(), start, at: 0, size, range_end, block_bytes: block_bytes.max(1), spare: Vec::new() }
    }

    /// Bytes not passed yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.window[self.at..]
    }

    /// Stream offset of the first byte of `rest`.
    pub(crate) fn position(&self) -> u64 {
        self.start + self.at as u64
    }

    /// No byte of the stream follows the window.
    pub(crate) fn at_end(&self) -> bool {
        self.start + self.window.len() as u64 >= self.size
    }

    /// Offset of `rest` in the window.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn window(&self) -> &Arc<Vec<u8>> {
        &self.window
    }

    pub(crate) fn window_start(&self) -> u64 {
        self.start
    }

    pub(crate) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Drops what was passed and reads on; the rest grows to twice its length, or by `MAX_GROWTH_BYTES`. Nothing happens at the end of the stream.
    pub(crate) fn more(&mut self) -> Result<(), Error> {
        if self.at_end() {
            return Ok(());
        }
        let position = self.position();
        let kept = self.rest().len();
        let read_from = position + kept as u64;
        let useful = if read_from < self.range_end { self.range_end - read_from + LOOK_AHEAD_BYTES } else { u64::MAX };
        let wanted = self.block_bytes.max(kept.min(MAX_GROWTH_BYTES)) as u64;
        let count = wanted.min(useful.max(kept as u64)).min(self.size - read_from) as usize;
        let mut next = self.window_with_rest(kept);
        next.reserve_exact((kept + count).saturating_sub(next.len()));
        // What stood there is overwritten: to clear a window costs as much as to copy it.
        next.resize(kept + count, 0);
        let filled = self.fill(&mut next[kept..], read_from)?;
        next.truncate(kept + filled);
        self.window = Arc::new(next);
        self.start = position;
        self.at = 0;
        Ok(())
    }

    /// A window that holds the rest alone, and maybe bytes to be overwritten behind it.
    fn window_with_rest(&mut self, kept: usize) -> Vec<u8> {
        let mut old = std::mem::take(&mut self.window);
        // A long record: of its beginning there should be one copy only.
        if kept >= self.block_bytes
            && let Some(window) = Arc::get_mut(&mut old)
        {
            window.drain(..self.at);
            return std::mem::take(window);
        }
        let mut next = self.spare_window();
        next.resize(next.len().max(kept), 0);
        next[..kept].copy_from_slice(&old[self.at..]);
        if self.spare.len() < SPARE_WINDOWS && old.capacity() <= MAX_SPARE_BLOCKS * self.block_bytes {
            self.spare.push(old);
        }
        next
    }

    /// Less than asked only at the end of a stream whose size nobody knew: from then on it is known.
    fn fill(&mut self, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
        let filled = read_full(self.source.as_mut(), offset, buffer)?;
        if filled < buffer.len() {
            let end = offset + filled as u64;
            if self.size != UNKNOWN_SIZE {
                return Err(Error::new(
                    "INPUT_CHANGED",
                    format!("cannot read byte {end}: the input was {} bytes long and is shorter now", self.size),
                ));
            }
            self.size = end;
        }
        Ok(filled)
    }

    fn spare_window(&mut self) -> Vec<u8> {
        let free = self.spare.iter().position(|window| Arc::strong_count(window) == 1);
        free.and_then(|index| Arc::try_unwrap(self.spare.swap_remove(index)).ok()).unwrap_or_else(|| {
            self.spare.truncate(SPARE_WINDOWS - 1);
            Vec::new()
        })
    }
}

/// Physical line ends of bytes that come in pieces.
#[derive(Default)]
pub(crate) struct LineCounter {
    pub lines: u64,
    ends_in_cr: bool,
}

impl LineCounter {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.lines += crate::report::count_line_ends(bytes);
        if self.ends_in_cr && bytes[0] == b'\n' {
            self.lines -= 1;
        }
        self.ends_in_cr = *last == b'\r';
    }
}
